"""What the catalogue shows: pages of cards, newest first, and everything about one object.

A page is found by walking the days of arrival backwards and asking for each day's rows, so it costs
the same however many objects there are. What a search does not match is left out by DynamoDB; one
that matches little ends after so many calls, and says how far back it looked.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Annotated, Generic, NamedTuple

from pydantic import Field, TypeAdapter

from ingest_pipeline.aws.tables import InvalidCursorError, Page, Tables, cursor_behind
from ingest_pipeline.catalog.model import (
    Asset,
    ImageLabels,
    Outcome,
    Preview,
    Rendition,
    Report,
    object_uri,
)
from ingest_pipeline.catalog.tables import (
    ARRIVAL_DAYS,
    ASSETS,
    BY_DAY,
    DAYS,
    IMAGE_LABELS,
    IMAGE_LABELS_BY_OBJECT,
    PREVIEWS,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    REPORTS,
    REPORTS_BY_OBJECT,
    Condition,
    Row,
    Table,
    report_key,
)
from ingest_pipeline.media.model import Frozen, Kind

PAGE = 48  # cards: whole rows of 2, 3, 4 and 6
_CALLS = 30  # that look for the rows of a page
_FEW_READ, _MANY_READ, _MOST_READ = 100, 400, 1000  # rows of a call: more where few match
_COUNTED = 500  # of today's newest objects
_HIDDEN = (Outcome.DELETED, Outcome.SUPERSEDED)  # unless asked for
_LISTING = "all"


class Search(Frozen):
    """What a page shall show; what is left out matches everything."""

    name: str = ""  # a part of the key, in any case
    label: str = ""  # a part of a word for what is seen on an image, in any case
    kind: Kind | None = None
    outcome: Outcome | None = None  # None: all but what is deleted or has a newer version
    first: date | None = None  # days of arrival, in UTC
    last: date | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether many objects of a day may not match."""
        return bool(self.name or self.label or self.kind or self.outcome)

    def fits(self, report: Report) -> bool:
        """Whether a report is looked for, as far as it can tell by itself."""
        kind = report.probe.kind if report.probe else None
        return (
            self.name.casefold() in report.key.casefold()
            and self.kind in {None, kind}
            and (report.outcome not in _HIDDEN if not self.outcome else True)
            and self.outcome in {None, report.outcome}
        )


class Card(Frozen):
    """An object on a page: its newest version, and its picture if there is one."""

    report: Report
    preview: Preview | None = None


class CataloguePage(Frozen):
    """Cards, and where the next page starts; None when this was the last."""

    cards: tuple[Card, ...]
    cursor: str | None = None
    searched_to: str | None = None  # the day at which the search paused, with little or nothing


class Today(Frozen):
    """What became of the objects that arrived today."""

    counts: dict[Outcome, int]
    is_complete: bool  # False: there are more, older ones


class WholeObject(Frozen):
    """Everything on record of a version that a page cannot tell from its story."""

    report: Report
    preview: Preview | None
    renditions: tuple[Rendition, ...]
    labels: tuple[ImageLabels, ...]  # by model


@dataclass(frozen=True)
class Catalogue:
    """Finds what the catalogue shows."""

    tables: Tables

    def page(self, search: Search, cursor: str | None = None) -> CataloguePage:
        """Up to `PAGE` cards from where `cursor` points, one a key.

        Newest first; those found by a label by the day of their arrival.

        Raises:
            InvalidCursorError: the cursor is none that a page gave.
        """
        walk = self._walk(search, _decoded(cursor) if cursor else None)
        cards: dict[str, Report] = {}
        while len(cards) < PAGE and (found := walk.take(PAGE - len(cards))):
            for report in self._standing(found):
                cards.setdefault(report.uri, report)
        place, is_spent = walk.place, walk.is_spent
        if len(cards) == PAGE and not walk.take(1):  # nothing follows, as far as can be seen
            place = walk.place
        return CataloguePage(
            cards=tuple(self._with_previews(cards.values())),
            cursor=_encoded(place) if place else None,
            searched_to=place.day if place and is_spent else None,
        )

    def upload(self, bucket: str, key: str, etag: str) -> Card | None:
        """The version of a key that has this content; None: no run has looked at it yet."""
        reports = self.tables.query(REPORTS, REPORTS_BY_OBJECT, object_uri(bucket, key))
        mine = [report for report in reports if report.etag == etag]
        if not mine:
            return None
        newest = max(mine, key=lambda report: report.judged_at)
        return next(self._with_previews([newest]))

    def whole(self, bucket: str, key: str, version: str) -> WholeObject | None:
        """Everything on record of a version; None: it has no report."""
        uri = object_uri(bucket, key)
        report = self.tables.get(REPORTS, report_key(uri, version))
        if report is None:
            return None
        renditions = self.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, uri)
        labels = self.tables.query(IMAGE_LABELS, IMAGE_LABELS_BY_OBJECT, uri)
        return WholeObject(
            report=report,
            preview=self.tables.get(PREVIEWS, report_key(uri, version)),
            renditions=tuple(each for each in renditions if each.version == version),
            labels=tuple(each for each in labels if each.version == version),
        )

    def today(self) -> Today:
        """Count by outcome what arrived today, the newest 500 at most."""
        page = self.tables.page(REPORTS, BY_DAY, _today(), limit=_COUNTED, newest_first=True)
        counts = dict.fromkeys(Outcome, 0)
        for report in page.rows:
            counts[report.outcome] += 1
        return Today(counts=counts, is_complete=page.cursor is None)

    def _walk(self, search: Search, place: "_Place | None") -> "_Walk[Report] | _LabelledWalk":
        days = self._days(search, place.day if place else None)
        start = [_Place(day, None) for day in days]
        if place and days[:1] == [place.day]:
            start[0] = place
        if not search.label:
            limit = _MANY_READ if search.is_narrow else _FEW_READ
            wanted = _condition(search)
            return _Walk(self.tables, REPORTS, _place_of_report, wanted, start=start, limit=limit)
        shows = _shows(search.label)
        labels = _Walk(
            self.tables, IMAGE_LABELS, _place_of_labels, shows, start=start, limit=_MANY_READ
        )
        return _LabelledWalk(self.tables, labels, search)

    def _days(self, search: Search, last: str | None) -> list[str]:
        """Days on which anything arrived, newest first: one more than there are calls.

        Today is among them whether or not it is on record: a run writes it down at its end.
        """
        first = (search.first or date.min).isoformat()
        latest = min(last or _FAR, (search.last or date.max).isoformat())
        if first > latest:
            return []
        within = Condition(
            "#day BETWEEN :first AND :last", {"#day": "day"}, {":first": first, ":last": latest}
        )
        page = self.tables.page(
            DAYS, ARRIVAL_DAYS, _LISTING, limit=_CALLS + 1, newest_first=True, within=within
        )
        days = {row.day for row in page.rows}
        if first <= _today() <= latest:
            days.add(_today())
        return sorted(days, reverse=True)

    def _standing(self, reports: Iterable[Report]) -> Iterator[Report]:
        """Without the versions of keys at which a newer one was seen since."""
        reports = list(reports)
        keys = [{"bucket": report.bucket, "file": report.key} for report in reports]
        seen = {
            object_uri(asset.bucket, asset.file): asset
            for asset in self.tables.get_many(ASSETS, keys)
        }
        return (report for report in reports if not _is_older(report, seen.get(report.uri)))

    def _with_previews(self, reports: Iterable[Report]) -> Iterator[Card]:
        reports = list(reports)
        keys = [report_key(report.uri, report.version) for report in reports]
        previews = {(each.uri, each.version): each for each in self.tables.get_many(PREVIEWS, keys)}
        return (
            Card(report=report, preview=previews.get((report.uri, report.version)))
            for report in reports
        )


_FAR = date.max.isoformat()


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def _is_older(report: Report, seen: Asset | None) -> bool:
    """The index tells which version was seen last at a key, also where it is not a valid one."""
    if seen is None or seen.version == report.version:
        return False
    return seen.judged_at >= report.judged_at


# --- conditions -----------------------------------------------------------------------------------


def _condition(search: Search) -> Condition:
    """What DynamoDB leaves out by itself."""
    parts: list[str] = []
    names = {"#outcome": "outcome"}
    values: dict[str, str] = {}
    if search.outcome:
        parts.append("#outcome = :outcome")
        values[":outcome"] = search.outcome.value
    else:
        parts.append("NOT #outcome IN (:deleted, :superseded)")
        values |= {":deleted": Outcome.DELETED.value, ":superseded": Outcome.SUPERSEDED.value}
    if search.name:
        parts.append("contains(#name, :name)")
        names["#name"] = "name"
        values[":name"] = search.name.casefold()
    if search.kind:
        parts.append("#probe.#kind = :kind")
        names |= {"#probe": "probe", "#kind": "kind"}
        values[":kind"] = search.kind.value
    return Condition(" AND ".join(parts), names, values)


def _shows(label: str) -> Condition:
    return Condition("contains(#words, :label)", {"#words": "words"}, {":label": label.casefold()})


# --- walking --------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where a walk goes on: at the start of a day, or behind a row of it."""

    day: str
    cursor: str | None


class _Walk(Generic[Row]):
    """The rows of a table that meet a condition, by day of arrival, in so many calls at most."""

    def __init__(
        self,
        tables: Tables,
        table: Table[Row],
        place_of: Callable[[Row], Mapping[str, str]],
        condition: Condition,
        *,
        start: list[_Place],
        limit: int,
    ) -> None:
        self._tables = tables
        self._table = table
        self._place_of = place_of
        self._condition = condition
        self._rows = self._walk(start, limit)
        self.place = start[0] if start else None  # where to go on; None at the end
        self.is_spent = False  # whether it ended for having made all its calls

    def take(self, count: int) -> list[Row]:
        """The next rows; none at the end."""
        return list(islice(self._rows, count))

    def _walk(self, start: list[_Place], limit: int) -> Iterator[Row]:
        calls = 0
        for (day, cursor), next_day in zip(start, [*start[1:], None], strict=False):
            self.place = _Place(day, cursor)
            while self.place and self.place.day == day:
                if calls == _CALLS:
                    self.is_spent = True
                    return
                page = self._read(self.place, limit)
                calls += 1
                if len(page.rows) < limit / 2:
                    limit = min(2 * limit, _MOST_READ)
                for row in page.rows:
                    self.place = _Place(day, cursor_behind(self._place_of(row)))
                    yield row
                self.place = _Place(day, page.cursor) if page.cursor else next_day

    def _read(self, place: _Place, limit: int) -> Page[Row]:
        return self._tables.page(
            self._table,
            BY_DAY,
            place.day,
            limit=limit,
            cursor=place.cursor,
            newest_first=True,
            condition=self._condition,
        )


class _LabelledWalk:
    """The reports of labelled images."""

    def __init__(self, tables: Tables, walk: _Walk[ImageLabels], search: Search) -> None:
        self._tables = tables
        self._walk = walk
        self._search = search

    @property
    def place(self) -> _Place | None:
        return self._walk.place

    @property
    def is_spent(self) -> bool:
        return self._walk.is_spent

    def take(self, count: int) -> list[Report]:
        """The reports that fit among the next rows that have any; none at the end."""
        while rows := self._walk.take(count):
            keys = [report_key(row.uri, row.version) for row in rows]
            reports = self._tables.get_many(REPORTS, keys)
            if fitting := sorted(filter(self._search.fits, reports), key=_age, reverse=True):
                return fitting
        return []


def _age(report: Report) -> datetime:
    return report.judged_at


def _place_of_report(report: Report) -> dict[str, str]:
    judged_at: str = report.model_dump(mode="json", include={"judged_at"})["judged_at"]
    return REPORTS.key(report) | {"day": report.day, "judged_at": judged_at}


def _place_of_labels(labels: ImageLabels) -> dict[str, str]:
    return IMAGE_LABELS.key(labels) | {"day": labels.day}


# --- cursors --------------------------------------------------------------------------------------

_Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
_PLACE = TypeAdapter(tuple[_Day, str | None])


def _encoded(place: _Place) -> str:
    return base64.urlsafe_b64encode(_PLACE.dump_json(place)).decode()


def _decoded(cursor: str) -> _Place:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        return _Place(*_PLACE.validate_json(text))
    except ValueError as error:
        raise InvalidCursorError("the cursor is none that the catalogue gave") from error
