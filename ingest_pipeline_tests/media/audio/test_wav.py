import importlib.util
import io
import time
from functools import partial
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_pipeline.media.audio.wav import (
    MAX_CHUNKS,
    WavFile,
    walk,
)
from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline_tests.media.riff import chunk, data, ds64, extensible, fmt, info, riff

OPEN = 0xFFFFFFFF


def walked(content: bytes) -> WavFile:
    return walk(io.BytesIO(content), len(content))


def faults(content: bytes) -> list[str]:
    return [str(reason) for reason in walked(content).faults]


class CountingFile(io.BytesIO):
    """Counts the blocks of 64 KiB that its reads touch, and refuses more than it may fetch."""

    def __init__(self, content: bytes, most: int = 64) -> None:
        super().__init__(content)
        self.blocks: set[int] = set()
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        content = super().read(size)
        self.blocks |= {byte // 65_536 for byte in (at, at + max(len(content), 1) - 1)}
        if len(self.blocks) > self.most:
            raise ReadBudgetError(self.most)
        return content


class SparseFile(io.BytesIO):
    """A file of any size: some pieces at their places, zeros elsewhere."""

    def __init__(self, size: int, pieces: dict[int, bytes]) -> None:
        super().__init__()
        self.size, self.pieces, self.at = size, pieces, 0

    def seek(self, offset: int, _whence: int = 0, /) -> int:
        self.at = offset
        return offset

    def read(self, size: int | None = -1, /) -> bytes:
        count = min(size or 0, self.size - self.at)
        content = bytearray(max(0, count))
        for start, piece in self.pieces.items():
            for place, byte in enumerate(piece, start - self.at):
                if 0 <= place < count:
                    content[place] = byte
        return bytes(content)


def walked_sparse(size: int, pieces: dict[int, bytes]) -> WavFile:
    return walk(SparseFile(size, pieces), size)


# --- libsndfile as the oracle ---------------------------------------------------------------------


def files_of(package: str, *folders: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    roots = spec.submodule_search_locations or [] if spec else []
    return sorted(path for root in roots for path in Path(root, *folders).glob("*.wav"))


SCIPY = files_of("scipy", "io", "tests", "data")
CPYTHON = files_of("test", "audiodata") + files_of("test")

# Where this walker and libsndfile differ, and why that is wanted.
BIG_ENDIAN = "RIFX has a walker of its own"
WIDE = "libsndfile has no integers of this width; their frames can be counted all the same"
REFUSED = {
    "test-44100Hz-2ch-32bit-float-be.wav": BIG_ENDIAN,
    "test-44100Hz-be-1ch-4bytes.wav": BIG_ENDIAN,
    "test-8000Hz-be-3ch-5S-24bit.wav": BIG_ENDIAN,
    "test-44100Hz-le-1ch-4bytes-early-eof.wav": "libsndfile takes what is left of the audio",
    "test-8000Hz-le-3ch-5S-24bit-inconsistent.wav": "block_align 4 for 3 channels of 3 bytes",
}
TAKEN = {
    "test-8000Hz-le-3ch-5S-36bit.wav": WIDE,
    "test-8000Hz-le-3ch-5S-45bit.wav": WIDE,
    "test-8000Hz-le-3ch-5S-53bit.wav": WIDE,
    "test-8000Hz-le-3ch-5S-64bit.wav": WIDE,
}


def libsndfile_reads(path: Path) -> bool:
    try:
        soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return False
    return True


def test_there_are_real_files_to_compare_with() -> None:
    assert len(SCIPY) >= 20


@pytest.mark.parametrize("path", SCIPY + CPYTHON, ids=lambda path: path.name)
def test_real_files_are_read_as_libsndfile_reads_them(path: Path) -> None:
    wav = walked(path.read_bytes())
    is_sound = libsndfile_reads(path)
    if path.name in REFUSED or path.name in TAKEN:
        assert (is_sound, not wav.faults) == (path.name in REFUSED, path.name in TAKEN)
        return
    assert is_sound == (not wav.faults), wav.faults
    if is_sound:
        assert_agrees(wav, path)


BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}


def assert_agrees(wav: WavFile, file: Path | io.BytesIO) -> None:
    oracle = soundfile.info(file if isinstance(file, io.BytesIO) else str(file))
    assert wav.audio is not None
    assert wav.audio.channel_count == oracle.channels
    assert wav.audio.sample_rate == oracle.samplerate
    assert wav.audio.frame_count == oracle.frames
    assert wav.audio.duration == str(oracle.frames / oracle.samplerate)
    if oracle.subtype in BITS:  # libsndfile rounds odd widths up to whole bytes
        assert -(-(wav.audio.bits_per_sample or 0) // 8) * 8 == BITS[oracle.subtype]
    is_float = oracle.subtype in ("FLOAT", "DOUBLE")
    assert (wav.audio.sample_format == "float") == is_float


WRITABLE = [
    (form, subtype)
    for form in ("WAV", "WAVEX", "RF64")
    for subtype in soundfile.available_subtypes(form)
    if subtype not in ("GSM610", "MPEG_LAYER_III", "NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32")
]


@pytest.mark.parametrize(("form", "subtype"), WRITABLE)
@pytest.mark.parametrize(("channels", "frames"), [(1, 1), (2, 997), (1, 0)])
def test_what_libsndfile_writes_is_sound_and_means_the_same(
    form: str, subtype: str, channels: int, frames: int
) -> None:
    if subtype.startswith("G72"):
        channels = 1  # all that libsndfile writes of it
    file = io.BytesIO()
    samples = [[0.25] * channels] * frames
    with soundfile.SoundFile(file, "w", 44_100, channels, subtype, format=form) as out:
        if samples:
            out.write(samples)
    wav = walked(file.getvalue())
    assert wav.faults == ()
    assert wav.container == ("rf64" if form == "RF64" else "wav")
    file.seek(0)
    if frames and not subtype.startswith("G72") and "ADPCM" not in subtype:
        assert_agrees(
            wav, file
        )  # of the others it counts whole blocks, not the fact chunk's frames


# --- what is sound --------------------------------------------------------------------------------


def test_the_format_is_told() -> None:
    wav = walked(riff(extensible(bits=32, valid_bits=24), data(48_000, 8)))
    assert wav.faults == ()
    assert wav.codec == "pcm"
    assert wav.audio is not None
    assert wav.audio.model_dump() == {
        "channel_count": 2,
        "frame_count": 48_000,
        "sample_rate": 48_000,
        "bits_per_sample": 32,
        "duration": "1.0",
        "block_align": 8,
        "sample_format": "int",
        "valid_bits": 24,
        "channel_layout": ("FL", "FR"),
        "data_bytes": 384_000,
        "bit_rate": None,
        "quality": None,
    }


@pytest.mark.parametrize(
    ("format_chunk", "codec"),
    [
        (fmt(1), "pcm"),
        (fmt(3, bits=32), "pcm_float"),
        (fmt(6, bits=8), "alaw"),
        (fmt(7, bits=8), "ulaw"),
        (fmt(2, bits=4), "adpcm"),
        (fmt(0x55, bits=24), "mp3 (0x0055)"),
        (fmt(0x1234), "unknown (0x1234)"),
        (extensible(bytes.fromhex("0300000000001000800000aa00389b71")), "pcm_float"),
        (extensible(bytes.fromhex("010000002107d3118644c8c1ca000000")), "pcm"),
        (extensible(bytes(range(16))), "unknown (03020100-0504-0706-0809-0a0b0c0d0e0f)"),
    ],
)
def test_a_codec_has_a_name_and_is_no_fault(format_chunk: bytes, codec: str) -> None:
    wav = walked(riff(format_chunk, data()))
    assert (wav.codec, wav.faults) == (codec, ())


@pytest.mark.parametrize(
    ("channels", "mask", "layout"),
    [
        (1, 0b11, ("FL",)),
        (2, 0x3F, ("FL", "FR")),
        (2, 0b1000_0000_0001, ("FL", "TC")),
        (6, 0x3F, ("FL", "FR", "FC", "LFE", "BL", "BR")),
        (2, 0b1, ("FL",)),
        (2, 0, None),
    ],
)
def test_a_mask_names_no_more_speakers_than_there_are_channels(
    channels: int, mask: int, layout: tuple[str, ...] | None
) -> None:
    wav = walked(riff(extensible(channels=channels, mask=mask), data(2, 3 * channels)))
    assert wav.faults == ()
    assert wav.audio is not None
    assert wav.audio.channel_layout == layout


@pytest.mark.parametrize("channels", [65, 128, 1024, 21_845])
def test_any_number_of_channels_is_sound(channels: int) -> None:
    wav = walked(riff(fmt(channels=channels), data(10, 3 * channels)))
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.channel_count, wav.audio.frame_count) == (channels, 10)


def test_frames_of_a_compressed_codec_are_those_of_its_fact_chunk() -> None:
    counted = riff(fmt(2, bits=4, block_align=512), chunk(b"fact", b"\xf4\x03\x00\x00"), data(512))
    wav = walked(counted)
    assert wav.audio is not None
    assert wav.audio.frame_count == 1012


@pytest.mark.parametrize(("form", "name"), [(b"RF64", "rf64"), (b"BW64", "bw64")])
def test_the_data_size_of_64_bit_forms_stands_in_ds64(form: bytes, name: str) -> None:
    sizes = ds64(700, 600)
    wav = walked(riff(sizes, fmt(), data(size=OPEN), magic=form, size=OPEN))
    assert (wav.container, wav.faults) == (name, ())
    assert wav.audio is not None
    assert wav.audio.data_bytes == 600


def test_empty_audio_is_sound() -> None:
    wav = walked(riff(fmt(), data(0)))
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.audio.duration) == (0, "0.0")
    assert wav.warnings == ("the audio is empty",)


def test_empty_audio_stays_empty_when_chunks_follow_it() -> None:
    wav = walked(riff(fmt(), data(0), info(INAM="nothing")))
    assert wav.audio is not None
    assert (wav.audio.frame_count, len(wav.metadata), wav.faults) == (0, 1, ())


def test_a_rate_of_0_is_the_rules_business() -> None:
    wav = walked(riff(fmt(rate=0), data()))
    assert wav.audio is not None
    assert (wav.audio.duration, wav.faults) == ("0.0", ())


def test_a_partial_last_frame_is_a_warning() -> None:
    wav = walked(riff(fmt(), chunk(b"data", bytes(603), is_padded=False), size=640))
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.faults) == (100, ())
    assert "3 bytes after the last whole frame" in wav.warnings


def test_a_missing_pad_byte_is_a_warning_and_what_follows_is_found() -> None:
    odd = chunk(b"data", bytes(603), is_padded=False)
    wav = walked(riff(fmt(), odd, info(INAM="title")))
    assert [found.id for found in wav.metadata] == [b"LIST"]
    assert "no pad byte after the data chunk of 603 bytes" in wav.warnings


def test_a_pad_byte_is_passed_over() -> None:
    content = riff(chunk(b"junk", b"abc"), fmt(), chunk(b"data", bytes(603)), info(INAM="title"))
    wav = walked(content)
    assert (wav.faults, [found.id for found in wav.metadata]) == ((), [b"LIST"])


@pytest.mark.parametrize("riff_size", [10, 10_000])
def test_a_wrong_riff_size_is_a_warning(riff_size: int) -> None:
    wav = walked(riff(fmt(), data(), size=riff_size))
    assert wav.faults == ()
    assert wav.warnings == (f"the RIFF ends at byte {riff_size + 8}, the object at 644",)


def test_bytes_after_the_riff_are_no_chunks() -> None:
    sound = riff(fmt(), data())
    assert walked(sound + bytes(100_000)).faults == ()
    assert walked(sound + b"TAG" + b"x" * 125).faults == ()


def test_zeros_within_the_riff_are_no_chunks() -> None:
    wav = walked(riff(fmt(), data(), bytes(16_000)))
    assert wav.faults == ()
    assert wav.warnings == ("no chunk at byte 644: 16000 bytes left unread",)


def test_of_two_formats_and_two_datas_the_first_counts() -> None:
    wav = walked(riff(fmt(), fmt(channels=7), data(100), data(7)))
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.channel_count, wav.audio.frame_count) == (2, 100)
    assert len([text for text in wav.warnings if "second" in text]) == 2


# --- sizes that were never written ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [
        (OPEN, OPEN),  # ffmpeg to a pipe
        (0, 0),
        (OPEN, 0),
        (36, 0),  # a recorder that died before it came back to the header
        (0x7FFFF024, 0x7FFFF000),  # sox
        (0x80000024, 0x80000000),  # arecord
        (0x7FFFFF24, 0x7FFFFF00),
        (0x80000023, 0x7FFFFFFF),  # lame
        (0x7FFFFFFF, 0x7FFFFFFF),  # opusdec
        (12_345, OPEN),
    ],
)
@pytest.mark.parametrize("extra", [0, 4])
def test_a_placeholder_means_all_that_follows(riff_size: int, data_size: int, extra: int) -> None:
    wav = walked(riff(fmt(), chunk(b"data", bytes(600 + extra), data_size), size=riff_size))
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.audio.data_bytes) == (100, 600)
    assert any("placeholder" in text for text in wav.warnings)


SOX = 0x7FFFF000  # bytes of audio that it announces to a pipe, in whole frames


@pytest.mark.parametrize(
    ("channels", "bits", "claimed"),
    [
        (1, 24, 0x7FFFEFFF),
        (2, 24, 0x7FFFEFFC),
        (6, 24, 0x7FFFEFF6),
        (2, 16, SOX),
        (5, 32, SOX - SOX % 20),
    ],
)
def test_what_sox_writes_to_a_pipe_is_all_that_follows(
    channels: int, bits: int, claimed: int
) -> None:
    form = extensible(channels=channels, bits=bits, valid_bits=bits)
    fact = chunk(b"fact", (claimed // channels).to_bytes(4, "little"))
    audio = chunk(b"data", bytes(100 * channels * bits // 8), claimed)
    wav = walked(riff(form, fact, audio, size=len(form) + claimed + 24))
    assert wav.faults == ()
    assert wav.audio is not None
    assert wav.audio.frame_count == 100


def test_sox_pipes_longer_than_their_placeholder_are_counted_whole() -> None:
    head = riff(fmt(), chunk(b"data", b"", 0x7FFFEFFC), size=0x7FFFEFFC + 36)
    frames = 500_000_000
    wav = walked_sparse(44 + 6 * frames, {0: head})
    assert wav.faults == ()
    assert wav.audio is not None
    assert wav.audio.frame_count == frames


def test_a_size_that_was_written_and_is_a_placeholders_by_chance_counts() -> None:
    head = riff(fmt(), chunk(b"data", b"", 0x7FFFEFFC), size=0x7FFFEFFC + 36 + 22)
    end = 44 + 0x7FFFEFFC
    wav = walked_sparse(end + 22, {0: head, end: info(INAM="x")})
    assert (wav.faults, wav.warnings, len(wav.metadata)) == ((), (), 1)
    assert wav.audio is not None
    assert wav.audio.data_bytes == 0x7FFFEFFC


def test_blocks_of_a_compressed_pipe_are_counted_by_what_each_holds() -> None:
    """The fact chunk of sox counts the placeholder."""
    plain = fmt(0x11, channels=1, bits=4, block_align=256)[8:]
    form = chunk(b"fmt ", plain + b"\x02\x00\xf9\x01")  # 505 frames a block
    fact = chunk(b"fact", (SOX // 256 * 505 % 2**32).to_bytes(4, "little"))
    wav = walked(riff(form, fact, chunk(b"data", bytes(2560), SOX), size=SOX + 52))
    assert wav.faults == ()
    assert wav.audio is not None
    assert wav.audio.frame_count == 5050


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [(OPEN, OPEN - 36), (OPEN, OPEN), (0, 0), (36, 0), (0x7FFFF020, 0x7FFFEFFC)],
)
@pytest.mark.parametrize("frames", [100, 833_333_333])
def test_placeholders_before_audio_of_any_length_count_it_whole(
    riff_size: int, data_size: int, frames: int
) -> None:
    head = riff(fmt(), chunk(b"data", b"", data_size), size=riff_size)
    wav = walked_sparse(44 + 6 * frames, {0: head})
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.audio.data_bytes) == (frames, 6 * frames)


@pytest.mark.parametrize("trailer", [b"", info(INAM="title"), chunk(b"abcd", b"x")])
@pytest.mark.parametrize("audio", [5_000_000_000, 20_000_000_001, 2**32, 2**33 - 20])
@pytest.mark.parametrize("riff_size", [None, 0, OPEN])
def test_sizes_beyond_4_gib_that_began_at_0_again_are_unwound(
    audio: int, trailer: bytes, riff_size: int | None
) -> None:
    end = 44 + audio + audio % 2
    size = end + len(trailer)
    claimed = (size - 8) % 2**32 if riff_size is None else riff_size
    head = riff(fmt(), chunk(b"data", b"", audio % 2**32), size=claimed)
    wav = walked_sparse(size, {0: head, end: trailer})
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.data_bytes, wav.audio.frame_count) == (audio, audio // 6)
    assert len(wav.metadata) == (trailer[:4] == b"LIST")
    assert f"the data size {audio % 2**32} began at 0 again: it is {audio}" in wav.warnings


def test_a_riff_whose_chunks_behind_the_audio_go_beyond_4_gib_is_whole() -> None:
    audio = 2**32 - 100
    head = riff(fmt(), chunk(b"data", b"", audio), size=186)
    trailer = info(INAM="title", ICMT="x" * 200)
    wav = walked_sparse(44 + audio + len(trailer), {0: head, 44 + audio: trailer})
    assert (wav.faults, wav.warnings, len(wav.metadata)) == ((), (), 1)


def test_half_of_a_riff_beyond_4_gib_is_refused() -> None:
    claimed = 8_000_000_000 % 2**32
    head = riff(fmt(), chunk(b"data", b"", claimed), size=claimed + 36)
    (fault,) = walked_sparse(5_000_000_044, {0: head}).faults
    assert fault.rule == "sizes"
    assert fault.found == f"RIFF of 5000000044 bytes with a data size of {claimed}"
    assert fault.wanted == "RF64 or BW64 beyond 4 GiB"


def test_a_placeholder_in_ds64_means_all_that_follows() -> None:
    wav = walked(riff(ds64(0, 0), fmt(), data(size=OPEN), magic=b"RF64", size=OPEN))
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.faults) == (100, ())


@pytest.mark.parametrize("riff_size", [None, 600 + 36 - 8, 600 + 36 + 8])
def test_a_data_size_of_0_before_audio_means_all_that_follows(riff_size: int | None) -> None:
    """The RIFF size alone was written, with or without the RIFF's own header."""
    wav = walked(riff(fmt(), data(size=0), size=riff_size))
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.audio.data_bytes) == (100, 600)
    assert any("placeholder" in text for text in wav.warnings)


def test_loud_audio_of_8_bits_is_no_chunk() -> None:
    """Its bytes are letters."""
    wav = walked(riff(fmt(channels=1, bits=8), chunk(b"data", b"kT~}zp2a" * 75, 0)))
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.faults) == (600, ())


@pytest.mark.parametrize("riff_size", [None, 36, 0])
def test_an_empty_data_chunk_before_the_audios_is_passed_over(riff_size: int | None) -> None:
    wav = walked(riff(fmt(), data(0), data(100), size=riff_size))
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.faults) == (100, ())
    assert "an empty data chunk before the one at byte 52, ignored" in wav.warnings


@pytest.mark.parametrize("declared", [0x00FFFFFF, 0, 6, 0x7FFFF000])
@pytest.mark.parametrize("trailer", [b"", info(INAM="x")])
def test_ds64_counts_whatever_the_data_chunk_says(declared: int, trailer: bytes) -> None:
    sizes = ds64(672 + len(trailer), 600)
    content = riff(sizes, fmt(), data(size=declared), trailer, magic=b"RF64", size=OPEN)
    wav = walked(content)
    assert wav.faults == ()
    assert wav.audio is not None
    assert (wav.audio.frame_count, len(wav.metadata)) == (100, bool(trailer))
    assert wav.warnings == (f"the data chunk says {declared} bytes, ds64 600: ds64 counts",)


def test_a_ds64_without_a_data_size_leaves_it_to_the_data_chunk() -> None:
    wav = walked(riff(ds64(672, 0), fmt(), data(), magic=b"RF64", size=OPEN))
    assert wav.audio is not None
    assert (wav.audio.frame_count, wav.faults, wav.warnings) == (100, (), ())


# --- what is broken -------------------------------------------------------------------------------

NO_FMT, NO_DATA = "fmt missing, wanted a fmt chunk", "data missing, wanted a data chunk"
NO_DS64 = "ds64 missing, wanted a ds64 chunk before the data"
RIFF_IS_CUT = (
    "complete the RIFF ends at byte {0}, the object at {1}, wanted an object of at least {0} bytes"
)
FORM = "wanted RIFF, RF64 or BW64 of WAVE"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", [f"form nothing, {FORM}"]),
        (riff(form=b"AVI "), [f"form RIFF AVI, {FORM}"]),
        (riff(fmt(), data(), magic=b"LIST"), [f"form LIST WAVE, {FORM}"]),
        (riff(), [NO_FMT, NO_DATA]),
        (riff(data()), [NO_FMT]),
        (riff(fmt()), [NO_DATA]),
        (riff(data(), fmt()), ["fmt after the data, wanted before the data"]),
        (riff(chunk(b"fmt ", bytes(15)), data()), ["fmt 15 bytes, wanted at least 16 bytes"]),
        (
            riff(fmt(0xFFFE), data()),
            ["fmt an extensible format of 16 bytes, wanted at least 40 bytes"],
        ),
        (riff(fmt(channels=0), data()), ["channel_count 0, wanted at least 1"]),
        (riff(fmt(bits=0), data()), ["bits_per_sample 0, wanted 1 to 64"]),
        (riff(fmt(bits=65), data()), ["bits_per_sample 65, wanted 1 to 64"]),
        (
            riff(fmt(block_align=5), data()),
            ["block_align 5, wanted 6 (2 channels of 3 bytes)"],
        ),
        (riff(fmt(0x55, block_align=0), data()), ["block_align 0, wanted at least 1"]),
        (
            riff(fmt(), data(size=1000)),
            [("complete data ends at byte 1044, the object at 644, "
             "wanted an object of at least 1044 bytes")],
        ),
        (
            riff(ds64(2**63, 2**63), fmt(), data(size=OPEN), magic=b"RF64", size=OPEN),
            [(f"complete data ends at byte {2**63 + 80}, the object at 680, "
             f"wanted an object of at least {2**63 + 80} bytes")],
        ),
        (
            riff(ds64(672, 1200), fmt(), data(), magic=b"RF64", size=OPEN),
            [("complete data ends at byte 1280, the object at 680, "
             "wanted an object of at least 1280 bytes")],
        ),
        (riff(fmt(), data(size=OPEN), magic=b"RF64", size=OPEN), [NO_DS64]),
        (riff(fmt(), data(), magic=b"BW64"), [NO_DS64]),
        (riff(fmt(), data(), ds64(672, 600), magic=b"BW64"), [NO_DS64]),
        (
            riff(chunk(b"ds64", bytes(15)), fmt(), data(), magic=b"RF64"),
            ["ds64 15 bytes, wanted at least 16 bytes"],
        ),
        (riff(fmt(), data(0), size=28_500_000), [RIFF_IS_CUT.format(28_500_008, 44)]),
        (riff(fmt(), data(size=0), size=28_500_000), [RIFF_IS_CUT.format(28_500_008, 644)]),
        (
            riff(fmt(), data(0), info(INAM="x"), size=28_500_000),
            [RIFF_IS_CUT.format(28_500_008, 66)],
        ),
        (
            riff(ds64(10**10, 0), fmt(), data(size=OPEN), magic=b"RF64", size=OPEN),
            [RIFF_IS_CUT.format(10**10 + 8, 680)],
        ),
        (
            riff(fmt(channels=0, bits=0, block_align=3), data(size=700)),
            [
                "channel_count 0, wanted at least 1",
                "bits_per_sample 0, wanted 1 to 64",
                ("complete data ends at byte 744, the object at 644, "
                "wanted an object of at least 744 bytes"),
            ],
        ),
    ],
)  # fmt: skip
def test_every_fault_is_told(content: bytes, wanted: list[str]) -> None:
    assert faults(content) == wanted


MANY = chunk(b"abcd", b"") * 300_000
TOO_MANY = f"chunks more than {MAX_CHUNKS}, wanted at most {MAX_CHUNKS}"


@pytest.mark.parametrize(
    "content",
    [
        riff(MANY, fmt(), data()),
        riff(fmt(), MANY, data()),
        riff(fmt(), data(), MANY),
        riff(fmt(), data(), *[info(INAM="x")] * 2000),
    ],
    ids=["first", "between", "last", "metadata"],
)
def test_a_flood_of_chunks_is_refused_at_once(content: bytes) -> None:
    begun = time.monotonic()
    assert TOO_MANY in faults(content)
    assert time.monotonic() - begun < 0.5


def test_1000_chunks_are_not_too_many() -> None:
    assert faults(riff(fmt(), data(), *[chunk(b"abcd", b"")] * (MAX_CHUNKS - 2))) == []
    assert faults(riff(fmt(), data(), *[chunk(b"abcd", b"")] * (MAX_CHUNKS - 1))) == [TOO_MANY]


# --- what is read ---------------------------------------------------------------------------------


def test_one_block_is_read_of_a_large_file_and_one_more_for_what_follows() -> None:
    for trailer, blocks in ((b"", 1), (info(INAM="title"), 2)):
        content = riff(fmt(), data(1_000_000), trailer)
        file = CountingFile(content)
        assert walk(file, len(content)).faults == ()
        assert len(file.blocks) == blocks


SPREAD = [chunk(b"junk", bytes(70_000))] * 100


def test_a_header_that_takes_too_many_blocks_is_a_fault() -> None:
    content = riff(*SPREAD, fmt(), data())
    found = walk(CountingFile(content), len(content)).faults
    assert [str(reason) for reason in found] == [
        "header more than 64 blocks, wanted fmt and data within reach"
    ]


def test_trailing_chunks_that_take_too_many_blocks_are_a_warning() -> None:
    content = riff(fmt(), data(), *SPREAD)
    wav = walk(CountingFile(content), len(content))
    assert wav.faults == ()
    assert wav.warnings == ("chunks after the audio not read: more than 64 blocks",)


def test_an_error_of_the_file_is_not_the_files_fault() -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        walk(Broken(b""), 100)


# --- any bytes ------------------------------------------------------------------------------------

SOUND = {
    "plain": riff(fmt(), data()),
    "extensible": riff(extensible(), data(), info(INAM="title")),
    "rf64": riff(ds64(700, 600), fmt(), data(size=OPEN), magic=b"RF64", size=OPEN),
    "odd": riff(chunk(b"bext", bytes(603)), fmt(), chunk(b"data", bytes(603))),
}


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND.keys())
def test_every_truncation_is_refused_down_to_the_first_byte(content: bytes) -> None:
    wav = walked(content)
    start = content.index(b"data") + 8
    end = start + ((wav.audio.data_bytes or 0) if wav.audio else 0)
    for cut in range(len(content)):
        rules = {reason.rule for reason in walked(content[:cut]).faults}
        if start <= cut < end:
            assert rules == {"complete"}, cut
        else:
            assert bool(rules) == (cut < start), cut


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(list(SOUND.values()))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, min(len(content), 130) - 1))
        patch = draw(st.sampled_from([b"\x00", b"\xff", b"\xff" * 4, b"data", b"fmt ", b"\x01"]))
        content[at : at + len(patch)] = patch
    return bytes(content[: draw(st.integers(0, len(content)))])


def assert_well_formed(wav: WavFile) -> None:
    for reason in wav.faults:
        assert reason.rule
        assert str(reason.found)
        assert str(reason.wanted)
    if not wav.faults:
        assert wav.audio is not None
        assert (wav.audio.frame_count or 0) >= 0
    assert all(wav.warnings)


@settings(max_examples=600, deadline=500)
@given(st.one_of(mutated(), st.binary(max_size=200), st.binary(max_size=200).map(partial(riff))))
def test_no_bytes_raise_or_hang(content: bytes) -> None:
    assert_well_formed(walked(content))
