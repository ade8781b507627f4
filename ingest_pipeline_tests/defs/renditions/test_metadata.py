from datetime import UTC, datetime
from typing import Any

from ingest_pipeline.defs.common.metadata import SHOWN
from ingest_pipeline.defs.renditions.metadata import TranscodingTally, describe_renditions
from ingest_pipeline.media.model import Kind, Probe, VideoInfo
from ingest_pipeline.pipeline.enrich.transcode import Failure, Transcoding
from ingest_pipeline.records.model import (
    Outcome,
    Rendition,
    Report,
    TranscodeJob,
    Verdict,
)
from ingest_pipeline_tests.defs.runs import records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OBJECT = {"bucket": "b", "key": "a|film.mp4", "version": "v 1"}


def source(**fields: Any) -> Report:
    known = {
        "day": "2026-03-01",
        "verdict": Verdict.VALID,
        "outcome": Outcome.INDEXED,
        "judged_at": NOON,
    }
    return Report.model_validate(OBJECT | known | fields)


RENDITION = Rendition.model_validate(
    OBJECT
    | {
        "preset": "Web",
        "day": "2026-03-01",
        "rendition_bucket": "r",
        "rendition_key": "output/web/a|film.mp4",
        "content_type": "video/mp4",
        "size": 500,
        "duration_seconds": 2.0,
        "width": 320,
        "height": 240,
        "bit_rate": 64_999,
        "video_codec": "h264",
        "engine": "ffmpeg",
        "seconds_taken": 1.5,
        "made_at": NOON,
    }
)
JOB = TranscodeJob.model_validate(
    OBJECT | {"preset": "Web", "arrived": NOON, "token": "t", "submitted_at": NOON}
)


def tally_of(*videos: Transcoding) -> TranscodingTally:
    tally = TranscodingTally()
    for each in videos:
        tally.add(each)
    return tally


def test_each_video_is_shown_before_and_after() -> None:
    info = VideoInfo(duration_seconds=2.5, bit_rate=900_000, video_codec="vp9")
    probe = Probe(kind=Kind.VIDEO, video=info)
    done = Transcoding(source(size=9000, probe=probe), (RENDITION,), (), ())
    before, after = records(describe_renditions(tally_of(done), None, "http://x")["table"])
    assert before[:3] == ["b/a|film.mp4", "before", 9000]
    assert (before[4], before[5], before[7], before[8]) == (2.5, "vp9", 900, "")
    assert after == ["b/a|film.mp4", "Web", 500, "320x240", 2.0, "h264", None, 64, "1.5 s"]


def test_a_link_plays_the_version_that_it_is_of_and_no_name_acts_in_it() -> None:
    done = Transcoding(source(), (RENDITION,), (), ())
    shown = describe_renditions(tally_of(done), "data:x", "http://x")
    assert shown["play"].value == (
        "[a&#124;film.mp4](http://x/content/b?key=a%7Cfilm.mp4&version=v%201&preset=Web)"
    )
    assert shown["picture"].value == "![poster](data:x)"


def test_what_was_submitted_or_failed_is_told_and_shows_no_table() -> None:
    named = JOB.model_copy(update={"job_id": "153-x"})
    done = Transcoding(source(), (), (named, JOB), (Failure("Web", "no frame"),))
    shown = describe_renditions(tally_of(done), None, "http://x")
    assert shown["submitted"].value == [f"{JOB.uri}: 153-x", f"{JOB.uri}: asked for again"]
    assert shown["failed"].value == [f"{JOB.uri}: Web: no frame"]
    assert records(shown["table"]) == []
    assert shown["renditions"].value == shown["dagster/row_count"].value == 0
    assert not shown.keys() & {"play", "picture"}


def test_of_many_videos_the_first_are_kept_and_all_are_counted() -> None:
    done = Transcoding(source(), (RENDITION,), (JOB,), (Failure("Web", "no frame"),))
    tally = tally_of(*[done] * (SHOWN + 50))
    kept = (len(tally.first), len(tally.submitted), len(tally.failed))
    assert kept == (SHOWN, SHOWN, SHOWN)
    shown = describe_renditions(tally, None, "http://x")
    assert shown["renditions"].value == SHOWN + 50
    assert records(shown["table"])[-1][0] == f"and {SHOWN + 100} more"
