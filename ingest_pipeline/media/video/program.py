"""Which ffmpeg is used: the one that can do the most of what presets and strips ask for."""

import logging
import re
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from ingest_pipeline.media.video.ffmpeg import (
    TranscodeError,
    TranscodeResourceError,
    run_ffmpeg,
)
from ingest_pipeline.values import Frozen

# The encoder of each codec that a preset may name.
ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "aac": "aac",
    "opus": "libopus",
    "vorbis": "libvorbis",
}
PICTURE_ENCODERS = ("mjpeg", "png")  # of posters, thumbnails and strips
FILTERS = (
    *("bwdif", "concat", "format", "fps", "pad", "scale", "select", "setparams", "setpts"),
    *("setsar", "sidedata", "thumbnail", "tile", "tonemap", "tpad", "trim", "zscale"),
)
OLDEST = (5, 1)  # the first that knows `-fps_mode`
_UNKNOWN = "unknown"
_ANSWER_SECONDS = 10.0  # a third of a second is usual, of which most is the loading of libraries
_VERSION = re.compile(r"ffmpeg version (\S+)")
_NUMBERS = re.compile(r"n?(\d+)\.(\d+)(?:\.(\d+))?")  # "5.1.9-0+deb12u1", "n9.0.2-17-g2a571b6068"
_LISTED = re.compile(r" ?[A-Z.|]+ (\S+)")  # " V....D libx264   H.264", " .S. fps  V->V  Force ..."
_log = logging.getLogger(__name__)


class FfmpegChoice(Frozen):
    """The ffmpeg that is used, what it lacks, and why it is this one."""

    path: str
    version: str  # as it says; "unknown" where it gives none
    missing: tuple[str, ...]  # such as "encoder libx265"
    why: str

    def __str__(self) -> str:
        lack = f", without {', '.join(self.missing)}" if self.missing else ""
        return f"ffmpeg {self.version} at {self.path} ({self.why}){lack}"


def find_ffmpeg(setting: Path | None = None) -> str:
    """Give the path of the ffmpeg to use, see `choose_ffmpeg`.

    Raises:
        TranscodeResourceError: there is none.
    """
    return choose_ffmpeg(setting).path


def choose_ffmpeg(setting: Path | None = None) -> FfmpegChoice:
    """Take the one set, whatever it lacks, else the better of the PATH's and imageio-ffmpeg's.

    Better is what lacks less, then what is newer; of equals the PATH's. Each program is asked
    once, and what the one in use lacks is logged once.

    Raises:
        TranscodeResourceError: there is none.
    """
    if setting is not None:
        found = shutil.which(setting)
        if found is None:
            raise TranscodeResourceError(f"{setting} is no program")
        return _chosen(_absolute(found), "INGEST_FFMPEG")
    on_path = shutil.which("ffmpeg")
    if on_path is None:
        return _chosen(_packaged(), "there is none on the PATH")
    return _better(_absolute(on_path))


def _better(on_path: str) -> FfmpegChoice:
    """The PATH's, unless imageio-ffmpeg brings one that can do more."""
    ours = _asked(on_path)
    try:
        packaged = _packaged()
    except TranscodeResourceError:
        return _chosen(on_path, "on the PATH, and the package brings none")
    if _asked(packaged).rank > ours.rank:
        return _chosen(packaged, f"better than {ours.version} on the PATH")
    return _chosen(on_path, "on the PATH")


def _chosen(path: str, why: str) -> FfmpegChoice:
    asked = _asked(path)
    choice = FfmpegChoice(path=path, version=asked.version, missing=asked.missing, why=why)
    if choice.missing:
        _warn(choice)
    return choice


@cache
def _warn(choice: FfmpegChoice) -> None:
    """Say once what is lacking."""
    _log.warning("%s", choice)


def _absolute(program: str) -> str:
    return str(Path(program).absolute())  # a child runs in another directory


def _packaged() -> str:
    import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415 - runs without a video do without

    try:
        return _absolute(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise TranscodeResourceError(str(error)) from error


class _Abilities(Frozen):
    """What a program says of itself."""

    version: str = _UNKNOWN
    missing: tuple[str, ...]

    @property
    def rank(self) -> tuple[bool, int, tuple[int, ...]]:
        """Greater is better."""
        return self.version != _UNKNOWN, -len(self.missing), _numbers(self.version)


def _asked(program: str) -> _Abilities:
    """What a program can do; one that has no answer now is asked again the next time."""
    try:
        return _abilities(program, Path(program).stat().st_mtime_ns)  # an upgrade is another one
    except (TranscodeError, TranscodeResourceError) as error:
        return _Abilities(missing=(f"an answer to -version ({error})",))


@cache
def _abilities(program: str, _changed: int) -> _Abilities:
    named = _VERSION.match("".join(_answer(program, "-version")[:1]))
    version = named[1] if named else _UNKNOWN
    filters, encoders = (_listed(program, option) for option in ("-filters", "-encoders"))
    wanted_encoders = (*ENCODERS.values(), *PICTURE_ENCODERS)
    missing = (
        *(("version 5.1 or newer",) if _is_too_old(version) else ()),
        *(f"filter {name}" for name in FILTERS if name not in filters),
        *(f"encoder {name}" for name in wanted_encoders if name not in encoders),
    )
    return _Abilities(version=version, missing=missing)


def _is_too_old(version: str) -> bool:
    """Builds between releases have no number; they pass for what their lists say."""
    numbers = _numbers(version)
    return bool(numbers) and numbers < OLDEST


def _numbers(version: str) -> tuple[int, ...]:
    found = _NUMBERS.match(version)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


def _listed(program: str, option: str) -> set[str]:
    return {found[1] for line in _answer(program, option) if (found := _LISTED.match(f" {line}"))}


def _answer(program: str, option: str) -> list[str]:
    """The lines that a program prints."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ffmpeg-") as folder:
        run_ffmpeg(
            program,
            ["-hide_banner", option],
            Path(folder),
            source=None,
            seconds=_ANSWER_SECONDS,
            most_bytes=0,
            on_line=lines.append,
            stop=threading.Event(),
        )
    return lines
