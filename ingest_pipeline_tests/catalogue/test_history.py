from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ingest_pipeline.catalogue.history import (
    History,
    history,
)
from ingest_pipeline.media.model import AudioInfo, Kind, Probe, Reason
from ingest_pipeline.records.model import (
    Asset,
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
)
from ingest_pipeline.system import System
from ingest_pipeline_tests.embedded import EmbeddedAws

MORNING = datetime(2026, 11, 24, 8, tzinfo=UTC)
REASON = Reason(rule="bits_per_sample", found=16, wanted=24)
AUDIO = AudioInfo(
    channel_count=2,
    frame_count=2880000,
    sample_rate=48000,
    bits_per_sample=24,
    duration="60.0",
    block_align=6,
    sample_format="int",
    channel_layout=("FL", "FR"),
    data_bytes=17280000,
)


@pytest.fixture
def system(embedded_aws: EmbeddedAws) -> System:
    return System(embedded_aws.settings)


@pytest.fixture
def key() -> str:
    return f"history-{uuid4().hex}/ä b+c.wav"


def tell(system: System, key: str) -> History:
    return history(
        system.clients.s3,
        system.tables,
        system.queues.ingest.queue,
        "http://ui",
        bucket="ingest",
        key=key,
    )


def put(system: System, key: str, body: bytes = b"x") -> str:
    """Put an object; its version."""
    response = system.clients.s3.put_object(Bucket="ingest", Key=key, Body=body)
    return response["VersionId"]


def report(
    key: str,
    version: str,
    outcome: Outcome,
    modified: datetime = MORNING,
    judged: datetime = MORNING,
) -> Report:
    return Report(
        bucket="ingest",
        key=key,
        version=version,
        day="2026-11-24",
        etag="abc",
        size=17280044,
        last_modified=modified,
        probe=Probe(
            kind=Kind.AUDIO,
            container="wav",
            codec="pcm",
            audio=AUDIO,
            metadata={"info": {"artist": "Ä"}},
            warnings=("odd",),
        ),
        verdict=Verdict.REJECTED if outcome is Outcome.REJECTED else Verdict.VALID,
        reasons=(REASON,) if outcome is Outcome.REJECTED else (),
        outcome=outcome,
        judged_at=judged,
        run_id="run-1",
    )


def live(key: str, version: str) -> Asset:
    return Asset(
        bucket="ingest",
        file=key,
        version=version,
        day="2026-11-24",
        last_modified=MORNING,
        judged_at=MORNING,
    )


def test_an_indexed_object(system: System, key: str) -> None:
    version = put(system, key)
    known = report(key, version, Outcome.INDEXED)
    system.tables.put(REPORTS, [known])
    system.tables.put(ASSETS, [live(key, version)])

    story = tell(system, key)

    assert (story.bucket, story.key, story.indexed) == ("ingest", key, True)
    assert (story.kind, story.outcome, story.version) == ("audio", "indexed", version)
    assert (story.run_id, story.run_url) == ("run-1", "http://ui/runs/run-1")
    found = story.report.model_dump(mode="json")
    assert found | AUDIO.model_dump(mode="json", exclude={"block_align", "data_bytes"}) == found
    assert (found["container"], found["codec"], found["size"]) == ("wav", "pcm", 17280044)
    assert (found["metadata"], found["warnings"]) == ({"info": {"artist": "Ä"}}, ["odd"])
    assert len(story.history) == 1
    assert story.history[0].model_dump() == story.model_dump(
        exclude={"said", "bucket", "key", "indexed", "history"}
    )


def test_a_rejected_object_says_why(system: System, key: str) -> None:
    system.tables.put(REPORTS, [report(key, "v1", Outcome.REJECTED)])
    story = tell(system, key)
    assert (story.outcome, story.reasons, story.indexed) == ("rejected", (REASON,), False)


def test_a_tombstone_is_not_indexed(system: System, key: str) -> None:
    system.tables.put(ASSETS, [live(key, "v1").model_copy(update={"deleted_at": MORNING})])
    assert not tell(system, key).indexed


def test_versions_come_newest_first(system: System, key: str) -> None:
    hour = timedelta(hours=1)
    system.tables.put(
        REPORTS,
        [
            report(key, "b-oldest", Outcome.SUPERSEDED, MORNING, MORNING + 9 * hour),
            report(key, "a-newest", Outcome.REJECTED, MORNING + 2 * hour, MORNING + 3 * hour),
            report(key, "d-judged-last", Outcome.DELETED, MORNING + hour, MORNING + 2 * hour),
            report(key, "c-judged-first", Outcome.DELETED, MORNING + hour, MORNING + hour),
        ],
    )
    story = tell(system, key)
    assert story.version == "a-newest"
    assert [version.version for version in story.history] == [
        "a-newest",
        "d-judged-last",
        "c-judged-first",
        "b-oldest",
    ]


def test_what_stands_in_the_bucket_is_newer_than_others_of_its_second(
    system: System, key: str
) -> None:
    first, second = put(system, key, b"1"), put(system, key, b"2")
    later = MORNING + timedelta(minutes=1)
    system.tables.put(
        REPORTS,
        [
            report(key, first, Outcome.SUPERSEDED, judged=later),
            report(key, second, Outcome.INDEXED),
        ],
    )
    assert tell(system, key).version == second


def test_versions_of_one_second_come_by_their_sequencers(system: System, key: str) -> None:
    later = MORNING + timedelta(minutes=1)
    told = MORNING + timedelta(milliseconds=900)  # an event's time; S3 tells whole seconds
    first = report(key, "c", Outcome.DELETED, told, later)
    second = report(key, "a", Outcome.DELETED, MORNING, later + timedelta(seconds=1))
    third = report(key, "b", Outcome.DELETED)
    rows = [first, second, third]
    for row, sequencer in zip(rows, ("0055AED6DC", "0055AED6DC9", "0055AED6DD"), strict=True):
        system.tables.put(REPORTS, [row.model_copy(update={"sequencer": sequencer})])
    story = tell(system, key)
    assert [version.version for version in story.history] == ["b", "a", "c"]
    assert story.version == "b"


def test_rows_of_one_second_without_a_sequencer_come_by_their_looks(
    system: System, key: str
) -> None:
    told = MORNING + timedelta(milliseconds=900)
    system.tables.put(
        REPORTS,
        [
            report(key, "older", Outcome.DELETED, told),
            report(key, "newer", Outcome.DELETED, judged=MORNING + timedelta(seconds=1)),
        ],
    )
    assert [version.version for version in tell(system, key).history] == ["newer", "older"]


@pytest.mark.parametrize(
    "name", ["line\nfeed", "nul\x00", "\x01", "..", "../up", "a/../b", "k" * 980, "\u202e"]
)
def test_any_key_has_a_story(system: System, name: str) -> None:
    key = f"{uuid4().hex}/{name}"
    assert (tell(system, key).outcome, tell(system, key).history) == ("unknown", ())
    system.tables.put(REPORTS, [report(key, "v1", Outcome.DELETING)])
    story = tell(system, key)
    assert (story.key, story.outcome, story.version) == (key, "deleting", "v1")


def test_an_object_whose_message_is_on_its_way(system: System, key: str) -> None:
    version = put(system, key, b"RIFF")
    story = tell(system, key)
    assert (story.outcome, story.version, story.kind) == ("waiting", version, None)
    assert story.report.size == 4
    (reason,) = story.reasons
    assert "s3-ingest-messages has" in str(reason.found)
    assert [entry.outcome for entry in story.history] == ["waiting"]


def test_an_overwritten_object_waits_again(system: System, key: str) -> None:
    first = put(system, key, b"1")
    system.tables.put(REPORTS, [report(key, first, Outcome.INDEXED)])
    system.tables.put(ASSETS, [live(key, first)])
    second = put(system, key, b"2")
    story = tell(system, key)
    assert (story.outcome, story.version, story.indexed) == ("waiting", second, True)
    assert [version.version for version in story.history] == [second, first]


def test_an_object_that_was_never_met(system: System, key: str) -> None:
    story = tell(system, key)
    assert (story.outcome, story.version, story.history) == ("unknown", None, ())
    assert story.reasons


def test_it_survives_json(system: System, key: str) -> None:
    system.tables.put(REPORTS, [report(key, "v1", Outcome.REJECTED)])
    story = tell(system, key)
    assert History.model_validate_json(story.model_dump_json()) == story
