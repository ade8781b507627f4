"""Makes a ladder of a video: the same film in several sizes, of which a player takes what it can.

Each rung, and the sound that they share, is one file in fragments. HLS playlists (`master.m3u8`)
and a DASH manifest (`manifest.mpd`) name the same ranges of bytes of these files as segments, so a
film of four hours has a dozen files and not ten thousand.
"""

import math
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ingest_pipeline.media.model import Probe, VideoInfo
from ingest_pipeline.media.video.checks import DURATION_TOLERANCE_SECONDS, Check, accept
from ingest_pipeline.media.video.ffmpeg import THREADS, TranscodeError
from ingest_pipeline.media.video.playlists import PlaylistError, Stream, read_stream
from ingest_pipeline.media.video.presets import Preset, Rung
from ingest_pipeline.media.video.program import ENCODERS, choose_ffmpeg
from ingest_pipeline.media.video.tone import WITHOUT
from ingest_pipeline.media.video.transcode import (
    POSTER_CANDIDATES,
    Progress,
    ProgressReader,
    Work,
    input_arguments,
    picture_filters,
    refuse,
    video_arguments,
)
from ingest_pipeline.values import Frozen

MASTER = "master.m3u8"
MANIFEST = "manifest.mpd"
POSTER = "poster.jpg"
SPRITE = "storyboard.jpg"
STORYBOARD = "storyboard.vtt"
MOST_PICTURES = 100  # of a storyboard
_COLUMNS = 10
_TIME = 0.001  # seconds; what is shorter is no picture's time


class Ladder(Frozen):
    """A ladder in the folder that was asked for."""

    folder: Path
    files: tuple[str, ...]  # their names; what names the others comes last, the master at the end
    size: int  # bytes of all
    probe: Probe  # of the largest rung
    duration_seconds: float
    bit_rate: int  # bits a second of the largest rung with its sound
    audio_codec: str | None
    checks: tuple[Check, ...]  # that it passed
    warnings: tuple[str, ...] = ()  # what could not be done as well as it might
    seconds: float  # of wall time that it took


def make_ladder(
    source: Path,
    folder: Path,
    preset: Preset,
    video: VideoInfo,
    *,
    on_progress: Callable[[Progress], None],
    stop: threading.Event | None = None,
    ffmpeg: Path | None = None,
) -> Ladder:
    """Make the ladder of `source`, which was probed as `video`, in a new folder within `folder`.

    Arguments and errors are those of `transcode`; on any error nothing is left.
    """
    begun = time.monotonic()
    refuse(preset, video)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        directory = Path(part)
        work = _LadderWork(
            directory, preset, video, choose_ffmpeg(ffmpeg), stop or threading.Event()
        )
        rungs = rung_presets(preset, video)
        work.climb(source, rungs, on_progress)
        stream, probe, checks = _accepted(directory, rungs, preset, video)
        work.take_storyboard(len(rungs), probe, stream.seconds)
        files = _files(directory, stream)
        place = directory.rename(folder / f"ladder-{preset.name.lower()}")
        directory.mkdir()  # for the context manager to remove
    return Ladder(
        folder=place,
        files=files,
        size=sum((place / name).stat().st_size for name in files),
        probe=probe,
        duration_seconds=stream.seconds,
        bit_rate=stream.bit_rate,
        audio_codec=preset.audio.codec if video.audio_streams else None,
        checks=checks,
        warnings=(WITHOUT,) if video.is_hdr and not work.tone_maps else (),
        seconds=round(time.monotonic() - begun, 3),
    )


def rung_presets(preset: Preset, video: VideoInfo) -> list[Preset]:
    """What each rung is as a preset of its own: those that the source fills, the largest first.

    A source smaller than all of them gets one of its own size.
    """
    width, height = video.display_width, video.display_height
    shorter = min(width, height) if width and height else math.inf
    filled = [rung for rung in preset.rungs if rung.side <= shorter] or [preset.rungs[-1]]
    is_upright = bool(width and height and width < height)
    return [_rung_preset(preset, rung, is_upright=is_upright) for rung in filled]


def _rung_preset(preset: Preset, rung: Rung, *, is_upright: bool) -> Preset:
    box = {
        "max_width": min(preset.max_width, rung.side) if is_upright else preset.max_width,
        "max_height": preset.max_height if is_upright else min(preset.max_height, rung.side),
    }
    encoding = preset.video.model_copy(update={"bit_rate": rung.bit_rate})
    return preset.model_copy(update={"video": encoding, **box})


class _LadderWork(Work):
    """One ladder in its working directory."""

    def climb(
        self, source: Path, rungs: Sequence[Preset], on_progress: Callable[[Progress], None]
    ) -> None:
        """Decode once, and encode each rung of it."""
        output = _ladder_arguments(self.preset, rungs, self.video, tone_maps=self.tone_maps)
        reader = ProgressReader(self.video.duration_seconds, on_progress)
        self._run(source, [*input_arguments(source.absolute()), *output], reader.take)
        for playlist in self._directory.glob("*.m3u8"):
            playlist.write_text(_without_dates(playlist.read_text("utf-8")), "utf-8")
        manifest = self._directory / MANIFEST
        manifest.write_text(_with_one_picture(manifest.read_text("utf-8")), "utf-8")

    def take_storyboard(self, rungs: int, largest: Probe, seconds: float) -> None:
        """Take a poster, and small pictures at equal distances in one sprite.

        The poster comes from the largest rung, the others from the smallest, which is soon decoded.
        """
        found = largest.video or VideoInfo()
        board = _Board.of(self.preset, found.width or 1, found.height or 1, seconds)
        poster = [
            *("-map", "0:v", "-vf", f"thumbnail={POSTER_CANDIDATES},format=yuvj420p"),
            *("-frames:v", "1", "-q:v", "3", "-update", "1", "-f", "image2", f"file:{POSTER}"),
        ]
        self._take("0.mp4", poster)
        self._take(f"{rungs - 1}.mp4", board.arguments())
        (self._directory / STORYBOARD).write_text(board.vtt(), "utf-8")

    def _take(self, rung: str, arguments: Sequence[str]) -> None:
        path = self._directory / rung
        keys_only = ["-skip_frame", "nokey", *input_arguments(Path(rung))]
        self._run(path, [*keys_only, *arguments], lambda _: None)


def _ladder_arguments(
    preset: Preset, rungs: Sequence[Preset], video: VideoInfo, *, tone_maps: bool
) -> list[str]:
    """Cut all rungs at the same moments: only there a player can change from one to another."""
    numbers = range(len(rungs))
    has_sound = video.audio_streams > 0
    sets = [f"id={number},streams={number}" for number in range(len(rungs) + has_sound)]
    audio = preset.audio
    sound = [
        *("-map", "0:a:0", "-c:a", ENCODERS[audio.codec], "-b:a", str(audio.bit_rate)),
        *("-ar", str(audio.sample_rate), "-ac", str(audio.channels)),
    ]
    return [
        *("-filter_complex", _graph(rungs, video, tone_maps=tone_maps)),
        *(word for number in numbers for word in ("-map", f"[v{number}]")),
        *(sound if has_sound else ()),
        *("-map_metadata", "-1", "-map_chapters", "-1"),  # places and names stay private
        *("-threads", str(THREADS)),
        *(word for number in numbers for word in _rung_arguments(number, rungs[number])),
        *("-sc_threshold", "0"),
        *("-force_key_frames", f"expr:gte(t,n_forced*{preset.segment_seconds})"),
        *("-t", str(preset.max_seconds)),
        *("-progress", "pipe:1", "-nostats", "-stats_period", "0.5"),
        *("-f", "dash", "-hls_playlist", "1", "-adaptation_sets", " ".join(sets)),
        *("-seg_duration", str(preset.segment_seconds)),
        *("-single_file", "1", "-single_file_name", "$RepresentationID$.mp4"),
        f"file:{MANIFEST}",
    ]


def _graph(rungs: Sequence[Preset], video: VideoInfo, *, tone_maps: bool) -> str:
    numbers = range(len(rungs))
    parts = "".join(f"[s{number}]" for number in numbers)
    filters = [picture_filters(rung, video, tone_maps=tone_maps) for rung in rungs]
    branches = [f"[s{number}]{filters[number]}[v{number}]" for number in numbers]
    return ";".join([f"[0:V:0]split={len(rungs)}{parts}", *branches])


def _rung_arguments(number: int, rung: Preset) -> Iterator[str]:
    """Those of a single picture, each told to belong to this one."""
    words = iter(video_arguments(rung.video))
    for name, value in zip(words, words, strict=True):
        yield from (f"{name.removesuffix(':v')}:v:{number}", value)


def _without_dates(playlist: str) -> str:
    """Leave out when each segment was encoded, which ffmpeg tells as the time of its broadcast."""
    lines = playlist.splitlines()
    kept = (line for line in lines if not line.startswith("#EXT-X-PROGRAM-DATE-TIME"))
    return "\n".join(kept) + "\n"


_NEXT_RUNG = re.compile(
    r'\s*</AdaptationSet>\s*<AdaptationSet [^>]*contentType="video"[^>]*>', re.DOTALL
)


def _with_one_picture(manifest: str) -> str:
    """Put all rungs into the first's set, within which a player changes by itself.

    ffmpeg puts no two pictures into one whose shapes differ by the pixel that rounding takes.
    """
    return _NEXT_RUNG.sub("", manifest)


class _Board(Frozen):
    """The pictures of a storyboard: in rows of ten, one every so many seconds."""

    width: int  # pixels of each
    height: int
    every: int  # seconds
    seconds: float  # of the film

    @classmethod
    def of(cls, preset: Preset, width: int, height: int, seconds: float) -> "_Board":
        """Fit the film's picture into the preset's box, and its length into a hundred pictures."""
        small = preset.thumbnails
        factor = min(1.0, small.width / width, small.height / height)
        return cls(
            width=max(1, round(width * factor)),
            height=max(1, round(height * factor)),
            every=max(small.every_seconds, math.ceil(seconds / MOST_PICTURES)),
            seconds=seconds,
        )

    @property
    def count(self) -> int:
        return max(1, math.ceil((self.seconds - _TIME) / self.every))

    @property
    def columns(self) -> int:
        return min(_COLUMNS, self.count)

    def arguments(self) -> list[str]:
        """Where the pictures end before the sound, the last one stands for those missing."""
        rows = math.ceil(self.count / self.columns)
        chain = (
            f"select='gte(t,{self.every}*selected_n)',scale={self.width}:{self.height},setsar=1,"
            f"tpad=stop={self.count}:stop_mode=clone,tile={self.columns}x{rows},format=yuvj420p"
        )
        return [
            *("-map", "0:v", "-vf", chain, "-fps_mode", "passthrough", "-frames:v", "1"),
            *("-q:v", "5", "-update", "1", "-f", "image2", f"file:{SPRITE}"),
        ]

    def vtt(self) -> str:
        """WebVTT: of each stretch of time the part of the sprite that shows it."""
        return "\n".join(["WEBVTT", *map(self._cue, range(self.count))]) + "\n"

    def _cue(self, number: int) -> str:
        begin = number * self.every
        end = min(begin + self.every, max(self.seconds, begin + _TIME))
        row, column = divmod(number, self.columns)
        part = f"{column * self.width},{row * self.height},{self.width},{self.height}"
        return f"\n{_vtt_time(begin)} --> {_vtt_time(end)}\n{SPRITE}#xywh={part}"


def _vtt_time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


def _accepted(
    directory: Path, rungs: Sequence[Preset], preset: Preset, source: VideoInfo
) -> tuple[Stream, Probe, tuple[Check, ...]]:
    """Probe every rung, and compare the playlists with the files; raises `TranscodeError`."""
    silent = source.model_copy(update={"audio_streams": 0, "duration_seconds": None})
    looked_at = [_probed(directory / f"{n}.mp4", rung, silent) for n, rung in enumerate(rungs)]
    try:
        stream = read_stream(directory, MASTER, MANIFEST)
    except PlaylistError as error:
        raise TranscodeError(f"the ladder is broken: {error}") from error
    sound = 1 if source.audio_streams else 0
    checks = (
        *(check for _, passed in looked_at for check in passed),
        _passed("rungs", stream.rungs, len(rungs), 0),
        _passed("soundtracks", stream.sounds, sound, 0),
        _passed("duration", stream.seconds, source.duration_seconds, DURATION_TOLERANCE_SECONDS),
    )
    size = sum(path.stat().st_size for path in directory.iterdir())
    if size > preset.max_bytes:
        raise TranscodeError(f"{size} bytes, wanted at most {preset.max_bytes}")
    return stream, looked_at[0][0], checks


def _probed(path: Path, rung: Preset, source: VideoInfo) -> tuple[Probe, tuple[Check, ...]]:
    if not path.exists():
        raise TranscodeError("a rung of the ladder is not there")
    with path.open("rb") as file:
        return accept(file, path.stat().st_size, rung, source)


def _passed(name: str, found: float, wanted: float | None, tolerance: float) -> Check:
    check = Check(
        name=name,
        found=found,
        wanted="any" if wanted is None else f"{wanted:g} within {tolerance:g}",
    )
    if wanted is not None and abs(found - wanted) > tolerance:
        raise TranscodeError(f"the ladder is not as wanted: {check}")
    return check


def _files(directory: Path, stream: Stream) -> tuple[str, ...]:
    """All files: who has got one that names others gets those, too."""
    last = (*stream.playlists, STORYBOARD, MANIFEST, MASTER)
    first = sorted(path.name for path in directory.iterdir() if path.name not in last)
    for name in (POSTER, SPRITE):
        if name not in first:
            raise TranscodeError("no picture could be taken of the ladder")
    return (*first, *last)
