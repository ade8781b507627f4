import json
from typing import Any

import pytest

from ingest_pipeline.sessions.report import MalformedReportError, UploadReport, parse_report


def parse(content: Any) -> UploadReport:
    return parse_report(json.dumps(content).encode())


def test_a_whole_report_is_read() -> None:
    report = parse(
        {
            "drive_info": {
                "Base_Data": {"driver": "Ada", "co_pilot": "Grace"},
                "Data_Info": {"country": "DE", "driver_comment": "fine"},
            },
            "FileList": [{"file": "a/b.wav"}, {"file": "c.log"}],
        }
    )
    assert report.drive_info is not None
    assert report.drive_info.base_data.driver == "Ada"
    assert report.drive_info.base_data.co_pilot == "Grace"
    assert report.drive_info.data_info.country == "DE"
    assert report.drive_info.data_info.driver_comment == "fine"
    assert [file.file for file in report.files] == ["a/b.wav", "c.log"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_names_are_read_in_whatever_encoding(encoding: str) -> None:
    text = json.dumps({"drive_info": {"Base_Data": {"driver": "Jürgen"}}}, ensure_ascii=False)
    report = parse_report(text.encode(encoding))
    assert report.drive_info is not None
    assert report.drive_info.base_data.driver == "Jürgen"


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xfe{", b"\x00\x00", "ü".encode("utf-16")])
def test_what_is_no_text_of_a_report_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedReportError):
        parse_report(content)


def test_unknown_fields_are_kept() -> None:
    report = parse({"version": 3, "drive_info": {"Base_Data": {"shift": "early"}}})
    assert report.drive_info is not None
    assert report.model_extra == {"version": 3}
    assert report.drive_info.base_data.model_extra == {"shift": "early"}


@pytest.mark.parametrize(
    "drive_info",
    [
        {},
        {"Base_Data": None, "Data_Info": None},
        {"Base_Data": {}, "Data_Info": {}},
        {"Base_Data": {"driver": None}, "Data_Info": {"country": None}},
    ],
)
def test_a_missing_field_is_nd(drive_info: dict[str, Any]) -> None:
    report = parse({"drive_info": drive_info})
    assert report.drive_info is not None
    assert report.drive_info.base_data.driver == "ND"
    assert report.drive_info.base_data.co_pilot == "ND"
    assert report.drive_info.data_info.country == "ND"
    assert report.drive_info.data_info.driver_comment == "ND"
    assert report.files == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [(12, "12"), (1.5, "1.5"), (True, "true"), (["ü"], '["ü"]'), ("", ""), ("a\0b", "a\ufffdb")],
)
def test_what_is_no_text_becomes_text(value: object, text: str) -> None:
    report = parse({"drive_info": {"Base_Data": {"driver": value}}})
    assert report.drive_info is not None
    assert report.drive_info.base_data.driver == text


def test_drive_info_may_lack() -> None:
    assert parse({"FileList": []}).drive_info is None
    assert parse({"drive_info": None}).drive_info is None


def test_odd_entries_of_the_list_do_not_lose_their_neighbours() -> None:
    report = parse({"FileList": [{"file": "a.wav"}, "b.wav", None, {}, {"file": 7}, {"file": "c"}]})
    assert [file.file for file in report.files] == ["a.wav", "ND", "7", "c"]
    assert parse({"FileList": None}).files == ()


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_report(b'\xef\xbb\xbf{"drive_info": {}}').drive_info is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[]",
        b"null",
        b'{"drive_info": {}',
        b'{"drive_info": "text"}',
        b'{"drive_info": {"Base_Data": []}}',
        b'{"FileList": "a.wav"}',
        b'{"drive_info": {"Base_Data": {"driver": "\\ud800"}}}',
        b"[" * 100_000,
        b'{"drive_info": {"x": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_report_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedReportError):
        parse_report(content)


def test_the_message_says_where() -> None:
    with pytest.raises(MalformedReportError, match=r"^drive_info\.Base_Data: .*object"):
        parse({"drive_info": {"Base_Data": []}})
    with pytest.raises(MalformedReportError, match=r"^Invalid JSON"):
        parse_report(b"no JSON")
