from datetime import UTC, date, datetime
from itertools import islice

import pytest
from pydantic import ValidationError

from ingest_pipeline.aws.objects.listing import ListedFile
from ingest_pipeline.sessions.names import MalformedNameError
from ingest_pipeline.sessions.sample import SampleSession, sample_sessions
from ingest_pipeline.sessions.tree import (
    FolderProblem,
    FoundSession,
    Timeframe,
    find_session,
    session_prefix,
    session_start,
)
from ingest_pipeline_tests.sessions.trees import REPORT, Tree


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def session(started: str, vehicle: str = "V236", number: int = 1, tags: int = 1) -> SampleSession:
    return SampleSession(vehicle, moment(started), number, tags=tags, log_lines=1)


def ids(found: list[FoundSession]) -> list[str]:
    return [each.session_id for each in found]


def test_a_timeframe_has_its_ends() -> None:
    frame = Timeframe(start=moment("2023-07-17T12:00"), end=moment("2023-07-18T12:00"))
    assert frame.has_day(date(2023, 7, 17))
    assert frame.has_day(date(2023, 7, 18))
    assert not frame.has_day(date(2023, 7, 19))
    assert frame.has(moment("2023-07-17T12:00"))
    assert frame.has(moment("2023-07-18T12:00"))
    assert not frame.has(moment("2023-07-17T11:59:59"))
    assert not frame.has(moment("2023-07-18T12:00:01"))


def test_days_are_whole() -> None:
    week = Timeframe.last_days(7, until=date(2023, 7, 17))
    assert week == Timeframe.of_days(date(2023, 7, 11), date(2023, 7, 17))
    assert week.has(moment("2023-07-11T00:00:00"))
    assert week.has(moment("2023-07-17T23:59:59"))


def test_a_timeframe_is_in_order_and_without_zone() -> None:
    with pytest.raises(ValidationError, match="before it starts"):
        Timeframe(start=moment("2023-07-18"), end=moment("2023-07-17"))
    with pytest.raises(ValidationError, match="no time zone"):
        Timeframe(start=datetime(2023, 7, 17, tzinfo=UTC), end=datetime(2023, 7, 18, tzinfo=UTC))


def test_an_empty_bucket_has_no_sessions(tree: Tree) -> None:
    assert tree.find() == []


def test_a_session_is_found_with_its_files(tree: Tree) -> None:
    sample = session("2023-07-17T11:16:49", number=62100)
    objects = tree.put_session(sample)
    tree.put_one(f"{sample.prefix}nv0/AV_logs/DisplayLogs/empty.log", b"")
    tree.put_one(f"{sample.prefix}video/front.mp4", b"video")
    report = f"{sample.prefix}{sample.session_id}_{REPORT}"
    found = tree.only()
    assert found == FoundSession(
        bucket=tree.bucket,
        prefix="V236/230717/111649/AV11_V236_230717_111649_62100/",
        session_id="AV11_V236_230717_111649_62100",
        reports=found.reports,
        audio_tags=frozenset({f"nv0/{sample.session_id}/audio_tags/1000_0_medium.wav"}),
        display_logs=(f"nv0/{sample.session_id}/AV_logs/DisplayLogs/display_00.log",),
    )
    assert [(each.key, each.size) for each in found.reports] == [(report, len(objects[report]))]


@pytest.mark.parametrize(
    ("vehicle", "session_id", "identity"),
    [
        ("V236", "AV11_V236_230717_111649_1", "AV11_V236_230717_111649_1"),
        ("v236", "AV11_V236_230717_111649", "AV11_V236_230717_111649"),
        ("V_236", "AV11_V_236_230717_111649_1", "AV11_V_236_230717_111649_1"),
        ("V237", "AV11_V236_230717_111649_1", "V237/AV11_V236_230717_111649_1"),
        ("V23", "AV11_V236_230717_111649_1", "V23/AV11_V236_230717_111649_1"),
    ],
)
def test_a_session_in_another_vehicles_folder_is_told_apart_by_it(
    vehicle: str, session_id: str, identity: str
) -> None:
    prefix = f"{vehicle}/230717/111649/{session_id}/"
    found = FoundSession("bucket", prefix, session_id, (), frozenset(), ())
    assert found.identity == identity


def test_only_sessions_of_the_timeframe_are_found(tree: Tree) -> None:
    starts = ["2023-07-16T23:59:59", "2023-07-17T00:00:00", "2023-07-18T12:00:00"]
    samples = [session(start) for start in starts]
    for sample in samples:
        tree.put_session(sample)
    within = Timeframe(start=moment("2023-07-17"), end=moment("2023-07-18T12:00"))
    assert ids(tree.found(within)) == [sample.session_id for sample in samples[1:]]
    day = Timeframe.of_days(date(2023, 7, 16), date(2023, 7, 16))
    assert ids(tree.found(day)) == [samples[0].session_id]


def test_sessions_of_one_second_are_told_apart(tree: Tree) -> None:
    samples = [session("2023-07-17T11:16:49", number=number) for number in (1, 10, 2)]
    for sample in samples:
        tree.put_session(sample)
    found = tree.found()
    assert ids(found) == [sample.session_id for sample in samples]
    assert [len(each.audio_tags) for each in found] == [1, 1, 1]


def test_folders_that_are_no_date_or_time_are_reported_and_do_not_disturb(tree: Tree) -> None:
    sample = session("2023-07-17T11:16:49")
    tree.put_session(sample)
    tree.put_one("V236/991332/111649/S/a.json", b"")
    tree.put_one("V236/230717/250000/S/a.json", b"")
    assert [each for each in tree.find() if isinstance(each, FolderProblem)] == [
        FolderProblem(
            folder=f"s3://{tree.bucket}/V236/230717/250000/S/",
            reason="'250000' is no time HHMMSS",
        ),
        FolderProblem(
            folder=f"s3://{tree.bucket}/V236/991332/", reason="'991332' is no date YYMMDD"
        ),
    ]
    assert sample.session_id in [
        each.session_id for each in tree.find() if isinstance(each, FoundSession)
    ]


@pytest.mark.parametrize(
    "key",
    [
        f"{REPORT}",
        f"V236/{REPORT}",
        f"V236/230717/{REPORT}",
        f"V236/230717/111649/{REPORT}",
        f"V236/docs/111649/S/{REPORT}",
        f"V236/230717/docs/S/{REPORT}",
        f"V236/2307170/111649/S/{REPORT}",
    ],
)
def test_what_lies_elsewhere_is_passed_over(tree: Tree, key: str) -> None:
    tree.put_one(key, b"{}")
    assert tree.find() == []


def test_a_session_without_report_is_found_without(tree: Tree) -> None:
    tree.put_session(session("2023-07-17T11:16:49"), {REPORT: None})
    assert tree.only().reports == ()


def test_of_several_reports_the_newest_counts() -> None:
    first, second = moment("2023-07-17T12:00"), moment("2023-07-17T13:00")
    files = [("a", first), ("z", first), ("b", second), ("c", second), ("y", first)]
    reports = tuple(ListedFile(key, 1, modified) for key, modified in files)
    found = FoundSession("bucket", "V/230717/111649/S/", "S", reports, frozenset(), ())
    assert found.report == ListedFile("c", 1, second)


def test_every_report_is_found(tree: Tree) -> None:
    sample = session("2023-07-17T11:16:49")
    tree.put_session(sample)
    tree.put_one(f"{sample.prefix}again/{REPORT}", b"{}")
    assert len(tree.only().reports) == 2


def test_where_the_folder_is_no_time_the_ids_own_counts(tree: Tree) -> None:
    session_id = "AV11_V236_230717_111649_62100"
    prefix = f"V236/230717/256199/{session_id}/"
    tree.put_one(f"{prefix}{REPORT}", b"{}")
    assert session_start(prefix) == moment("2023-07-17T11:16:49")
    at_it, after_it = moment("2023-07-17T11:16:49"), moment("2023-07-17T11:16:50")
    assert ids(tree.found(Timeframe(start=at_it, end=at_it))) == [session_id]
    assert tree.found(Timeframe(start=after_it, end=moment("2023-07-18"))) == []
    assert find_session(tree.s3, tree.bucket, prefix) == tree.only()


def test_fifteen_hundred_sessions_of_a_day_take_a_call_for_a_thousand_keys(tree: Tree) -> None:
    samples = list(sample_sessions(1500, vehicles=["V236"], tags=0, logs=0))
    tree.put(each for sample in samples for each in sample.objects())
    with tree.counting() as calls:
        found = tree.found()
    assert ids(found) == sorted(sample.session_id for sample in samples)
    assert all(len(each.reports) == 1 for each in found)
    assert calls[: len(calls) // 2] == ["ListObjectsV2"] * 4  # found() asks twice


def test_twelve_hundred_files_of_a_session_are_found(tree: Tree) -> None:
    sample = session("2023-07-17T11:16:49", tags=1200)
    tree.put_session(sample)
    assert tree.only().audio_tags == set(sample.audio_tags)


def test_more_than_a_thousand_vehicles_and_dates_are_found(tree: Tree) -> None:
    vehicles = [f"V{number:04}" for number in range(1001)]
    tree.put((f"{vehicle}/230717/111649/S/{REPORT}", b"{}") for vehicle in vehicles[::100])
    tree.put((f"{vehicle}/x", b"") for vehicle in vehicles)
    tree.put((f"V2000/{day:06}/x/S/x", b"") for day in islice(range(100_000, 200_000), 1001))
    tree.put_one(f"V2000/230717/111649/S/{REPORT}", b"{}")
    found = [each for each in tree.find() if isinstance(each, FoundSession)]
    assert [each.prefix.partition("/")[0] for each in found] == [*vehicles[::100], "V2000"]


def test_days_outside_the_timeframe_are_not_listed(tree: Tree) -> None:
    samples = list(sample_sessions(20, days=10, tags=1, vehicles=["V236"]))
    tree.put(each for sample in samples for each in sample.objects())
    with tree.counting() as calls:
        tree.find(Timeframe.of_days(date(2023, 7, 18), date(2023, 7, 19)))
    assert calls == ["ListObjectsV2"] * 3  # vehicles, dates, and the two dates together


def test_folders_between_the_days_are_not_listed(tree: Tree) -> None:
    samples = [session(f"2023-07-{day}T11:16:49") for day in (17, 18, 19, 20)]
    for sample in samples:
        tree.put_session(sample)
    tree.put((f"V236/230718_copy/{number:04}", b"") for number in range(1001))
    tree.put_one("V236/230719", b"a file, not a folder")
    with tree.counting() as calls:
        assert len(tree.find(Timeframe.of_days(date(2023, 7, 17), date(2023, 7, 19)))) == 3
    assert calls == ["ListObjectsV2"] * 4  # vehicles, dates, the two days before it, the other


def test_one_session_is_found_by_its_folder(tree: Tree) -> None:
    sample = session("2023-07-17T11:16:49")
    tree.put_session(sample)
    assert find_session(tree.s3, tree.bucket, sample.prefix) == tree.only()


def test_a_folder_with_nothing_in_it_is_a_session_without_report(tree: Tree) -> None:
    found = find_session(tree.s3, tree.bucket, "V236/230717/111649/S/")
    assert isinstance(found, FoundSession)
    assert (found.session_id, found.reports) == ("S", ())


@pytest.mark.parametrize(
    "folder", ["", "V236/", "V236/230717/111649/S", "V236/991332/111649/S/", "V236/230717/x/S/"]
)
def test_a_folder_that_is_no_sessions_is_a_problem(tree: Tree, folder: str) -> None:
    assert isinstance(find_session(tree.s3, tree.bucket, folder), FolderProblem)


def test_a_file_belongs_to_the_session_it_lies_in() -> None:
    assert session_prefix("V236/230717/111649/S/a/b.wav") == "V236/230717/111649/S/"
    for key in ("V236/230717/111649/a", "/230717/111649/S/a", "V/230717/111649//a"):
        with pytest.raises(MalformedNameError, match="not below"):
            session_prefix(key)
