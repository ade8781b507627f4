"""What the templates show: everything is in words, and every link is made, before they see it."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote, urlencode

from ingest_pipeline.api.pages import words
from ingest_pipeline.catalog.model import Outcome, Preview, Report
from ingest_pipeline.media.model import AudioInfo, Frozen, ImageInfo, Kind, Probe, VideoInfo
from ingest_pipeline.steps.catalogue import Card, Search, WholeObject
from ingest_pipeline.steps.history import WAITING, History, VersionStory
from ingest_pipeline.steps.links import content_type

_BUSY = {Outcome.PENDING, Outcome.FAILED, WAITING}  # what changes by itself, soon
_REMOVED = {Outcome.REJECTED, Outcome.DELETED}
_PLAYED_BY_BROWSERS = {"video/mp4", "video/webm", "video/ogg"}


class Moment(Frozen):
    """A time for people, and for machines."""

    text: str
    iso: str

    @classmethod
    def of(cls, when: datetime) -> "Moment":
        """Show a time."""
        return cls(text=words.moment(when), iso=when.isoformat())


class CardView(Frozen):
    """An object in the grid."""

    id: str  # tells cards apart from one look at the page to the next
    bucket: str
    key: str  # as it can be shown
    folder: str
    head: str  # of the name; may be shortened
    tail: str
    href: str
    kind: str
    kind_word: str
    outcome: str
    outcome_word: str
    reason: str | None
    facts: tuple[str, ...]
    picture: str | None
    arrived: Moment | None
    is_busy: bool


class Chip(Frozen):
    """A choice of a filter: a link to the page with it."""

    text: str
    href: str
    is_chosen: bool


class Fact(Frozen):
    """A line of an object's facts."""

    name: str
    value: str


class ReasonView(Frozen):
    """A reason in a sentence, and as the rule has it."""

    sentence: str
    rule: str


class LabelView(Frozen):
    """What is seen on an image."""

    name: str
    percent: float
    parents: str


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
    metadata: tuple[Fact, ...]
    player: Player
    download: str | None
    record: str  # its history as JSON
    is_busy: bool
    can_restore: bool
    can_process: bool


# --- cards ----------------------------------------------------------------------------------------


def object_href(bucket: str, key: str) -> str:
    """The address of an object's page. The key is no path: browsers would resolve dots in it."""
    return f"/catalogue/{bucket}?{urlencode({'key': key}, quote_via=quote)}"


def card_view(card: Card) -> CardView:
    """Show a card."""
    report = card.report
    kind = report.probe.kind if report.probe else Kind.OTHER
    folder, head, tail = words.name_parts(report.key)
    preview = card.preview
    return CardView(
        id=f"{report.uri}#{report.version}",
        bucket=report.bucket,
        key=words.visible(report.key),
        folder=folder,
        head=head,
        tail=tail,
        href=object_href(report.bucket, report.key),
        kind=kind.value,
        kind_word=words.KINDS[kind],
        outcome=report.outcome.value,
        outcome_word=words.OUTCOMES[report.outcome],
        reason=_first_reason(report),
        facts=tuple(_card_facts(report)),
        picture=_picture(preview) if preview else None,
        arrived=Moment.of(report.last_modified or report.judged_at),
        is_busy=report.outcome in _BUSY,
    )


def waiting_card(bucket: str, key: str) -> CardView:
    """Show an upload that no run has looked at yet."""
    folder, head, tail = words.name_parts(key)
    return CardView(
        id=f"s3://{bucket}/{key}",
        bucket=bucket,
        key=words.visible(key),
        folder=folder,
        head=head,
        tail=tail,
        href=object_href(bucket, key),
        kind=Kind.OTHER.value,
        kind_word="File",
        outcome=WAITING,
        outcome_word=words.OUTCOMES[WAITING],
        reason=None,
        facts=(),
        picture=None,
        arrived=None,
        is_busy=True,
    )


def _first_reason(report: Report) -> str | None:
    if report.outcome is Outcome.INDEXED or not report.reasons:
        return None
    return words.sentence(report.reasons[0])


def _card_facts(report: Report) -> Iterator[str]:
    probe = report.probe
    if probe and probe.audio:
        yield words.duration(float(probe.audio.duration))
    if probe and probe.video:
        if probe.video.duration_seconds is not None:
            yield words.duration(probe.video.duration_seconds)
        if probe.video.width and probe.video.height:
            yield f"{probe.video.width} x {probe.video.height}"
    if probe and probe.image:
        yield f"{probe.image.width} x {probe.image.height}"
    if report.size is not None:
        yield words.size(report.size)


def _picture(preview: Preview) -> str | None:
    return _picture_href(preview, "preview") if preview.preview_key else None


def _picture_href(preview: Preview, which: str) -> str:
    query = {"key": preview.key, "version": preview.version, "which": which}
    return f"/pictures/{preview.bucket}?{urlencode(query, quote_via=quote)}"


# --- filters --------------------------------------------------------------------------------------


def query_of(search: Search, **changes: str | None) -> str:
    """The address of the catalogue with a search, changed as said."""
    asked = search.model_dump(mode="json", exclude_none=True) | changes
    query = {name: value for name, value in asked.items() if value}
    return f"/?{urlencode(query, quote_via=quote)}" if query else "/"


def kind_chips(search: Search) -> list[Chip]:
    """The choices of a kind."""
    kinds = {"": "Everything", **{k.value: words.KINDS[k] for k in Kind if k is not Kind.EMPTY}}
    return [
        Chip(
            text=text,
            href=query_of(search, kind=kind or None),
            is_chosen=kind == (search.kind or ""),
        )
        for kind, text in kinds.items()
    ]


def outcome_chips(search: Search) -> list[Chip]:
    """The choices of an outcome."""
    shown = (Outcome.INDEXED, Outcome.REJECTED, Outcome.KEPT, Outcome.PENDING, Outcome.DELETED)
    outcomes = {"": "Any outcome", **{each.value: words.OUTCOMES[each] for each in shown}}
    return [
        Chip(
            text=text,
            href=query_of(search, outcome=outcome or None),
            is_chosen=outcome == (search.outcome or ""),
        )
        for outcome, text in outcomes.items()
    ]


# --- one object -----------------------------------------------------------------------------------


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
        versions=tuple(_versions(story)),
        facts=(*_facts(story, report), *(_rendition_facts(whole) if whole else ())),
        labels=tuple(_labels(whole)) if whole else (),
        no_labels=_no_labels(whole) if whole else None,
        metadata=tuple(_metadata(report)) if report else (),
        player=_player(whole) if whole else Player(element="none"),
        download=_content_href(report, "&download=true") if report else None,
        record=f"/object/{story.bucket}/{quote(story.key, safe='')}/history",
        is_busy=story.outcome in _BUSY or bool(whole and _lacks_rendition(whole)),
        can_restore=story.outcome in _REMOVED,
        can_process=standing,
    )


def _versions(story: History) -> Iterator[VersionView]:
    """Every version; an older one that was valid is so no longer."""
    for place, version in enumerate(map(_version, story.history)):
        was_valid = place > 0 and version.outcome == Outcome.INDEXED
        yield version.model_copy(update={"outcome_word": "Was valid"}) if was_valid else version


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


def _facts(story: History, report: Report | None) -> Iterator[Fact]:
    yield Fact(name="Bucket", value=story.bucket)
    if story.report.size is not None:
        yield Fact(
            name="Size", value=f"{words.size(story.report.size)} ({story.report.size:,} bytes)"
        )
    if story.report.last_modified:
        yield Fact(name="Arrived", value=f"{words.moment(story.report.last_modified)} UTC")
    probe = report.probe if report else None
    if probe is None:
        return
    if probe.container:
        yield Fact(name="Format", value=probe.container)
    if probe.codec:
        yield Fact(name="Coding", value=probe.codec)
    yield from _content_facts(probe)
    for warning in probe.warnings:
        yield Fact(name="Note", value=words.visible(warning))


def _content_facts(probe: Probe) -> Iterator[Fact]:
    if probe.audio:
        yield from _audio_facts(probe.audio)
    if probe.video:
        yield from _video_facts(probe.video)
    if probe.image:
        yield from _image_facts(probe.image)


def _audio_facts(audio: AudioInfo) -> Iterator[Fact]:
    yield Fact(name="Length", value=words.duration(float(audio.duration)))
    yield Fact(name="Sample rate", value=f"{audio.sample_rate / 1000:g} kHz")
    yield Fact(name="Bits per sample", value=str(audio.bits_per_sample))
    yield Fact(name="Channels", value=_channels(audio.channel_count, audio.channel_layout))
    yield Fact(name="Frames", value=f"{audio.frame_count:,}")


def _video_facts(video: VideoInfo) -> Iterator[Fact]:
    if video.duration_seconds is not None:
        yield Fact(name="Length", value=words.duration(video.duration_seconds))
    if video.width and video.height:
        yield Fact(name="Picture", value=f"{video.width} x {video.height} pixels")
    if video.frame_rate:
        yield Fact(name="Frame rate", value=f"{video.frame_rate:g} a second")
    if video.audio_codec:
        yield Fact(name="Sound", value=video.audio_codec)


def _image_facts(image: ImageInfo) -> Iterator[Fact]:
    yield Fact(name="Picture", value=f"{image.width} x {image.height} pixels")
    yield Fact(name="Colours", value=image.mode)
    if image.frames > 1:
        yield Fact(name="Frames", value=f"{image.frames:,}")
    if image.captured_at:
        yield Fact(name="Taken", value=words.visible(image.captured_at))
    if image.camera:
        yield Fact(name="Camera", value=words.visible(image.camera))


def _channels(count: int, layout: tuple[str, ...] | None) -> str:
    return f"{count} ({', '.join(layout)})" if layout else str(count)


def _metadata(report: Report) -> Iterator[Fact]:
    """What the file says of itself, nested values as their path."""
    if report.probe:
        yield from _flat(report.probe.metadata, ())


def _flat(value: object, path: tuple[str, ...]) -> Iterator[Fact]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, (*path, str(name)))
    elif isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from _flat(each, (*path, str(number)))
    elif value not in {None, ""}:
        yield Fact(name=words.visible(" / ".join(path)), value=words.visible(str(value)))


def _labels(whole: WholeObject) -> Iterator[LabelView]:
    for row in whole.labels:
        for label in row.labels:
            yield LabelView(
                name=label.name,
                percent=round(label.confidence, 1),
                parents=", ".join(label.parents),
            )


def _no_labels(whole: WholeObject) -> str | None:
    if not whole.labels or any(row.labels for row in whole.labels):
        return None
    row = whole.labels[0]
    if row.reason:
        return words.sentence(row.reason)
    return f"Nothing that is certain by {row.min_confidence:g} % or more."


def _rendition_facts(whole: WholeObject) -> Iterator[Fact]:
    for each in whole.renditions:
        value = f"{each.width} x {each.height} pixels, {words.size(each.size)}"
        yield Fact(name=f"Rendition {each.preset}", value=value)


def _player(whole: WholeObject) -> Player:
    report, preview = whole.report, whole.preview
    kind = report.probe.kind if report.probe else None
    picture = _picture(preview) if preview else None
    strip = _picture_href(preview, "strip") if preview and preview.strip_key else None
    measures = (preview.width, preview.height) if preview else (None, None)
    element, source, type_ = _source(whole, kind)
    return Player(
        element=element,
        source=source,
        content_type=type_,
        picture=picture,
        strip=strip,
        no_picture=words.sentence(preview.reason) if preview and preview.reason else None,
        width=measures[0],
        height=measures[1],
    )


def _source(whole: WholeObject, kind: Kind | None) -> tuple[str, str | None, str | None]:
    """The element, what it plays and of which type; a video plays its rendition."""
    own_type = content_type(whole.report)
    match kind:
        case Kind.VIDEO if whole.renditions:
            rendition = whole.renditions[0]
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
