"""Makes a rendition of a video by a preset: the video, a poster, thumbnails; checked by us."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ingest_pipeline.media.model import (
    Probe,
    VideoInfo,
)
from ingest_pipeline.media.video.checks import Check, accept
from ingest_pipeline.media.video.copying import may_copy
from ingest_pipeline.media.video.ffmpeg import (
    THREADS,
    TranscodeError,
    TranscodeResourceError,
    TranscodeStoppedError,
    full_disk_told,
    run_ffmpeg,
)
from ingest_pipeline.media.video.presets import (
    Preset,
    VideoEncoding,
)
from ingest_pipeline.media.video.probe import (
    FORMATS,
    MOST_PIXELS,
)
from ingest_pipeline.media.video.program import ENCODERS, FfmpegChoice, choose_ffmpeg
from ingest_pipeline.media.video.tone import WITHOUT, can_tone_map, tone_map
from ingest_pipeline.values import Frozen

__all__ = [
    "Check",
    "Progress",
    "TranscodeError",
    "TranscodeResourceError",
    "TranscodeStoppedError",
    "Transcoded",
    "accept",
    "full_disk_told",
    "refuse",
    "transcode",
]

# Of wall time for any video, for each second of one of the largest frames, thirty of them a second
# (8K HEVC of 10 bits takes 9 on two busy cores), for each second at the least, and at the most.
BASE_SECONDS = 300.0
SECONDS_A_SECOND = 15.0
LEAST_SECONDS_A_SECOND = 2.0
MOST_SECONDS = 8 * 3600.0
SPARE_BYTES = 64 * 1024 * 1024  # `-fs` stops soon after the size that it is given
POSTER_CANDIDATES = 20  # whole pictures, the first minute's at 90 frames from one to the next


class Progress(Frozen):
    """How far a transcoding is."""

    seconds: float  # of the video
    percent: float | None = None  # None where the length of the video is not known
    speed: float | None = None  # seconds of the video a second


class Transcoded(Frozen):
    """A rendition with its pictures, in the folder that was asked for."""

    path: Path
    poster: Path
    thumbnails: tuple[Path, ...]  # in the order of time
    probe: Probe  # of the rendition
    checks: tuple[Check, ...]  # that it passed
    remuxed: bool = False  # its tracks are the source's own
    warnings: tuple[str, ...] = ()  # what could not be done as well as it might
    seconds: float  # of wall time that it took


def transcode(
    source: Path,
    folder: Path,
    preset: Preset,
    video: VideoInfo,
    *,
    on_progress: Callable[[Progress], None],
    stop: threading.Event | None = None,
    ffmpeg: Path | None = None,
) -> Transcoded:
    """Transcode `source`, which was probed as `video`, into `folder`, which exists.

    The files are `video.<container>`, `poster.jpg` and `thumbnail-00001.png` and so on; they
    appear, replacing any before them, once the rendition was probed and found as wanted. On any
    error, `KeyboardInterrupt` too, nothing is left: no process, no file.

    `ffmpeg` is the program to use, else the better of the PATH's and imageio-ffmpeg's is.
    `on_progress` is called in this thread about twice a second.

    Raises:
        TranscodeError: the video cannot be transcoded by this preset.
        TranscodeResourceError: disk, memory, time or ffmpeg were missing; try again later.
        TranscodeStoppedError: `stop` was set.
    """
    begun = time.monotonic()
    refuse(preset, video)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        work = Work(Path(part), preset, video, choose_ffmpeg(ffmpeg), stop or threading.Event())
        made = _made(work, source, on_progress)
        pictures = work.take_pictures(made.path)
        for old in folder.glob("thumbnail-*.png"):
            old.unlink()  # there may be fewer now
        path, poster, *thumbnails = (_moved(file, folder) for file in (made.path, *pictures))
    return Transcoded(
        path=path,
        poster=poster,
        thumbnails=tuple(thumbnails),
        probe=made.probe,
        checks=made.checks,
        remuxed=made.remuxed,
        warnings=made.warnings,
        seconds=round(time.monotonic() - begun, 3),
    )


def refuse(preset: Preset, video: VideoInfo) -> None:
    """Raise `TranscodeError` where a source is none that the preset takes."""
    if not video.has_video:
        raise TranscodeError("there is no video in it")
    if video.pixels and video.pixels > MOST_PIXELS:
        raise TranscodeError(f"{video.pixels} pixels, wanted at most {MOST_PIXELS}")
    if video.duration_seconds and video.duration_seconds > preset.max_seconds:
        raise TranscodeError(f"{video.duration_seconds} s, wanted at most {preset.max_seconds} s")


class _Made(NamedTuple):
    """A rendition that was accepted, still in the working directory."""

    path: Path
    probe: Probe
    checks: tuple[Check, ...]
    remuxed: bool = False
    warnings: tuple[str, ...] = ()


def _made(work: "Work", source: Path, on_progress: Callable[[Progress], None]) -> _Made:
    """Copy the tracks where they will do; where the copy is not as wanted, encode them."""
    warnings = []
    if may_copy(work.preset, work.video):
        try:
            path = work.remux(source, on_progress)
            return _Made(path, *_accepted(path, work.preset, work.video), remuxed=True)
        except TranscodeError as error:
            warnings.append(f"encoded, for a copy of its tracks would not do: {error}")
    path = work.render(source, on_progress)
    if work.video.is_hdr and not work.tone_maps:
        warnings.append(WITHOUT)
    accepted = _accepted(path, work.preset, work.video)
    return _Made(path, *accepted, warnings=tuple(warnings))


def _moved(file: Path, folder: Path) -> Path:
    return file.replace(folder / file.name)


class Work:
    """One transcoding in its working directory."""

    def __init__(
        self,
        directory: Path,
        preset: Preset,
        video: VideoInfo,
        ffmpeg: FfmpegChoice,
        stop: threading.Event,
    ) -> None:
        self.preset = preset
        self.video = video
        self.tone_maps = can_tone_map(ffmpeg)
        self._directory = directory
        self._ffmpeg = ffmpeg.path
        self._stop = stop
        self._name = f"video.{preset.container}"

    def render(self, source: Path, on_progress: Callable[[Progress], None]) -> Path:
        output = _rendition_arguments(self.preset, self.video, self._name, tone_maps=self.tone_maps)
        return self._film(source, output, on_progress)

    def remux(self, source: Path, on_progress: Callable[[Progress], None]) -> Path:
        return self._film(source, _copy_arguments(self.preset, self._name), on_progress)

    def _film(
        self, source: Path, output: list[str], on_progress: Callable[[Progress], None]
    ) -> Path:
        reader = ProgressReader(self.video.duration_seconds, on_progress)
        self._run(source, [*input_arguments(source.absolute()), *output], reader.take)
        return self._directory / self._name

    def take_pictures(self, rendition: Path) -> list[Path]:
        """Make the poster and the thumbnails from the rendition's whole pictures.

        They are 1 in 90 frames, so that is quick, and there is one wherever a thumbnail is due.
        """
        keys_only = ["-skip_frame", "nokey", *input_arguments(Path(rendition.name))]
        self._run(rendition, [*keys_only, *_picture_arguments(self.preset)], lambda _: None)
        poster = self._directory / "poster.jpg"
        thumbnails = sorted(self._directory.glob("thumbnail-*.png"))
        if not poster.exists() or not thumbnails:
            raise TranscodeError("no picture could be taken of the rendition")
        return [poster, *thumbnails]

    def _run(self, source: Path, arguments: list[str], on_line: Callable[[str], None]) -> None:
        length = self.video.duration_seconds or self.preset.max_seconds
        with full_disk_told(self._directory, _most_bytes(self.preset, length)):
            run_ffmpeg(
                self._ffmpeg,
                ["-hide_banner", "-nostdin", "-y", "-loglevel", "error", *arguments],
                self._directory,
                source=source.absolute(),
                seconds=_most_seconds(self.video, length),
                most_bytes=self.preset.max_bytes + SPARE_BYTES,
                on_line=on_line,
                stop=self._stop,
            )


def _most_seconds(video: VideoInfo, length: float) -> float:
    """The wall time that a video is worth: by its length, its pixels and its rate."""
    share = (video.pixels or MOST_PIXELS) / MOST_PIXELS * (video.frame_rate or 30) / 30
    a_second = max(LEAST_SECONDS_A_SECOND, SECONDS_A_SECOND * share)
    return min(MOST_SECONDS, BASE_SECONDS + a_second * length)


def _most_bytes(preset: Preset, seconds: float) -> int:
    """What a rendition of this length takes at the most."""
    bits_a_second = preset.video.bit_rate + preset.audio.bit_rate
    return min(preset.max_bytes, round(seconds * bits_a_second / 8))


def input_arguments(path: Path) -> list[str]:
    """Read a file and nothing that it names: not the network, not the neighbours."""
    return [
        *("-protocol_whitelist", "file", "-format_whitelist", FORMATS),
        *("-max_pixels", str(MOST_PIXELS), "-max_streams", "32"),
        *("-probesize", "10M", "-analyzeduration", "10M"),
        *("-threads", str(THREADS), "-i", f"file:{path}"),
    ]


def _rendition_arguments(
    preset: Preset, video: VideoInfo, name: str, *, tone_maps: bool = True
) -> list[str]:
    tracks = [
        *("-vf", picture_filters(preset, video, tone_maps=tone_maps), "-threads", str(THREADS)),
        *video_arguments(preset.video),
        *("-force_key_frames", f"expr:gte(t,n_forced*{preset.thumbnails.every_seconds})"),
        *("-c:a", ENCODERS[preset.audio.codec], "-b:a", str(preset.audio.bit_rate)),
        *("-ar", str(preset.audio.sample_rate), "-ac", str(preset.audio.channels)),
    ]
    return _output_arguments(preset, tracks, name)


def _copy_arguments(preset: Preset, name: str) -> list[str]:
    """Leave out H.264's notes between the pictures: no player needs them, and some tell places."""
    return _output_arguments(preset, ["-c", "copy", "-bsf:v", "filter_units=remove_types=6"], name)


def _output_arguments(preset: Preset, tracks: list[str], name: str) -> list[str]:
    """Take the first video that is no cover, the first audio if any, and nothing else."""
    return [
        *("-map", "0:V:0", "-map", "0:a:0?", "-sn", "-dn"),
        *("-map_metadata", "-1", "-map_chapters", "-1"),  # places and names stay private
        *tracks,
        *("-t", str(preset.max_seconds), "-fs", str(preset.max_bytes)),
        *(("-movflags", "+faststart") if preset.container == "mp4" else ()),
        *("-progress", "pipe:1", "-nostats", "-stats_period", "0.5"),
        *("-f", preset.container, f"file:{name}"),
    ]


def video_arguments(video: VideoEncoding) -> Iterator[str]:
    named: Mapping[str, int | str | None] = {
        "c:v": ENCODERS[video.codec],
        "profile:v": video.profile,
        "level:v": video.level,
        "crf": video.quality,
        "b:v": video.bit_rate,
        "maxrate": video.bit_rate,
        "bufsize": 2 * video.bit_rate,
        "g": video.gop,
        "refs": video.refs,
        **video.options,
    }
    for name, value in named.items():
        if value is not None:
            yield from (f"-{name}", str(value))


def picture_filters(preset: Preset, video: VideoInfo, *, tone_maps: bool = True) -> str:
    """Shrink the picture, which ffmpeg has turned upright before, and cap the rate.

    Of interlaced frames both fields are taken first: neither may be dropped or shrunk into the
    other. What comes out has the range of colours that players expect. Frames are doubled last:
    two large ones that are hours apart are shrunk once each.
    """
    is_mapped = video.is_hdr and tone_maps
    cap = preset.max_frame_rate
    return ",".join(
        (
            *(["bwdif=mode=send_frame:deint=interlaced"] if video.interlaced else []),
            *_canvas(preset, video, "" if is_mapped else ":out_range=limited"),
            *([tone_map(video)] if is_mapped else []),
            *("format=yuv420p", "setsar=1"),
            f"fps='if(gt(source_fps,0),min({cap},source_fps),{cap})'",
        )
    )


_Sides = tuple[str, str]
_SHOWN: _Sides = ("iw*sar", "ih")
_SHOWN_TURNED: _Sides = ("iw", "ih/sar")  # the coded width, which the pixels' shape stretches


def _shown(video: VideoInfo) -> _Sides:
    """What is shown, in square pixels: as many rows or columns as a film has that is not turned."""
    return _SHOWN_TURNED if video.rotation % 180 else _SHOWN


def _canvas(preset: Preset, video: VideoInfo, scaling: str) -> Iterator[str]:
    """Fit every frame into what the first one takes, for a film may change its size midway.

    A frame of another shape has black beside it or above and below, where that is a pixel at least.
    What could not be probed keeps its own size.
    """
    shown = _shown(video)
    if not video.display_width or not video.display_height:
        yield _fit(preset.max_width, preset.max_height, 2, shown) + scaling
        return
    sides = video.display_width, video.display_height
    shrunk = min(1, preset.max_width / sides[0], preset.max_height / sides[1])
    box = [side * shrunk for side in sides]
    canvas = [max(2, int(side / 2 + 0.01) * 2) for side in box]
    upright = (video.height, video.width) if video.rotation % 180 else (video.width, video.height)
    is_first = f"eq(iw,{upright[0]})*eq(ih,{upright[1]})"
    factor = f"min({box[0]:.6f}/({shown[0]}),{box[1]:.6f}/({shown[1]}))"
    width, height = (
        f"if({is_first}+lt({most:.6f}-{side}*{factor},1),{whole},max(2,trunc({side}*{factor}/2)*2))"
        for most, side, whole in zip(box, shown, canvas, strict=True)
    )
    yield f"scale=w='{width}':h='{height}'{scaling}"
    yield f"pad={canvas[0]}:{canvas[1]}:-1:-1"  # in the middle


def _fit(width: int, height: int, multiple: int, shown: _Sides = _SHOWN) -> str:
    """Shrink what is shown into a box, never enlarge, with sides that are multiples.

    Pixels become square with `setsar=1` behind it. Sides are rounded down, but for the 0.01 that
    1280 * (720 / 1280) = 719.99... needs.
    """
    factor = f"min(1,min({width}/({shown[0]}),{height}/({shown[1]})))"
    sides = (f"max({multiple},trunc({side}*{factor}/{multiple}+0.01)*{multiple})" for side in shown)
    return "scale=w='{}':h='{}'".format(*sides)


def _picture_arguments(preset: Preset) -> list[str]:
    small = preset.thumbnails
    every = f"select='gte(t,{small.every_seconds}*selected_n)'"
    box = _fit(small.width, small.height, 1)
    return [
        *("-map", "0:v", "-vf", f"thumbnail={POSTER_CANDIDATES},format=yuvj420p"),
        *("-frames:v", "1", "-q:v", "3", "-update", "1", "-f", "image2", "file:poster.jpg"),
        *("-map", "0:v", "-vf", f"{every},{box},setsar=1", "-fps_mode", "passthrough"),
        *("-f", "image2", "file:thumbnail-%05d.png"),
    ]


class ProgressReader:
    """Reads what `-progress` writes: lines of key=value, in blocks that end with `progress`."""

    def __init__(self, length: float | None, on_progress: Callable[[Progress], None]) -> None:
        self._length = length
        self._on_progress = on_progress
        self._seconds = 0.0
        self._speed: float | None = None

    def take(self, line: str) -> None:
        key, _, value = line.partition("=")
        match key:
            case "out_time_us":  # N/A at first, and it can go backwards
                self._seconds = max(self._seconds, (_number(value) or 0.0) / 1_000_000)
            case "speed":
                self._speed = _number(value.removesuffix("x"))
            case "progress":
                self._on_progress(self._progress())

    def _progress(self) -> Progress:
        share = min(1.0, self._seconds / self._length) if self._length else None
        percent = None if share is None else round(100 * share, 1)
        return Progress(seconds=self._seconds, percent=percent, speed=self._speed)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _accepted(
    rendition: Path, preset: Preset, source: VideoInfo
) -> tuple[Probe, tuple[Check, ...]]:
    if not rendition.exists():
        raise TranscodeError("the rendition is not there")
    with rendition.open("rb") as file:
        return accept(file, rendition.stat().st_size, preset, source)
