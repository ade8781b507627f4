"""What the templates show: everything is in words, and every link is made, before they see it."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote, urlencode

from ingest_pipeline.api.pages import words
from ingest_pipeline.api.pages.facts import Fact, facts_of, metadata_facts, rendition_facts
from ingest_pipeline.api.pages.streams import stream_href
from ingest_pipeline.catalogue.history import (
    WAITING,
    History,
    VersionStory,
)
from ingest_pipeline.catalogue.links import content_type
from ingest_pipeline.catalogue.pages import (
    WholeObject,
)
from ingest_pipeline.media.model import (
    Kind,
)
from ingest_pipeline.media.speech.captions import short_clock
from ingest_pipeline.records.model import (
    Outcome,
    Preview,
    Rendition,
    Report,
    Transcript,
)
from ingest_pipeline.values import Frozen

BUSY = {Outcome.PENDING, Outcome.FAILED, Outcome.DELETING, WAITING}  # what changes by itself, soon
_REMOVED = {Outcome.REJECTED, Outcome.DELETED}
_UNSURE = 30  # percent of confidence: less is shown as a guess
_PLAYED_BY_BROWSERS = {"video/mp4", "video/webm", "video/ogg"}


class Moment(Frozen):
    """A time for people, and for machines."""

    text: str
    iso: str

    @classmethod
    def of(cls, when: datetime) -> "Moment":
        """Show a time."""
        return cls(text=words.moment(when), iso=when.isoformat())


class ReasonView(Frozen):
    """A reason in a sentence, and as the rule has it."""

    sentence: str
    rule: str


class LabelView(Frozen):
    """What is seen on an image."""

    name: str
    percent: float
    parents: str


class SaidView(Frozen):
    """A piece of what is said."""

    start: float  # seconds
    clock: str
    text: str
    is_unsure: bool


class TranscriptView(Frozen):
    """What is said in a recording."""

    segments: tuple[SaidView, ...]
    language: str | None
    none: str | None  # why there is no text
    captions: str  # addresses
    vtt: str
    txt: str


class VersionView(Frozen):
    """A version in an object's history."""

    outcome: str
    outcome_word: str
    meaning: str
    reasons: tuple[ReasonView, ...]
    judged: Moment | None
    deleted: Moment | None
    restored: Moment | None
    size: str | None
    version: str | None
    run_url: str | None


class Player(Frozen):
    """What shows or plays an object."""

    element: str  # "audio", "video", "img" or "none"
    source: str | None = None
    content_type: str | None = None
    stream: str | None = None  # the master playlist, where there is a ladder
    manifest: str | None = None  # the same for DASH
    storyboard: str | None = None  # WebVTT
    picture: str | None = None  # waveform, poster or thumbnail
    strip: str | None = None
    no_picture: str | None = None  # why
    width: int | None = None  # of the picture, in pixels
    height: int | None = None


class ObjectView(Frozen):
    """The page of an object."""

    bucket: str
    raw_key: str  # for forms; never shown
    key: str
    name: str  # the key without its folders
    folder: str
    kind_word: str | None
    now: VersionView
    versions: tuple[VersionView, ...]
    facts: tuple[Fact, ...]
    labels: tuple[LabelView, ...]
    no_labels: str | None  # why there are none; None: there are, or nobody looked
    transcript: TranscriptView | None
    metadata: tuple[Fact, ...]
    player: Player
    download: str | None
    record: str  # its history as JSON
    is_busy: bool
    can_restore: bool
    can_process: bool


def object_href(bucket: str, key: str) -> str:
    """The address of an object's page. The key is no path: browsers would resolve dots in it."""
    return f"/catalogue/{bucket}?{urlencode({'key': key}, quote_via=quote)}"


def picture_of(preview: Preview) -> str | None:
    """Our address of a preview's picture."""
    return _picture_href(preview, "preview") if preview.preview_key else None


def _picture_href(preview: Preview, which: str) -> str:
    query = {"key": preview.key, "version": preview.version, "which": which}
    return f"/pictures/{preview.bucket}?{urlencode(query, quote_via=quote)}"


def object_view(story: History, whole: WholeObject | None) -> ObjectView:
    """Show an object's page."""
    report = whole.report if whole else None
    shown = words.visible(story.key)
    folder, name = words.folder_and_name(shown)
    standing = story.outcome not in _REMOVED and bool(story.history)
    return ObjectView(
        bucket=story.bucket,
        raw_key=story.key,
        key=shown,
        name=name,
        folder=folder,
        kind_word=words.KINDS[story.kind] if story.kind else None,
        now=_version(story),
        versions=tuple(map(_version, story.history)),
        facts=(*facts_of(story, report), *(rendition_facts(whole) if whole else ())),
        labels=tuple(_labels(whole)) if whole else (),
        no_labels=_no_labels(whole) if whole else None,
        transcript=_transcript(whole.transcript) if whole and whole.transcript else None,
        metadata=tuple(metadata_facts(report)) if report else (),
        player=_player(whole) if whole else Player(element="none"),
        download=_content_href(report, "&download=true") if report else None,
        record=f"/object/{story.bucket}/{quote(story.key, safe='')}/history",
        is_busy=story.outcome in BUSY or bool(whole and _lacks_rendition(whole)),
        can_restore=story.outcome in _REMOVED,
        can_process=standing,
    )


def _version(story: VersionStory) -> VersionView:
    return VersionView(
        outcome=str(story.outcome),
        outcome_word=words.OUTCOMES[story.outcome],
        meaning=words.MEANINGS[story.outcome],
        reasons=tuple(
            ReasonView(sentence=words.sentence(reason), rule=words.visible(str(reason)))
            for reason in story.reasons
        ),
        judged=Moment.of(story.judged_at) if story.judged_at else None,
        deleted=Moment.of(story.deleted_at) if story.deleted_at else None,
        restored=Moment.of(story.restored_at) if story.restored_at else None,
        size=words.size(story.report.size) if story.report.size is not None else None,
        version=story.version,
        run_url=story.run_url,
    )


def _labels(whole: WholeObject) -> Iterator[LabelView]:
    for row in whole.labels:
        for label in row.labels:
            yield LabelView(
                name=label.name,
                percent=round(label.confidence, 1),
                parents=", ".join(label.parents),
            )


def _transcript(row: Transcript) -> TranscriptView:
    href = _transcript_href(row)
    return TranscriptView(
        segments=tuple(
            SaidView(
                start=each.start,
                clock=short_clock(each.start),
                text=words.visible(each.text),
                is_unsure=each.confidence < _UNSURE,
            )
            for each in row.segments
        ),
        language=row.language,
        none=words.sentence(row.reason) if row.reason else None,
        captions=f"{href}&form=vtt",
        vtt=f"{href}&form=vtt&download=true",
        txt=f"{href}&form=txt&download=true",
    )


def _transcript_href(row: Transcript) -> str:
    query = {"key": row.key, "version": row.version}
    return f"/transcripts/{row.bucket}?{urlencode(query, quote_via=quote)}"


def _no_labels(whole: WholeObject) -> str | None:
    if not whole.labels or any(row.labels for row in whole.labels):
        return None
    row = whole.labels[0]
    if row.reason:
        return words.sentence(row.reason)
    return f"Nothing that is certain by {row.min_confidence:g} % or more."


def _player(whole: WholeObject) -> Player:
    report, preview = whole.report, whole.preview
    kind = report.probe.kind if report.probe else None
    picture = picture_of(preview) if preview else None
    strip = _picture_href(preview, "strip") if preview and preview.strip_key else None
    measures = (preview.width, preview.height) if preview else (None, None)
    element, source, type_ = _source(whole, kind)
    ladder = next((each for each in whole.renditions if each.is_ladder), None)
    return Player(
        element=element,
        source=source,
        content_type=type_,
        stream=_stream_part(ladder, "master.m3u8"),
        manifest=_stream_part(ladder, "manifest.mpd"),
        storyboard=_stream_part(ladder, "storyboard.vtt"),
        picture=picture,
        strip=strip,
        no_picture=words.sentence(preview.reason) if preview and preview.reason else None,
        width=measures[0],
        height=measures[1],
    )


def _stream_part(ladder: Rendition | None, name: str) -> str | None:
    """Where a ladder's file leads, if it has it: those of MediaConvert are HLS alone."""
    return stream_href(ladder, name) if ladder and name in ladder.files else None


def _source(whole: WholeObject, kind: Kind | None) -> tuple[str, str | None, str | None]:
    """The element, what it plays and of which type; a video plays its rendition."""
    own_type = content_type(whole.report)
    match kind:
        case Kind.VIDEO if whole.renditions:
            rendition = min(whole.renditions, key=lambda each: each.is_ladder)
            if rendition.is_ladder:
                return "video", stream_href(rendition, "master.m3u8"), rendition.content_type
            href = _content_href(whole.report, f"&preset={quote(rendition.preset, safe='')}")
            return "video", href, rendition.content_type
        case Kind.VIDEO if own_type in _PLAYED_BY_BROWSERS:
            return "video", _content_href(whole.report), own_type
        case Kind.AUDIO if own_type:
            return "audio", _content_href(whole.report), own_type
        case Kind.IMAGE if own_type:
            return "img", _content_href(whole.report), own_type
        case _:
            return "none", None, None


def _lacks_rendition(whole: WholeObject) -> bool:
    probe = whole.report.probe
    return (
        probe is not None
        and probe.kind is Kind.VIDEO
        and whole.report.outcome is Outcome.INDEXED
        and not whole.report.reasons
        and not whole.renditions
    )


def _content_href(report: Report, more: str = "") -> str:
    query = {"key": report.key, "version": report.version}
    return f"/content/{report.bucket}?{urlencode(query, quote_via=quote)}{more}"
