import json
from datetime import datetime
from typing import Any

import pytest

from ingest_pipeline.sessions.model import (
    Event,
    SessionSkippedError,
    SkipReason,
    TagProblem,
)
from ingest_pipeline.sessions.reading import SessionReading, read_session
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline_tests.sessions.trees import REPORT, Tree

STARTED = datetime(2023, 7, 17, 11, 16, 49)  # noqa: DTZ001
SAMPLE = SampleSession("V236", STARTED, 62100)
RECORDER = f"nv0/{SAMPLE.session_id}"
TAGS = f"{RECORDER}/audio_tags"


def read(tree: Tree) -> SessionReading:
    return read_session(tree.s3, tree.only())


def skipped(tree: Tree) -> SessionSkippedError:
    with pytest.raises(SessionSkippedError) as caught:
        read(tree)
    return caught.value


def report(files: list[str], **fields: Any) -> dict[str, bytes]:
    """A change of a session's report: these files, and parts in the place of others."""
    content = {**SAMPLE.report, "FileList": [{"file": file} for file in files], **fields}
    return {REPORT: json.dumps(content).encode()}


def test_an_event_has_every_field(tree: Tree) -> None:
    tree.put_session(SAMPLE)
    key = f"V236/230717/111649/{SAMPLE.session_id}/{TAGS}/1066_1_hard.wav"
    assert read(tree).events[1] == Event(
        vehicle_id="V236",
        sw_release="AV11",
        session_id="AV11_V236_230717_111649_62100",
        country="DE",
        city="ND",
        map_version="ND",
        driver="Ada O'Neill",
        codriver="Grace Hopper",
        time="11:16:55",
        date="17/07/2023",
        annotation="hard",
        takeover="ND",
        comment="ND",
        audio_tag=f"{TAGS}/1066_1_hard.wav",
        link_to_audio_file=f"s3://{tree.bucket}/{key}",
        mission='Wet road; it\'s "fine"',
        remote_path=key,
        local_path="ND",
        file_url=f"{tree.s3.meta.endpoint_url}/{tree.bucket}/{key}",
        timestamp="2023-07-17 11:16:55",
        timestamp_source="log",
    )


def test_it_costs_one_get_of_the_report_and_one_of_each_log(tree: Tree) -> None:
    tree.put_session(SampleSession("V236", STARTED, 1, tags=30, logs=3))
    found = tree.only()
    with tree.counting() as calls:
        reading = read_session(tree.s3, found)
    assert len(reading.events) == 30
    assert {event.timestamp_source for event in reading.events} == {"log"}
    assert calls == ["GetObject"] * 4


def test_logs_after_the_last_hit_are_not_read(tree: Tree) -> None:
    tree.put_session(SampleSession("V236", STARTED, 1, tags=1, logs=5))
    found = tree.only()
    with tree.counting() as calls:
        read_session(tree.s3, found)
    assert calls == ["GetObject"] * 2


def test_a_bad_name_does_not_lose_its_neighbours(tree: Tree) -> None:
    tree.put_session(SAMPLE, report([f"{TAGS}/medium.wav", *SAMPLE.audio_tags]))
    reading = read(tree)
    assert [event.audio_tag for event in reading.events] == SAMPLE.audio_tags
    assert reading.problems == (
        TagProblem(
            audio_tag=f"{TAGS}/medium.wav",
            reason="'medium.wav' is not <frame>_<n>_<annotation>.wav",
        ),
    )
    assert reading.session.is_whole


def test_a_missing_file_may_still_come(tree: Tree) -> None:
    tree.put_session(SAMPLE, {"1066_1_hard.wav": None})
    reading = read(tree)
    assert len(reading.events) == 2
    assert reading.problems == (
        TagProblem(
            audio_tag=f"{TAGS}/1066_1_hard.wav",
            reason="the report lists it, but it is not in the bucket",
            is_passing=True,
        ),
    )
    assert not reading.session.is_whole


def test_a_file_in_the_bucket_that_the_report_does_not_list_is_no_event(tree: Tree) -> None:
    tree.put_session(SAMPLE, report(SAMPLE.audio_tags[:1]))
    assert [event.audio_tag for event in read(tree).events] == SAMPLE.audio_tags[:1]


def test_a_tag_that_is_listed_twice_is_one_event(tree: Tree) -> None:
    tree.put_session(SAMPLE, report([*SAMPLE.audio_tags, *SAMPLE.audio_tags]))
    assert len(read(tree).events) == 3


def test_the_suffix_may_be_of_any_case(tree: Tree) -> None:
    tree.put_session(SAMPLE, report([f"{TAGS}/1000_7_loud.WAV"]))
    tree.put_one(f"{SAMPLE.prefix}{TAGS}/1000_7_loud.WAV", b"audio")
    (event,) = read(tree).events
    assert (event.annotation, event.time) == ("loud", "11:16:49")


def test_an_event_without_time_has_the_sessions_start(tree: Tree) -> None:
    tree.put_session(SAMPLE, {"display_00.log": b"DISPLAY, 17/07/2023 11:16:50, frame: 10000\n"})
    for event in read(tree).events:
        assert (event.date, event.time) == ("17/07/2023", "11:16:49")
        assert (event.timestamp, event.timestamp_source) == ("2023-07-17 11:16:49", "session")


def test_an_event_past_midnight_is_of_the_next_day(tree: Tree) -> None:
    log = b"DISPLAY, 18/07/2023 00:00:01.500, frame: 1000\nDISPLAY, x 00:00:02, frame: 1066\n"
    tree.put_session(SAMPLE, {"display_00.log": log})
    assert [(each.date, each.timestamp) for each in read(tree).events] == [
        ("18/07/2023", "2023-07-18 00:00:01"),
        ("18/07/2023", "2023-07-18 00:00:02"),
        ("17/07/2023", "2023-07-17 11:16:49"),
    ]


@pytest.mark.parametrize("folder", ["audio_tags", "AV_logs/AudioTags"])
def test_each_tag_is_looked_up_in_the_logs_of_its_own_part(tree: Tree, folder: str) -> None:
    files = [f"part{part}/{folder}/5_1_a.wav" for part in (1, 2)]
    tree.put_session(SAMPLE, report(files))
    for part, file in enumerate(files, start=1):
        log = f"DISPLAY, 17/07/2023 12:00:0{part}, frame: 5\n".encode()
        tree.put_one(f"{SAMPLE.prefix}part{part}/AV_logs/DisplayLogs/a.log", log)
        tree.put_one(SAMPLE.prefix + file, b"audio")
    assert [event.time for event in read(tree).events] == ["12:00:01", "12:00:02"]


def test_logs_one_folder_higher_are_looked_at_where_none_lies_beside_the_tag(tree: Tree) -> None:
    tree.put_session(SAMPLE, {"display_00.log": b""})
    higher = b"DISPLAY, 17/07/2023 12:00:00, frame: 1000\n"
    tree.put_one(f"{SAMPLE.prefix}nv0/AV_logs/DisplayLogs/a.log", higher)
    assert read(tree).events[0].time == "12:00:00"
    near = f"{SAMPLE.prefix}{RECORDER}/AV_logs/DisplayLogs/b.log"
    tree.put_one(near, higher.replace(b"12:", b"13:"))
    assert read(tree).events[0].time == "13:00:00"


def test_odd_names_are_quoted_in_the_address(tree: Tree) -> None:
    file = f"{TAGS}/1000_1_über & öl #1+?.wav"
    tree.put_session(SAMPLE, report([file]))
    tree.put_one(SAMPLE.prefix + file, b"audio")
    (event,) = read(tree).events
    assert event.annotation == "über & öl #1+?"
    assert event.file_url.endswith("/1000_1_%C3%BCber%20%26%20%C3%B6l%20%231%2B%3F.wav")
    assert event.remote_path == SAMPLE.prefix + file


@pytest.mark.parametrize("drive_info", [{}, None])
def test_fields_that_lack_are_nd(tree: Tree, drive_info: dict[str, Any] | None) -> None:
    tree.put_session(SAMPLE, report(SAMPLE.audio_tags, drive_info=drive_info))
    event = read(tree).events[0]
    assert (event.driver, event.codriver, event.country, event.comment) == ("ND",) * 4


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        (report([]), SkipReason.NO_EVENTS, "the report lists no audio tag"),
        (report(["a.log", "b.mp4"]), SkipReason.NO_EVENTS, "the report lists no audio tag"),
        ({REPORT: b"{}"}, SkipReason.NO_EVENTS, "the report lists no audio tag"),
        ({REPORT: b"not JSON"}, SkipReason.MALFORMED_REPORT, "Invalid JSON"),
        ({REPORT: b""}, SkipReason.MALFORMED_REPORT, "Invalid JSON"),
        ({REPORT: b"[1]"}, SkipReason.MALFORMED_REPORT, "object"),
        (report(["x.wav"]), SkipReason.NO_EVENT_READABLE, "'x.wav' is not <frame>"),
        (report(["1_1_a.wav"]), SkipReason.NO_EVENT_READABLE, "it is not in the bucket"),
        ({REPORT: None}, SkipReason.UNDETERMINED, "it has no report yet"),
    ],
)
def test_a_session_without_events_has_a_reason(
    tree: Tree, changes: dict[str, bytes | None], reason: SkipReason, detail: str
) -> None:
    tree.put_session(SAMPLE, changes)
    error = skipped(tree)
    assert error.reason is reason
    assert detail in error.detail


def test_the_problems_of_all_tags_are_told(tree: Tree) -> None:
    tree.put_session(SAMPLE, report(["x.wav", "1_1_a.wav"]))
    assert [each.audio_tag for each in skipped(tree).problems] == ["x.wav", "1_1_a.wav"]


def test_of_two_reports_the_newest_is_read(tree: Tree) -> None:
    tree.put_session(SAMPLE)
    (newest,) = report(SAMPLE.audio_tags[:1]).values()
    tree.put_one(f"{SAMPLE.prefix}again/{REPORT}", newest)
    assert [event.audio_tag for event in read(tree).events] == SAMPLE.audio_tags[:1]


def test_an_id_of_four_parts_is_enough(tree: Tree) -> None:
    prefix = "V236/230717/111649/AV11_V236_230717_111649/"
    for key, content in SAMPLE.objects():
        tree.put_one(key.replace(SAMPLE.prefix, prefix), content)
    events = read(tree).events
    assert [event.time for event in events] == ["11:16:49", "11:16:55", "11:17:02"]
    assert {(each.sw_release, each.session_id) for each in events} == {
        ("AV11", "AV11_V236_230717_111649")
    }


def test_a_malformed_session_id_is_a_reason(tree: Tree) -> None:
    tree.put_one(f"V236/230717/111649/AV11/{REPORT}", b"{}")
    assert skipped(tree).reason is SkipReason.MALFORMED_ID


def test_a_report_of_a_gigantic_size_is_not_read(tree: Tree) -> None:
    tree.put_session(SAMPLE, {REPORT: bytes(64 * 1024 * 1024 + 1)})
    found = tree.only()
    with tree.counting() as calls, pytest.raises(SessionSkippedError, match="at most"):
        read_session(tree.s3, found)
    assert calls == []


def test_a_timestamp_is_one_or_nd() -> None:
    assert Event().timestamp == "ND"
    with pytest.raises(ValueError, match="does not match format"):
        Event(timestamp="17/07/2023")
