import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.config import ObjectConfig
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.defs.enrichment.transcripts import transcripts_by
from ingest_pipeline.media.speech.local import LocalTranscriber
from ingest_pipeline.records.model import ObjectRef, Transcript
from ingest_pipeline.records.tables import ASSETS, TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.settings import settings
from ingest_pipeline.values import object_uri
from ingest_pipeline_tests.defs.runs import passed_checks
from ingest_pipeline_tests.defs.sessions import helpers
from ingest_pipeline_tests.media.speech.voices import voice, wav, words
from ingest_pipeline_tests.sessions.trees import REPORT, changed
from ingest_pipeline_tests.transcribe import stand_in
from ingest_pipeline_tests.world import World, bodies

CHECK = "every_recording_has_its_transcript"


def run(instance: dg.DagsterInstance, day: str, *refs: ObjectRef) -> dg.ExecuteInProcessResult:
    objects = [dict(ObjectConfig.of(ref)) for ref in refs]
    return dg.materialize(
        [transcripts_by("model 1")],
        instance=instance,
        partition_key=day,
        resources=resources(settings()).by_name(),
        run_config={"ops": {"transcripts": {"config": {"objects": objects}}}} if refs else None,
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    event = result.asset_materializations_for_node("transcripts")[0]
    return {name: value.value for name, value in event.metadata.items()}


def spoken_session(world: World) -> SampleSession:
    """A session, put in its bucket: somebody speaks in the first of its two recordings."""
    one = replace(helpers.session(1), tags=2)
    report = one.report
    del report["drive_info"]["Data_Info"]["driver_comment"]
    changes = {one.audio_tags[0]: wav(voice()), REPORT: json.dumps(report).encode()}
    for key, content in changed(one.objects(), changes):
        world.clients.s3.put_object(Bucket=world.session_bucket, Key=key, Body=content)
    return one


def recordings(world: World, one: SampleSession) -> list[ObjectRef]:
    """What is indexed of a session, as messages name it."""
    keys = [{"bucket": world.session_bucket, "file": one.prefix + tag} for tag in one.audio_tags]
    rows = {row.file: row for row in world.tables.get_many(ASSETS, keys)}
    return [
        ObjectRef(bucket=row.bucket, key=row.file, version=row.version, arrived=row.last_modified)
        for row in (rows[each["file"]] for each in keys)
    ]


def comments(one: SampleSession) -> list[str]:
    """What the event database says of each recording of a session."""
    with resources(settings()).event_db.opened() as database:
        table = database.table().set_index("audio_tag")
    return [str(table.loc[tag, "comment"]) for tag in one.audio_tags]


def rows(world: World, key: str) -> list[Transcript]:
    uri = object_uri(world.session_bucket, key)
    return list(world.tables.query(TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT, uri))


def test_what_a_driver_says_becomes_the_comment_of_the_event(
    our_world: World, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    one = spoken_session(our_world)
    assert helpers.ingest(instance, [one.prefix]).success
    assert comments(one) == ["ND", "ND"]
    asked = bodies(our_world.system.queues.enrichment.queue)
    names = [tag.rpartition("/")[2] for tag in one.audio_tags]
    assert all(any(name in body for body in asked) for name in names)

    refs = recordings(our_world, one)
    result = run(instance, "2024-02-01", *refs)
    assert result.success
    assert passed_checks(result) == {CHECK: True}
    said, nothing = comments(one)
    assert (words(said), nothing) == (["front", "center"], "ND")
    (row,) = rows(our_world, refs[0].key)
    assert (row.line, row.run_id) == (said, result.run_id)
    shown = metadata(result)
    assert (shown["recordings"], shown["transcribed now"]) == (2, 2)
    assert (shown["with text"], shown["without"]) == (1, 1)
    assert metadata(run(instance, "2024-02-01", *refs))["transcribed now"] == 0

    # Another database, as after a cut-over: what is on record goes there with the events.
    (tmp_path / "event-db-url").write_text(f"sqlite:///{tmp_path / 'others.db'}")
    assert helpers.ingest(instance, [one.prefix]).success
    assert comments(one) == [said, "ND"]


def test_amazon_transcribe_hears_a_driver_as_the_local_model_does(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = spoken_session(our_world)
    with stand_in() as service:
        service.quick = our_world.clients
        monkeypatch.setenv("INGEST_TRANSCRIBER", "transcribe")
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE", service.endpoint)
        settings.cache_clear()
        assert helpers.ingest(instance, [one.prefix]).success
        refs = recordings(our_world, one)
        result = run(instance, "2024-02-01", *refs)
        assert passed_checks(result) == {CHECK: True}
        assert metadata(run(instance, "2024-02-01", *refs))["transcribed now"] == 0
    said = "Welcome to Amazon Transcribe. Front center"
    assert comments(one) == [said, said]
    assert [row.line for ref in refs for row in rows(our_world, ref.key)] == [said, said]
    asked = [each["Media"]["MediaFileUri"] for each in service.requests]
    assert sorted(asked) == sorted(ref.uri for ref in refs)
    assert service.jobs == {}


def test_what_cannot_be_heard_for_now_fails_the_check_and_leaves_no_row(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    one = spoken_session(our_world)
    assert helpers.ingest(instance, [one.prefix]).success
    (our_world.settings.event_db_file or Path()).write_text("mysql+pymysql://root@127.0.0.1:1/x")
    refs = recordings(our_world, one)
    result = run(instance, "2024-02-01", *refs[:1])
    assert passed_checks(result) == {CHECK: False}
    assert rows(our_world, refs[0].key) == []


def test_without_a_transcriber_nothing_is_asked_for(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_TRANSCRIBER", "none")
    settings.cache_clear()
    one = spoken_session(our_world)
    assert helpers.ingest(instance, [one.prefix]).success
    result = run(instance, "2024-02-01", *recordings(our_world, one))
    assert result.success
    assert metadata(result)["recordings"] == 0


def test_another_model_or_language_is_another_code_version(
    our_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def version() -> str | None:
        settings.cache_clear()
        key = dg.AssetKey("transcripts")
        return defs().resolve_assets_def(key).code_versions_by_key[key]

    assert our_world.settings.transcriber == "local"
    first = version()
    assert first == LocalTranscriber().model
    monkeypatch.setenv("INGEST_TRANSCRIBER_LANGUAGE", "")
    second = version()
    (tmp_path / "model.bin").write_bytes(b"weights")
    monkeypatch.setenv("INGEST_TRANSCRIBER_MODEL", str(tmp_path))
    third = version()
    monkeypatch.setenv("INGEST_TRANSCRIBER", "none")
    assert len({first, second, third, version()}) == 4
