"""What people read: reasons as sentences, sizes, times and names in a form that fits."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from ingest_pipeline.catalogue.history import (
    UNKNOWN,
    WAITING,
)
from ingest_pipeline.media.model import Kind, Reason
from ingest_pipeline.records.model import Outcome

OUTCOMES: dict[str, str] = {
    Outcome.INDEXED: "Valid",
    Outcome.REJECTED: "Refused",
    Outcome.KEPT: "Kept",
    Outcome.PENDING: "In progress",
    Outcome.FAILED: "Trying again",
    Outcome.SUPERSEDED: "Replaced",
    Outcome.DELETING: "Deleting",
    Outcome.DELETED: "Deleted",
    WAITING: "Waiting",
    UNKNOWN: "Unknown",
}
MEANINGS: dict[str, str] = {
    Outcome.INDEXED: "It meets every rule of its bucket and is listed for clients.",
    Outcome.REJECTED: "It broke a rule of its bucket. It can be brought back for 30 days.",
    Outcome.KEPT: "It was left where it is, and is not listed for clients.",
    Outcome.PENDING: "A run is at work on it.",
    Outcome.FAILED: "It could not be read so far; it is tried again by itself.",
    Outcome.SUPERSEDED: "A newer version took its place.",
    Outcome.DELETING: "Its deletion was asked for, and is carried out within seconds.",
    Outcome.DELETED: "It was deleted. It can be brought back for 30 days.",
    WAITING: "It has arrived, and is looked at within seconds.",
    UNKNOWN: "Nothing is on record under this name, and nothing is in the bucket.",
}
KINDS: dict[str, str] = {
    Kind.AUDIO: "Audio",
    Kind.VIDEO: "Video",
    Kind.IMAGE: "Image",
    Kind.OTHER: "Other",
    Kind.EMPTY: "Empty",
}
_TAIL = 9  # characters of a long name's end, which often tells more than its middle
_LONG = 14
_JOINERS = "\u200c\u200d"  # invisible, and part of many emoji and scripts
_Sentence = Callable[[str, str], str]


def sentence(reason: Reason) -> str:
    """A reason as people would say it: `Sample rate is 44.1 kHz; this bucket takes 48 kHz`, dot."""
    found, wanted = str(reason.found), str(reason.wanted)
    if known := _SENTENCES.get(reason.rule):
        return known(found, wanted)
    rule = reason.rule.replace("_", " ").capitalize()
    return f"{rule}: found {found}, wanted {wanted}."


def _value(what: str, shown: Callable[[str], str] = str) -> _Sentence:
    return lambda found, wanted: f"{what} is {shown(found)}; this bucket takes {shown(wanted)}."


def _count(what: str) -> _Sentence:
    def said(found: str, wanted: str) -> str:
        return f"It has {'no' if found == 'none' else found} {what}; this bucket takes {wanted}."

    return said


def _broken(what: str) -> _Sentence:
    return lambda found, wanted: f"{what}: found {found}, wanted {wanted}."


def _kind(found: str, wanted: str) -> str:
    kind, _, container = found.partition(" (")
    of = f" ({container}" if container else ""
    what = "a file of another kind" if kind == Kind.OTHER else _with_article(kind)
    return f"This is {what}{of}; this bucket takes {wanted}."


def _with_article(noun: str) -> str:
    return f"an {noun} file" if noun[:1] in "aeiou" else f"a {noun} file"


def _has_video(found: str, _wanted: str) -> str:
    if found == "true":
        return "It has a moving picture; this bucket takes sound only."
    return "There is no moving picture in it; this bucket takes videos."


def _size(found: str, wanted: str) -> str:
    if found == "0":
        return "The file is empty."
    return f"It has {_bytes(found)}; this bucket takes {_bytes(wanted)}."


def _bytes(text: str) -> str:
    return _each_number(text.removesuffix(" bytes"), lambda count: size(int(count)))


def _hertz(text: str) -> str:
    return _each_number(text, lambda hertz: f"{hertz / 1000:g}") + " kHz"


def _in(unit: str) -> Callable[[str], str]:
    return lambda text: text if text == "none" else f"{text} {unit}"


def _seconds(text: str) -> str:
    return _each_number(text, duration)


def _megapixels(text: str) -> str:
    return _each_number(text, lambda pixels: f"{pixels / 1e6:.1f}") + " megapixels"


def _each_number(text: str, shown: Callable[[float], str]) -> str:
    return re.sub(r"\d+(\.\d+)?", lambda number: shown(float(number[0])), text)


_SENTENCES: dict[str, _Sentence] = {
    "sample_rate": _value("Sample rate", _hertz),
    "bits_per_sample": _count("bits per sample"),
    "valid_bits": _count("valid bits per sample"),
    "channel_count": _count("channels"),
    "frame_count": _count("sample frames"),
    "sample_format": _value("Sample format"),
    "codec": _value("Coding"),
    "container": _value("File format"),
    "video_codec": _value("Video coding"),
    "audio_codec": _value("Audio coding"),
    "duration_seconds": _value("Length", _seconds),
    "integrated_loudness": _value("Loudness", _in("LUFS")),
    "true_peak": _value("True peak", _in("dBTP")),
    "clipped_samples": _count("clipped samples"),
    "leading_silence_seconds": _value("Silence at the start", _in("s")),
    "trailing_silence_seconds": _value("Silence at the end", _in("s")),
    "dc_offset": _value("DC offset", _in("of full scale")),
    "measurable": _broken("The sound is damaged and cannot be measured"),
    "width": _value("Width in pixels"),
    "height": _value("Height in pixels"),
    "pixels": _value("Picture size", _megapixels),
    "frame_rate": _value("Frame rate"),
    "has_video": _has_video,
    "kind": _kind,
    "size": _size,
    "complete": _broken("Part of the file is missing; the upload was probably cut off"),
    "decodable": _broken("The file is damaged and cannot be opened"),
    "encrypted": lambda found, _wanted: f"It is encrypted ({found}) and plays with a key only.",
    "header": _broken("The beginning of the file is damaged"),
    "form": _broken("The file says it is a WAV and is none"),
    "fmt": _broken("The description of the audio is damaged"),
    "data": _broken("There is no sound in it"),
    "ds64": _broken("The file does not say how long it is"),
    "sizes": _broken("The sizes in the file fit nowhere"),
    "chunks": _broken("The file is in too many pieces"),
    "block_align": _broken("The description of the audio contradicts itself"),
    "streams": lambda _found, _wanted: "There is neither picture nor sound in it.",
    "source": lambda found, _wanted: f"No rules are written for the bucket {found}.",
    "storage_class": lambda found, _wanted: (
        f"It lies in an archive ({found}), which S3 opens only hours after it was asked to."
    ),
    "silence": lambda _found, _wanted: "There is nothing but silence in it.",
    "speech": lambda found, _wanted: f"Nothing was understood: {found} in it.",
    "length": lambda found, wanted: f"It was not listened to: {found}, {wanted}.",
    "probe": lambda found, _wanted: f"Files of this kind ({found}) are not looked into yet.",
    "readable": lambda found, _wanted: f"It could not be read: {found}",
    "deletable": lambda found, _wanted: f"It could not be taken out of its bucket: {found}",
    "previewable": lambda found, _wanted: f"No picture could be made of it: {found}",
    "transcodable": lambda found, _wanted: f"No rendition could be made of it: {found}",
    "present": lambda found, _wanted: f"{found[:1].upper()}{found[1:]}.",
    "examined": lambda found, _wanted: f"{found[:1].upper()}{found[1:]}.",
}


def size(count: int) -> str:
    """Bytes: `999 bytes`, `17.0 MB`."""
    if count < 1000:  # noqa: PLR2004 - what a kilobyte is
        return f"{count} bytes" if count != 1 else "1 byte"
    number, unit = float(count), ""
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 - the last one stays
        number /= 1000
        if number < 999.5:  # noqa: PLR2004 - what is shown as 1000
            break
    return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"  # noqa: PLR2004


def duration(seconds: float) -> str:
    """A length: `0.4 s`, `1:05`, `2:03:04`."""
    if seconds < 10:  # noqa: PLR2004 - short ones with a tenth
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(when: datetime) -> str:
    """A time in UTC: `24 Nov 2026, 14:35`."""
    at = when.astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M}"


def visible(text: str) -> str:
    """Text without characters that have no picture: they would hide, or turn other text around."""
    return "".join(each if each.isprintable() or each in _JOINERS else "�" for each in text)


def folder_and_name(key: str) -> tuple[str, str]:
    """A key in two parts; of one that ends with a slash the last folder is the name."""
    folder, _, name = key.rpartition("/")
    return (folder, name) if name else ("", key)


def name_parts(key: str) -> tuple[str, str, str]:
    """The folder, and the name in two parts: the first may be shortened where room is scarce."""
    folder, name = folder_and_name(visible(key))
    if len(name) <= _LONG:
        return folder, name, ""
    return folder, name[:-_TAIL], name[-_TAIL:]
