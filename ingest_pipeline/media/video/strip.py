"""A strip of a video: some of its frames in a row, taken by ffmpeg in a limited child."""

import threading
from pathlib import Path

from ingest_pipeline.media.video.ffmpeg import (
    TranscodeError,
    run_ffmpeg,
)
from ingest_pipeline.media.video.probe import (
    FORMATS,
    MOST_PIXELS,
)
from ingest_pipeline.media.video.program import find_ffmpeg

FRAMES = 8
FRAME_WIDTH, FRAME_HEIGHT = 160, 90  # pixels of the box that each frame fits in
STRIP_SECONDS = 120.0  # of wall time; of a rendition in 1280x720 it takes one
STRIP_BYTES = 16 * 1024 * 1024


def take_strip(video: Path, folder: Path, seconds: float, ffmpeg: Path | None = None) -> Path:
    """Take frames at equal distances of a video of so many seconds; the strip in a folder, a PNG.

    Each frame is sought: a film of two hours takes no longer than one of a minute. Where the
    pictures end before the sound, the last one stands for those that are missing.

    Raises:
        TranscodeError: no frame can be taken.
        TranscodeResourceError: disk, memory, time or ffmpeg were missing; try again later.
    """
    strip = folder / "strip.png"
    strip.unlink(missing_ok=True)
    run_ffmpeg(
        find_ffmpeg(ffmpeg),
        _arguments(video.absolute(), seconds, strip.name),
        folder,
        source=video.absolute(),
        seconds=STRIP_SECONDS,
        most_bytes=STRIP_BYTES,
        on_line=lambda _: None,
        stop=threading.Event(),
    )
    if not strip.exists():
        raise TranscodeError("no frame could be taken of the video")
    return strip


def _arguments(video: Path, seconds: float, name: str) -> list[str]:
    moments = [seconds * (number + 0.5) / FRAMES for number in range(FRAMES)]
    return [
        *("-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
        *(word for moment in moments for word in _input(video, moment)),
        *("-filter_complex", _graph()),
        *("-frames:v", "1", "-update", "1", "-f", "image2", f"file:{name}"),
    ]


def _input(video: Path, moment: float) -> list[str]:
    return [
        *("-protocol_whitelist", "file", "-format_whitelist", FORMATS),
        *("-max_pixels", str(MOST_PIXELS), "-max_streams", "32", "-threads", "1"),
        *("-ss", f"{moment:.3f}", "-i", f"file:{video}"),
    ]


def _graph() -> str:
    """Take the first frame of each input, one after the other, and lay them side by side."""
    numbers = range(FRAMES)
    firsts = ";".join(f"[{n}:v:0]trim=end_frame=1,setpts=0[frame{n}]" for n in numbers)
    together = "".join(f"[frame{n}]" for n in numbers) + f"concat=n={FRAMES}"
    box = f"scale={FRAME_WIDTH}:{FRAME_HEIGHT}:force_original_aspect_ratio=decrease,setsar=1"
    return f"{firsts};{together},{box},tpad=stop={FRAMES}:stop_mode=clone,tile={FRAMES}x1"
