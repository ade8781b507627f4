"""Enrichment in Dagster: what its sensor asks for, and what its runs make, show and answer."""

import json
from pathlib import Path

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.config import ObjectConfig
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.media.audio.waveform import WaveformDrawer
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.records.tables import (
    PREVIEWS,
    report_key,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import (
    metadata,
    passed_checks,
    records,
    requests,
    run,
    run_as_requested,
)
from ingest_pipeline_tests.media.clips import big_buck_bunny
from ingest_pipeline_tests.media.pictures import encoded, photo
from ingest_pipeline_tests.pipeline.enrich.test_preview import rendered, row
from ingest_pipeline_tests.world import World, bodies

JOB = "enrich_objects"
EMPTY = Depth(waiting=0, in_flight=0)


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)


def ingested(world: World, instance: dg.DagsterInstance, **contents: bytes) -> list[ObjectRef]:
    """Objects that a run has taken in, which asks for their enrichment."""
    refs = [world.put(key, content) for key, content in contents.items()]
    assert run(instance, refs[0].day, refs).success
    return refs


def test_a_run_that_indexes_asks_for_previews_and_another_makes_and_shows_them(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    photo_bytes = encoded(photo(), "JPEG")
    refs = ingested(our_world, instance, sound=wavs.valid(), photo=photo_bytes, bad=b"")
    (request,) = requests(instance, "enrich_objects_sensor")
    assert (request.partition_key, request.tags["ingest/objects"]) == (refs[0].day, "2")
    assert request.tags["ingest/lane"] == "later", "no outcome waits for a picture"
    assert our_world.tables.get(PREVIEWS, report_key(refs[0].uri, refs[0].row_version)) is None
    result = run_as_requested(instance, JOB, request)
    assert result.success
    assert row(our_world, refs[0]).run_id == result.run_id
    shown = metadata(result, "previews")
    assert (shown["previews"], shown["without"]) == (2, 0)
    assert shown["kinds"] == {"audio": 1, "image": 1}
    assert str(shown["pictures"]).count("](data:image/webp;base64,") == 2
    drawn = {str(record[0]): record[1:3] for record in records(shown["table"])}
    assert drawn[f"{our_world.bucket}/sound"] == ["audio", "960x160"]
    assert f"/catalogue/{our_world.bucket}?key=sound)" in str(shown["in the catalogue"])
    assert len(str(shown["pictures"])) < 30_000
    assert passed_checks(result)["every_object_has_its_preview"]
    assert metadata(result, "enrichment_receipts") == {"objects": 2, "messages": 2}
    assert our_world.system.queues.enrichment.queue.depth() == EMPTY


def test_an_object_that_fails_in_passing_comes_again_alone(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, _ = ingested(our_world, instance, sound=wavs.valid(), photo=encoded(photo(), "PNG"))
    (request,) = requests(instance, "enrich_objects_sensor")
    with monkeypatch.context() as without_child:
        without_child.setattr(WaveformDrawer.__init__, "__defaults__", (Path("/no/such/program"),))
        failed = run_as_requested(instance, JOB, request)
    assert not failed.success
    assert not passed_checks(failed)["every_object_has_its_preview"]
    assert [json.loads(body) for body in bodies(our_world.system.queues.enrichment.queue)] == [
        json.loads(ingest_body(sound))
    ]


def test_a_message_for_what_needs_nothing_is_answered(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    (ref,) = ingested(our_world, instance, sound=wavs.valid())
    our_world.system.queues.enrichment.queue.send_all([ingest_body(ref)] * 2)
    (request,) = requests(instance, "enrich_objects_sensor")
    assert run_as_requested(instance, JOB, request).success
    assert our_world.system.queues.enrichment.queue.depth() == EMPTY


def test_a_run_without_objects_makes_what_its_day_lacks(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    (ref,) = ingested(our_world, instance, sound=wavs.valid())
    result = (
        defs().resolve_job_def(JOB).execute_in_process(instance=instance, partition_key=ref.day)
    )
    assert result.success
    assert row(our_world, ref).preview_key


def test_a_videos_preview_is_made_behind_its_rendition(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    film = our_world.put("film.mp4", big_buck_bunny().read_bytes())
    our_world.ingest([film])
    rendered(our_world, film)
    config = {"config": {"objects": [dict(ObjectConfig.of(film))]}}
    result = (
        defs()
        .resolve_job_def("transcode_videos")
        .execute_in_process(
            instance=instance,
            partition_key=film.day,
            run_config={"ops": {"renditions": config, "previews": config}},
            tags={BATCH_TAG: "none"},
        )
    )
    assert result.success
    assert row(our_world, film).strip_key
    assert str(metadata(result, "previews")["pictures"]).count("data:image/webp") >= 1
