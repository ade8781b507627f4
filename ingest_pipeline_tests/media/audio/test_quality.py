from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from ingest_pipeline.media.audio import quality
from ingest_pipeline.media.audio.quality import QualityError, QualityMeasurerError, measure
from ingest_pipeline.media.model import AudioInfo, Quality
from ingest_pipeline_tests.media.sounds import probed, tone

RATE = 48_000
Samples = npt.NDArray[np.float64]


def sine(dbfs: float, hertz: float, seconds: float, phase: float = 0) -> Samples:
    moments = np.arange(round(RATE * seconds)) / RATE
    wave: Samples = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * moments + phase)
    return wave


def silence(seconds: float) -> Samples:
    return np.zeros(round(RATE * seconds))


def written(path: Path, *channels: Samples, subtype: str = "PCM_24") -> Path:
    soundfile.write(path, np.stack(channels, axis=1), RATE, subtype=subtype)
    return path


def measured(path: Path) -> Quality:
    audio = probed(path.read_bytes()).audio
    assert audio is not None
    before = set(path.parent.iterdir())
    found = measure(path, audio, path.parent)
    assert set(path.parent.iterdir()) == before
    return found


@pytest.mark.parametrize("dbfs", [-23.0, -33.0])
def test_a_stereo_tone_is_as_loud_as_ebu_tech_3341_says(tmp_path: Path, dbfs: float) -> None:
    signal = sine(dbfs, 1000, 20)
    found = measured(written(tmp_path / "a.wav", signal, signal))
    assert found.integrated_loudness == pytest.approx(dbfs, abs=0.1)
    assert found.true_peak == pytest.approx(dbfs, abs=0.2)
    assert (found.clipped_samples, found.leading_silence_seconds) == (0, 0)
    assert found.dc_offset == pytest.approx(0, abs=1e-6)


def test_a_peak_between_the_samples_is_found(tmp_path: Path) -> None:
    signal = sine(-6, RATE / 4, 2, phase=np.pi / 4)  # whose samples are all at -9 dBFS
    assert np.abs(signal).max() == pytest.approx(10 ** (-9.01 / 20), abs=0.001)
    fade = np.minimum(1, np.minimum(np.arange(len(signal)), np.arange(len(signal))[::-1]) / 4800)
    found = measured(written(tmp_path / "a.wav", signal * fade, signal * fade))
    assert found.true_peak == pytest.approx(-6, abs=0.4)


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_U8"),
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_24"),
        ("a.wav", "PCM_32"),
        ("a.wav", "FLOAT"),
        ("a.wav", "ULAW"),
        ("a.flac", "PCM_16"),
        ("a.flac", "PCM_24"),
    ],
)
def test_clipped_samples_are_counted_exactly(tmp_path: Path, name: str, subtype: str) -> None:
    left, right = sine(-12, 1000, 1), sine(-12, 1000, 1)
    left[1000:1010] = 1
    right[5000:5003] = -1
    right[7000] = 0.94  # near it, and not clipped
    found = measured(written(tmp_path / name, left, right, subtype=subtype))
    assert found.clipped_samples == 13


def test_the_largest_of_the_bits_that_count_is_full_scale(tmp_path: Path) -> None:
    signal = sine(-12, 1000, 1)
    signal[:5] = 1 - 2.0**-19  # the largest sample of 20 bits, in words of 24
    path = written(tmp_path / "a.wav", signal)
    twenty = AudioInfo(
        channel_count=1, sample_rate=RATE, bits_per_sample=24, valid_bits=20, sample_format="int"
    )
    assert measure(path, twenty, tmp_path).clipped_samples == 5
    assert measured(path).clipped_samples == 0


def test_silence_at_both_ends_is_told_to_the_millisecond(tmp_path: Path) -> None:
    sound = np.concatenate([silence(1.5), sine(-20, 1000, 1, np.pi / 4), silence(0.7)])
    quiet = sine(-70, 1000, 3.2)
    found = measured(written(tmp_path / "a.wav", sound, quiet))
    assert (found.leading_silence_seconds, found.trailing_silence_seconds) == (1.5, 0.7)


def test_silence_throughout_has_no_loudness(tmp_path: Path) -> None:
    found = measured(written(tmp_path / "a.wav", silence(2), silence(2)))
    assert found == Quality(
        clipped_samples=0, leading_silence_seconds=2, trailing_silence_seconds=2, dc_offset=0
    )


def test_the_offset_is_that_of_the_channel_that_is_the_farthest_from_zero(tmp_path: Path) -> None:
    signal = sine(-20, 1000, 2)
    found = measured(written(tmp_path / "a.wav", signal + 0.002, signal - 0.01))
    assert found.dc_offset == pytest.approx(0.01, abs=1e-5)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.m4a"])
def test_compressed_sound_is_measured_as_the_wav_of_it(tmp_path: Path, name: str) -> None:
    plain = measured(tone(tmp_path / "plain.wav", seconds=4))
    found = measured(tone(tmp_path / name, seconds=4))
    assert plain.integrated_loudness is not None
    assert found.integrated_loudness == pytest.approx(plain.integrated_loudness, abs=0.5)
    assert found.dc_offset == pytest.approx(0, abs=0.001)
    assert found.clipped_samples == 0


def test_samples_of_a_float_file_may_be_beyond_full_scale_or_no_number(tmp_path: Path) -> None:
    signal = sine(-12, 1000, 1)
    signal[100:104] = [2, -3, np.inf, np.nan]
    found = measured(written(tmp_path / "a.wav", signal, subtype="FLOAT"))
    assert found.clipped_samples == 3
    assert found.dc_offset < 0.001


def test_a_tag_does_not_speak_for_the_sound(tmp_path: Path) -> None:
    title = "title=x\nI:  -5.0 LUFS\nPeak: 9.0 dBFS"
    found = measured(tone(tmp_path / "a.mp3", "-metadata", title, seconds=2))
    assert found.integrated_loudness is not None
    assert found.integrated_loudness < -15


def test_what_is_no_sound_is_the_files_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(QualityError):
        measure(path, AudioInfo(channel_count=1, sample_rate=RATE), tmp_path)


def test_too_little_time_is_nobodys_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.wav", sine(-12, 1000, 1))
    monkeypatch.setattr(quality, "BASE_SECONDS", 0.01)
    monkeypatch.setattr(quality, "SECONDS_PER_SECOND", 0)
    with pytest.raises(QualityMeasurerError, match="not measured in"):
        measured(path)
