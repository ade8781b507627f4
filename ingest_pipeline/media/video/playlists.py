"""Reads the playlists of a ladder, HLS and DASH, and compares them with the files."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest_pipeline.errors import RefusedError

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_RANGE = re.compile(r"(\d+)(?:@(\d+))?")
_NAME = re.compile(r"[a-z0-9_-]+\.[a-z0-9]+")
_BASE_URL = re.compile(r"<BaseURL>([^<]*)</BaseURL>")
_REPRESENTATION = re.compile(r"<Representation .*?</Representation>", re.DOTALL)
_MEDIA_RANGE = re.compile(r'<SegmentURL mediaRange="(\d+)-(\d+)"')


class PlaylistError(RefusedError):
    """A playlist cannot be read, or names what is not there."""


@dataclass(frozen=True)
class Segment:
    """A part of a file that plays by itself."""

    file: str
    begin: int  # bytes
    end: int  # behind the last
    seconds: float


@dataclass(frozen=True)
class Stream:
    """What the playlists tell of a ladder."""

    playlists: tuple[str, ...]  # that the master names: rungs, then sound
    rungs: int
    sounds: int
    seconds: float  # of the longest
    bit_rate: int  # bits a second of the largest rung with its sound, as the master tells players
    files: tuple[str, ...]  # that hold the segments, in the playlists' order


def read_stream(directory: Path, master: str, manifest: str) -> Stream:
    """Read all playlists in a directory: every segment that they name is there, the same in both.

    Raises:
        PlaylistError: something is not as it should be.
    """
    read = partial(_text, directory)
    sizes = {path.name: path.stat().st_size for path in directory.iterdir() if path.is_file()}
    stream, segments = _read_hls(read, sizes, master)
    wanted = sorted((each.file, each.begin, each.end) for each in segments)
    if sorted(_dash_segments(read(manifest))) != wanted:
        raise PlaylistError(f"{manifest} names other segments than the playlists of {master}")
    return stream


def read_hls(read: Callable[[str], str], sizes: Mapping[str, int], master: str) -> Stream:
    """Read the playlists of HLS alone: every segment that they name is there.

    `read` gives the text of a playlist beside the master, `sizes` the bytes of each file there.

    Raises:
        PlaylistError: something is not as it should be.
        Any error of `read` passes through.
    """
    return _read_hls(read, sizes, master)[0]


def _read_hls(
    read: Callable[[str], str], sizes: Mapping[str, int], master: str
) -> tuple[Stream, list[Segment]]:
    names, sounds, rates = _read_master(_read(read, sizes, master))
    media = {name: read_media(_read(read, sizes, name)) for name in (*names, *sounds)}
    for name, segments in media.items():
        _check_files(sizes, name, segments)
    lengths = [sum(each.seconds for each in segments) for segments in media.values()]
    all_segments = [each for segments in media.values() for each in segments]
    stream = Stream(
        playlists=tuple(media),
        rungs=len(names),
        sounds=len(sounds),
        seconds=round(max(lengths), 3),
        bit_rate=max(rates),
        files=tuple(dict.fromkeys(each.file for each in all_segments)),
    )
    return stream, all_segments


def _read(read: Callable[[str], str], sizes: Mapping[str, int], name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PlaylistError(f"{name!r} is no name of a file beside it")
    if name not in sizes:
        raise PlaylistError(f"{name} cannot be read: it is not there")
    return read(name)


def _text(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaylistError(f"{name} cannot be read: {error}") from error


def _read_master(text: str) -> tuple[list[str], list[str], list[int]]:
    """The playlists of the rungs, those of the sound, and the rungs' bit rates."""
    lines = _lines(text)
    rungs, sounds, rates = [], [], []
    for place, line in enumerate(lines):
        tag, _, rest = line.partition(":")
        told = {name: value.strip('"') for name, value in _ATTRIBUTE.findall(rest)}
        if tag == "#EXT-X-STREAM-INF":
            rungs.append(lines[place + 1] if place + 1 < len(lines) else "")
            rates.append(_number(told.get("BANDWIDTH", "")))
        elif tag == "#EXT-X-MEDIA" and told.get("TYPE") == "AUDIO":
            sounds.append(told.get("URI", ""))
    if not rungs:
        raise PlaylistError("the master names no rung")
    return rungs, sounds, rates


def read_media(text: str) -> list[Segment]:
    """The segments of a playlist that has ended.

    Raises:
        PlaylistError: it is none.
    """
    segments: list[Segment] = []
    seconds, part = 0.0, None
    lines = _lines(text)
    for line in lines:
        tag, _, rest = line.partition(":")
        if tag == "#EXTINF":
            seconds = _seconds(rest.partition(",")[0])
        elif tag == "#EXT-X-BYTERANGE":
            part = _RANGE.fullmatch(rest)
        elif not line.startswith("#"):
            if part is None:
                raise PlaylistError(f"a segment of {line} has no range")
            length, begin = int(part[1]), int(part[2]) if part[2] else _end(segments, line)
            segments.append(Segment(line, begin, begin + length, seconds))
            part = None
    if not segments or lines[-1] != "#EXT-X-ENDLIST":
        raise PlaylistError("a playlist has no segments, or no end")
    return segments


def _end(segments: Sequence[Segment], file: str) -> int:
    """Where a segment begins that tells its length alone: behind the one before it."""
    return segments[-1].end if segments and segments[-1].file == file else 0


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines[:1] != ["#EXTM3U"]:
        raise PlaylistError("a playlist does not begin with #EXTM3U")
    return lines


def _check_files(sizes: Mapping[str, int], playlist: str, segments: Sequence[Segment]) -> None:
    """Every segment lies in its file, one behind the other up to its end."""
    place: dict[str, int] = {}
    for segment in segments:
        if place.setdefault(segment.file, segment.begin) != segment.begin:
            raise PlaylistError(f"{playlist} leaves out a part of {segment.file}")
        place[segment.file] = segment.end
    for file, end in place.items():
        if not _NAME.fullmatch(file) or file not in sizes:
            raise PlaylistError(f"{playlist} names {file}, which is not there")
        if sizes[file] != end:
            raise PlaylistError(f"{file} has {sizes[file]} bytes, its segments end at {end}")


def _dash_segments(text: str) -> Iterator[tuple[str, int, int]]:
    for representation in _REPRESENTATION.findall(text):
        for file in _BASE_URL.findall(representation):
            for first, last in _MEDIA_RANGE.findall(representation):
                yield file, int(first), int(last) + 1


def _number(text: str) -> int:
    if not text.isdecimal():
        raise PlaylistError(f"{text!r} is no number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise PlaylistError(f"{text!r} is no length of a segment") from error
