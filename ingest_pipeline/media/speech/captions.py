"""What is said, as files for others: WebVTT captions and plain text."""

import re
from collections.abc import Iterable

from ingest_pipeline.media.model import Spoken

_SHORTEST = 0.5  # seconds: a caption that is shown for less cannot be read


def webvtt(segments: Iterable[Spoken]) -> str:
    """Captions for a player, in the order of time."""
    cues = (
        f"{_clock(each.start)} --> {_clock(max(each.end, each.start + _SHORTEST))}\n"
        f"{_escaped(each.text)}\n"
        for each in segments
    )
    return "\n".join(("WEBVTT\n", *cues))


def plain_text(segments: Iterable[Spoken]) -> str:
    """A segment a line, each behind the time at which it begins: `1:05  text`."""
    return "".join(f"{short_clock(each.start)}  {each.text}\n" for each in segments)


def short_clock(seconds: float) -> str:
    """A moment of a recording for people: `1:05`, and `1:01:05` behind the first hour."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def _escaped(text: str) -> str:
    """What a cue cannot hold: markup, an arrow, and an empty line, which would end it."""
    words = re.sub(r"\s+", " ", text)
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
