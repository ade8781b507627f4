"""Reads the metadata of WAV files with wavinfo, in a process of its own with narrow limits.

Never imported by the service: it knows wavinfo and the child's side of the sandbox alone. A
request is a section's name and a WAV; the answer is `{"value": ...}` or `{"error": "..."}`.
"""

import io
import math
from collections.abc import Callable, Mapping

from wavinfo import WavInfoReader

from ingest_pipeline.media.sandbox.worker_child import Answer, Request, in_words, serve

STRING_CHARS = 4_096
LIST_ITEMS = 500

# UTF-8 is what today's writers put in, Latin-1 takes any byte.
_ENCODINGS = ("utf-8", "latin_1")


def main() -> None:
    """Answer requests until the input ends."""
    serve(read_section)


def read_section(request: Request) -> Answer:
    """Read one section of a WAV; whatever wavinfo raises is an answer too."""
    try:
        return Answer({"value": _plain(SECTIONS[request.facts["section"]](request.body))})
    except Exception as error:  # noqa: BLE001 - wavinfo raises anything: assertions, struct errors, ...
        return Answer({"error": in_words(error)[:200]})


def _open(wav: bytes) -> WavInfoReader:
    for encoding in _ENCODINGS[:-1]:
        try:
            return WavInfoReader(io.BytesIO(wav), encoding, encoding)
        except UnicodeDecodeError:
            continue
    return WavInfoReader(io.BytesIO(wav), _ENCODINGS[-1], _ENCODINGS[-1])


def _info(wav: bytes) -> object:
    info = _open(wav).info
    return info.to_dict() if info else {}


def _bext(wav: bytes) -> object:
    return _open(wav).bext.to_dict()


_IXML_FIELDS = ("project", "scene", "take", "tape", "family_uid", "family_name")


def _ixml(wav: bytes) -> object:
    """Read the fields one by one: `to_dict` fails where there is no TRACK_LIST."""
    ixml = _open(wav).ixml
    fields: dict[str, object] = {name: getattr(ixml, name) for name in _IXML_FIELDS}
    if ixml.raw_xml.find("./TRACK_LIST") is not None:
        fields["track_list"] = [track._asdict() for track in ixml.track_list]
    return fields


def _cues(wav: bytes) -> object:
    """Join cues, labels and notes by name: `to_dict` searches all labels for every cue."""
    cues = _open(wav).cues
    labels = {label.name: label.text for label in cues.labels}
    notes = {note.name: note.text for note in cues.notes}
    lengths = {region.name: region.length for region in cues.ranges}
    return [
        {
            "name": cue.name,
            "frame": cue.sample_offset,
            "label": labels.get(cue.name),
            "note": notes.get(cue.name),
            "length": lengths.get(cue.name),
        }
        for cue in cues.cues
    ]


def _smpl(wav: bytes) -> object:
    fields = _open(wav).smpl.to_dict()
    return {"manufacturer": fields.pop("manufactuer"), **fields}  # wavinfo's own spelling


SECTIONS: Mapping[str, Callable[[bytes], object]] = {
    "info": _info,
    "bext": _bext,
    "ixml": _ixml,
    "cues": _cues,
    "smpl": _smpl,
}


def _plain(value: object) -> object:
    """Make a value fit for JSON: bytes in hex, long ones cut, what is absent or empty left out."""
    match value:
        case dict():
            fields = {str(key): _plain(item) for key, item in value.items()}
            return {key: item for key, item in fields.items() if item not in (None, "", [], {})}
        case list():
            return [_plain(item) for item in value[:LIST_ITEMS]]
        case bytes():
            return value.rstrip(b"\x00").hex()[:STRING_CHARS]
        case str():
            return value[:STRING_CHARS]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


if __name__ == "__main__":
    main()
