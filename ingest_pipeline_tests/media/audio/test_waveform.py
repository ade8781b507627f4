import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from PIL import Image

from ingest_pipeline.media.audio import waveform
from ingest_pipeline.media.audio.waveform import (
    HEIGHT,
    WIDTH,
    WaveformDrawer,
    WaveformDrawerError,
    WaveformError,
)
from ingest_pipeline_tests.media.riff import chunk, data, ds64, extensible, fmt, id3, riff
from ingest_pipeline_tests.media.sounds import tone

RATE = 48_000
LANE = HEIGHT // 2
RED = (220, 70, 60)
SECOND = np.arange(RATE) / RATE

Samples = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def drawer() -> Iterator[WaveformDrawer]:
    with WaveformDrawer() as opened:
        yield opened


def sine(amplitude: float) -> Samples:
    return amplitude * np.sin(2 * np.pi * 3000 * SECOND)


def written(path: Path, *channels: Samples, subtype: str = "PCM_24") -> Path:
    soundfile.write(path, np.stack(channels, axis=1), RATE, subtype=subtype, format="WAV")
    return path


def drawn(drawer: WaveformDrawer, path: Path) -> Pixels:
    """RGBA, (height, width, 4)."""
    picture = drawer.draw(path)
    assert (picture.width, picture.height, picture.content_type) == (WIDTH, HEIGHT, "image/webp")
    image = Image.open(io.BytesIO(picture.data))
    assert (image.format, image.size) == ("WEBP", (WIDTH, HEIGHT))
    return np.asarray(image.convert("RGBA"))


def heights(lane: Pixels) -> npt.NDArray[np.int64]:
    """How many pixels of each column are not clear."""
    opaque: npt.NDArray[np.int64] = np.count_nonzero(lane[:, :, 3], axis=0)
    return opaque


def test_a_lane_is_as_high_as_its_signal_and_the_rms_within_it(
    drawer: WaveformDrawer, tmp_path: Path
) -> None:
    pixels = drawn(drawer, written(tmp_path / "a.wav", sine(0.5), sine(0.25)))
    left, right = pixels[:LANE], pixels[LANE:]
    full = LANE - 2
    assert np.median(heights(left)) == pytest.approx(0.5 * full, abs=2)
    assert np.median(heights(right)) == pytest.approx(0.25 * full, abs=2)
    colours = [tuple(pixel[:3]) for pixel in left[:, WIDTH // 2] if pixel[3]]
    peak, rms = colours[0], colours[len(colours) // 2]
    assert peak != rms
    assert colours.count(rms) == pytest.approx(0.5 / np.sqrt(2) * full, abs=4)


def test_silence_is_a_thin_line_in_every_lane(drawer: WaveformDrawer, tmp_path: Path) -> None:
    pixels = drawn(drawer, written(tmp_path / "a.wav", 0 * SECOND, 0 * SECOND))
    for lane in (pixels[:LANE], pixels[LANE:]):
        assert set(heights(lane)) == {2}


def test_a_signal_on_the_left_is_in_the_upper_lane_alone(
    drawer: WaveformDrawer, tmp_path: Path
) -> None:
    pixels = drawn(drawer, written(tmp_path / "a.wav", sine(0.8), 0 * SECOND))
    assert heights(pixels[:LANE]).min() > LANE / 2
    assert set(heights(pixels[LANE:])) == {2}


def test_mono_has_one_lane_of_the_whole_height(drawer: WaveformDrawer, tmp_path: Path) -> None:
    pixels = drawn(drawer, written(tmp_path / "a.wav", sine(0.9)))
    assert np.median(heights(pixels)) == pytest.approx(0.9 * HEIGHT, abs=4)


def test_what_comes_late_is_drawn_at_the_right(drawer: WaveformDrawer, tmp_path: Path) -> None:
    late = np.where(SECOND < 0.75, 0, sine(0.9))
    columns = heights(drawn(drawer, written(tmp_path / "a.wav", late)))
    assert columns[: WIDTH * 3 // 4].max() == 2
    assert columns[WIDTH * 3 // 4 + 1 :].min() > HEIGHT / 2


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_full_scale_is_marked_red_where_it_is(
    drawer: WaveformDrawer, tmp_path: Path, subtype: str
) -> None:
    clipped = np.where(SECOND < 0.5, sine(0.9), np.clip(sine(3), -1, 1))
    pixels = drawn(drawer, written(tmp_path / "a.wav", clipped, sine(0.99), subtype=subtype))
    red = (pixels[:, :, :3] == RED).all(axis=2)
    assert not red[:, : WIDTH // 2 - 1].any()
    assert red[:LANE, WIDTH // 2 + 1 :].any(axis=0).all()
    assert not red[LANE:].any()


def test_one_loud_sample_of_an_hour_is_seen(drawer: WaveformDrawer, tmp_path: Path) -> None:
    samples = np.zeros(RATE * 60)
    samples[RATE * 30] = 0.9
    columns = heights(drawn(drawer, written(tmp_path / "a.wav", samples, subtype="PCM_16")))
    assert (columns > HEIGHT / 3).sum() == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(riff(fmt(), data(0)), id="no frame"),
        pytest.param(riff(fmt(), data(1)), id="one frame"),
        pytest.param(riff(fmt(channels=64), data(1000, 192)), id="64 channels"),
        pytest.param(riff(extensible(), data()), id="extensible"),
        pytest.param(id3(70_000) + riff(fmt(), data()), id="behind a tag"),
        pytest.param(
            riff(ds64(0, 600), fmt(), data(100, size=0xFFFFFFFF), magic=b"RF64", size=0xFFFFFFFF),
            id="rf64",
        ),
        pytest.param(riff(fmt(), data(100, size=0xFFFFFFFF), size=0xFFFFFFFF), id="streamed"),
        pytest.param(
            riff(fmt(3, bits=32), chunk(b"data", struct.pack("<4f", 9e30, -9e30, 0, 0.5))),
            id="absurd floats",
        ),
        pytest.param(
            riff(fmt(3, bits=32), chunk(b"data", struct.pack("<2f", np.nan, np.inf))),
            id="no numbers",
        ),
    ],
)
def test_odd_files_have_a_waveform(drawer: WaveformDrawer, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert heights(drawn(drawer, path)).min() >= 2


def test_of_many_channels_the_first_two_are_drawn_with_a_note(
    drawer: WaveformDrawer, tmp_path: Path
) -> None:
    two = drawn(drawer, written(tmp_path / "a.wav", *[0 * SECOND] * 2))
    six = drawn(drawer, written(tmp_path / "b.wav", *[0 * SECOND] * 2, *[sine(1)] * 4))
    assert set(heights(two)) == {4}
    assert heights(six)[:130].max() > 4
    assert set(heights(six)[150:]) == {4}


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("a.flac", ("-c:a", "flac")),
        ("a.mp3", ("-c:a", "libmp3lame")),
        ("a.ogg", ("-c:a", "libvorbis")),
        ("a.aiff", ("-c:a", "pcm_s24be")),
        ("a.aac", ("-c:a", "aac")),
        ("a.m4a", ("-c:a", "aac")),
        ("a.webm", ("-c:a", "libopus")),
        ("alac.caf", ("-c:a", "alac")),
        ("f.ogg", ("-c:a", "flac")),
    ],
)
def test_audio_of_every_container_is_drawn_as_the_wav_is(
    drawer: WaveformDrawer, tmp_path: Path, name: str, output: tuple[str, ...]
) -> None:
    loud_first = ("-af", "volume=eval=frame:volume='if(lt(t,1),4,0)'")
    wav = tone(tmp_path / "a.wav", *loud_first, "-c:a", "pcm_s16le", seconds=2)
    coded = tone(tmp_path / name, *loud_first, *output, seconds=2)
    wanted, found = (heights(drawn(drawer, path)) for path in (wav, coded))
    assert np.median(wanted[:400]) == pytest.approx(0.354 * HEIGHT, abs=5)
    assert np.median(np.abs(wanted[:400] - found[:400])) <= 4
    assert found[-400:].max() <= 4


def test_a_flac_of_unknown_length_is_drawn(drawer: WaveformDrawer, tmp_path: Path) -> None:
    content = bytearray(tone(tmp_path / "a.flac", "-c:a", "flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "unknown.flac"
    path.write_bytes(content)
    assert drawer.draw(path).width == 960


def test_a_picture_of_noise_has_a_few_kilobytes(drawer: WaveformDrawer, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, (2, RATE * 10)).clip(-1, 1)
    assert len(drawer.draw(written(tmp_path / "a.wav", *noise)).data) < 12_000


def test_the_colours_stand_out_on_white_and_on_black(
    drawer: WaveformDrawer, tmp_path: Path
) -> None:
    pixels = drawn(drawer, written(tmp_path / "a.wav", np.clip(sine(1.1), -1, 1)))
    colours = {tuple(pixel[:3]) for pixel in pixels.reshape(-1, 4) if pixel[3]}
    assert len(colours) == 3
    for colour in colours:
        light = luminance(colour)
        assert 1.05 / (light + 0.05) >= 3
        assert (light + 0.05) / 0.05 >= 3


def luminance(colour: tuple[int, ...]) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (each / 255 for each in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Error opening 'the file'"),
        (b"RIFF is no WAV", "Error opening 'the file'"),
        (riff(fmt(0x0161), data()), "Malformed"),
    ],
)
def test_what_cannot_be_read_has_a_reason_and_the_next_file_is_drawn(
    drawer: WaveformDrawer, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(WaveformError, match=words):
        drawer.draw(path)
    assert drawer.draw(written(tmp_path / "good.wav", sine(0.5))).data


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def draw_with(program: Path, text: str) -> None:
    program.write_text(
        f"import os, resource, signal, sys, time\nsys.stdin.buffer.read(1)\n{text}\n"
    )
    with WaveformDrawer(program) as drawer:
        drawer.draw(program)


def test_a_file_that_costs_too_much_computing_is_at_fault(program: Path) -> None:
    with pytest.raises(WaveformError, match="not drawn after 10 s of computing"):
        draw_with(program, "os.kill(os.getpid(), signal.SIGXCPU)")


def test_a_file_that_crashes_the_reader_is_at_fault(program: Path) -> None:
    with pytest.raises(WaveformError, match="crashed"):
        draw_with(program, "os.kill(os.getpid(), signal.SIGSEGV)")


def test_a_reader_killed_from_outside_is_not_the_files_fault(program: Path) -> None:
    with pytest.raises(WaveformDrawerError, match="ended with -9"):
        draw_with(program, "os.kill(os.getpid(), signal.SIGKILL)")


def test_a_reader_that_waits_for_ever_is_killed(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waveform, "WALL_FACTOR", 0.05)
    with pytest.raises(WaveformDrawerError, match="no answer in"):
        draw_with(program, "time.sleep(60)")


def test_the_child_computes_no_longer_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waveform, "BASE_CPU_SECONDS", 1)
    monkeypatch.setattr(waveform, "BYTES_A_CPU_SECOND", 10**12)
    path = tmp_path / "long.wav"
    path.write_bytes(riff(fmt(channels=1, bits=8), data(0, size=2_999_999_000), size=2_999_999_036))
    os.truncate(path, 3_000_000_000)  # a hole: nothing on disk
    with WaveformDrawer() as drawer, pytest.raises(WaveformError, match="after 1 s of computing"):
        drawer.draw(path)
