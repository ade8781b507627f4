from pathlib import Path

from ingest_pipeline.media.model import Spoken
from ingest_pipeline.media.speech.captions import plain_text, webvtt
from ingest_pipeline_tests.media.clips import run_plain_ffmpeg

SAID = [
    Spoken(start=0.5, end=1.25, text="Front center.", confidence=90),
    Spoken(start=65.0, end=65.1, text="a <b> & c --> d\n\nWEBVTT", confidence=50),
    Spoken(start=3661.0004, end=3663.9996, text="Zoë 雨", confidence=50),
]


def test_captions_have_times_and_nothing_that_a_player_takes_for_markup() -> None:
    assert webvtt(SAID) == (
        "WEBVTT\n\n"
        "00:00:00.500 --> 00:00:01.250\nFront center.\n\n"
        "00:01:05.000 --> 00:01:05.500\na &lt;b&gt; &amp; c --&gt; d WEBVTT\n\n"
        "01:01:01.000 --> 01:01:04.000\nZoë 雨\n"
    )


def test_captions_are_read_by_another_program(tmp_path: Path) -> None:
    file, read = tmp_path / "said.vtt", tmp_path / "said.srt"
    file.write_text(webvtt(SAID))
    run_plain_ffmpeg("-i", file, read)
    lines = read.read_text().splitlines()
    assert lines[1:3] == ["00:00:00,500 --> 00:00:01,250", "Front center."]
    assert "01:01:01,000 --> 01:01:04,000" in lines


def test_nothing_said_is_an_empty_file_of_captions() -> None:
    assert webvtt([]) == "WEBVTT\n"
    assert plain_text([]) == ""


def test_the_text_has_a_line_for_each_segment() -> None:
    assert plain_text(SAID[:1] + SAID[2:]) == "0:00  Front center.\n1:01:01  Zoë 雨\n"
