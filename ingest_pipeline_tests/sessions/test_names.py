from datetime import date, datetime, time

import pytest

from ingest_pipeline.sessions.names import (
    MalformedNameError,
    SessionId,
    TagName,
    display_logs_folders,
    is_audio_tag,
    is_date_or_time,
    is_display_log,
    parse_date,
    parse_session_id,
    parse_tag,
    parse_time,
)


def test_a_session_id_has_five_parts() -> None:
    assert parse_session_id("AV11_V236_230717_111649_62100") == SessionId(
        release="AV11",
        vehicle="V236",
        started=datetime(2023, 7, 17, 11, 16, 49),  # noqa: DTZ001
        number="62100",
    )


def test_a_release_may_have_underscores() -> None:
    assert parse_session_id("AV_11_rc2_V236_230717_111649_1").release == "AV_11_rc2"


@pytest.mark.parametrize(
    ("rest", "number"),
    [
        ("", ""),
        ("_", ""),
        ("_7", "7"),
        ("_111649", "111649"),
        ("_7_copy", "7_copy"),
        ("_b\n", "b\n"),
    ],
)
def test_four_parts_are_enough_whatever_follows_them(rest: str, number: str) -> None:
    assert parse_session_id(f"AV11_V236_230717_111649{rest}") == SessionId(
        release="AV11",
        vehicle="V236",
        started=datetime(2023, 7, 17, 11, 16, 49),  # noqa: DTZ001
        number=number,
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "AV11",
        "AV11_V236_230717",
        "AV11_V236_230717_11164",
        "AV11_V236_230717_111649\n",
        "AV11_V236_231317_111649_62100",
        "AV11_V236_230717_246000_62100",
        "AV11_V236_2307170_111649_62100",
        "_V236_230717_111649_62100",
        "AV11_V236_२३०७१७_111649_62100",
    ],
)
def test_other_names_are_no_session_ids(name: str) -> None:
    with pytest.raises(MalformedNameError):
        parse_session_id(name)


def test_dates_and_times_are_six_digits_and_real() -> None:
    assert parse_date("240229") == date(2024, 2, 29)
    assert parse_time("235959") == time(23, 59, 59)
    for name in ("991332", "230229", "000000"):
        assert is_date_or_time(name)
        with pytest.raises(MalformedNameError, match=name):
            parse_date(name)
    for name in ("240000", "126000"):
        with pytest.raises(MalformedNameError, match=name):
            parse_time(name)


@pytest.mark.parametrize("name", ["", "23071", "2307170", "23071a", "230717\n", "२३०७१७"])
def test_other_folders_are_neither(name: str) -> None:
    assert not is_date_or_time(name)


@pytest.mark.parametrize(
    ("path", "frame", "annotation"),
    [
        ("1234_1_medium.wav", "1234", "medium"),
        ("AV_logs/AudioTags/1234_1_medium.wav", "1234", "medium"),
        ("1234_1_very_hard.wav", "1234", "hard"),
        ("0012_1_a.WAV", "12", "a"),
        ("000_1_über holen's.wav", "0", "über holen's"),
    ],
)
def test_a_tag_has_a_frame_and_an_annotation(path: str, frame: str, annotation: str) -> None:
    assert is_audio_tag(path)
    assert parse_tag(path) == TagName(frame=frame, annotation=annotation)


@pytest.mark.parametrize(
    "path",
    ["medium.wav", "a_b/medium.wav", "1234_medium.wav", "x_1_medium.wav", "1_1_.wav", "1__a.wav"],
)
def test_other_names_are_no_tags(path: str) -> None:
    with pytest.raises(MalformedNameError, match="not <frame>_<n>_<annotation>"):
        parse_tag(path)


@pytest.mark.parametrize(
    ("tag", "folders"),
    [
        ("nv0/S/audio_tags/t.wav", ["nv0/S/AV_logs/DisplayLogs/", "nv0/AV_logs/DisplayLogs/"]),
        ("AV_logs/AudioTags/t.wav", ["AV_logs/AV_logs/DisplayLogs/", "AV_logs/DisplayLogs/"]),
        ("audio_tags/t.wav", ["AV_logs/DisplayLogs/"]),
        ("t.wav", ["AV_logs/DisplayLogs/"]),
    ],
)
def test_logs_lie_beside_the_tags_folder_or_one_level_higher_within_the_session(
    tag: str, folders: list[str]
) -> None:
    assert display_logs_folders(tag) == tuple(folders)


def test_only_logs_of_the_display_are_read() -> None:
    assert is_display_log("AV_logs/DisplayLogs/a.log")
    assert is_display_log("part2/AV_logs/DisplayLogs/deeper/a.log")
    assert not is_display_log("AV_logs/DisplayLogs/a.log.gz")
    assert not is_display_log("AV_logs/OtherLogs/a.log")
    assert not is_display_log("xAV_logs/DisplayLogs/a.log")
