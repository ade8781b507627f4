"""What the templates show of a page of objects: cards, and the chips that narrow it."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

from ingest_pipeline.api.pages import words
from ingest_pipeline.api.pages.views import BUSY, Moment, object_href, picture_of
from ingest_pipeline.catalogue.history import (
    WAITING,
)
from ingest_pipeline.catalogue.pages import (
    Card,
)
from ingest_pipeline.catalogue.walk import Search
from ingest_pipeline.media.model import (
    Kind,
)
from ingest_pipeline.records.model import (
    Outcome,
    Report,
)
from ingest_pipeline.values import Frozen


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
        picture=picture_of(preview) if preview else None,
        arrived=Moment.of(report.last_modified or report.judged_at),
        is_busy=report.outcome in BUSY,
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
    if probe and probe.audio and probe.audio.duration is not None:
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
