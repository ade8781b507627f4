"""Reads the playlists of a ladder, HLS and DASH, and compares them with the files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_RANGE = re.compile(r"(\d+)@(\d+)")
_NAME = re.compile(r"[a-z0-9_-]+\.[a-z0-9]+")
_BASE_URL = re.compile(r"<BaseURL>([^<]*)</BaseURL>")
_REPRESENTATION = re.compile(r"<Representation .*?</Representation>", re.DOTALL)
_MEDIA_RANGE = re.compile(r'<SegmentURL mediaRange="(\d+)-(\d+)"')


class PlaylistError(ValueError):
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


def read_stream(directory: Path, master: str, manifest: str) -> Stream:
    """Read all playlists in a directory: every segment that they name is there, the same in both.

    Raises:
        PlaylistError: something is not as it should be.
    """
    names, sounds, rates = _read_master(_text(directory, master))
    media = {name: read_media(_text(directory, name)) for name in (*names, *sounds)}
    for name, segments in media.items():
        _check_files(directory, name, segments)
    wanted = sorted((s.file, s.begin, s.end) for each in media.values() for s in each)
    if sorted(_dash_segments(_text(directory, manifest))) != wanted:
        raise PlaylistError(f"{manifest} names other segments than the playlists of {master}")
    lengths = [sum(each.seconds for each in segments) for segments in media.values()]
    return Stream(
        playlists=tuple(media),
        rungs=len(names),
        sounds=len(sounds),
        seconds=round(max(lengths), 3),
        bit_rate=max(rates),
    )


def _text(directory: Path, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PlaylistError(f"{name!r} is no name of a file beside it")
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
            length, begin = int(part[1]), int(part[2])
            segments.append(Segment(line, begin, begin + length, seconds))
            part = None
    if not segments or lines[-1] != "#EXT-X-ENDLIST":
        raise PlaylistError("a playlist has no segments, or no end")
    return segments


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines[:1] != ["#EXTM3U"]:
        raise PlaylistError("a playlist does not begin with #EXTM3U")
    return lines


def _check_files(directory: Path, playlist: str, segments: Sequence[Segment]) -> None:
    """Every segment lies in its file, one behind the other up to its end."""
    place: dict[str, int] = {}
    for segment in segments:
        if place.setdefault(segment.file, segment.begin) != segment.begin:
            raise PlaylistError(f"{playlist} leaves out a part of {segment.file}")
        place[segment.file] = segment.end
    for file, end in place.items():
        path = directory / file
        if not _NAME.fullmatch(file) or not path.is_file():
            raise PlaylistError(f"{playlist} names {file}, which is not there")
        if path.stat().st_size != end:
            raise PlaylistError(
                f"{file} has {path.stat().st_size} bytes, its segments end at {end}"
            )


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
