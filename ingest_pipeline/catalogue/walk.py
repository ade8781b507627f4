"""Pages of rows, found by walking the days of arrival backwards."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Annotated, Generic, NamedTuple

from pydantic import Field, TypeAdapter

from ingest_pipeline.aws import cursors
from ingest_pipeline.aws.items import Page, cursor_behind
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import Kind
from ingest_pipeline.records.model import (
    ImageLabels,
    Outcome,
    Report,
    Transcript,
)
from ingest_pipeline.records.tables import (
    BY_DAY,
    IMAGE_LABELS,
    REPORTS,
    TRANSCRIPTS,
    Condition,
    Row,
    Table,
    report_key,
)
from ingest_pipeline.values import Frozen

CALLS = 30  # that look for the rows of a page
FEW_READ, MANY_READ, _MOST_READ = 100, 400, 1000  # rows of a call: more where few match
HIDDEN = (Outcome.DELETING, Outcome.DELETED, Outcome.SUPERSEDED)  # unless asked for


class Search(Frozen):
    """What a page shall show; what is left out matches everything."""

    name: str = ""  # a part of the key, in any case
    label: str = ""  # a part of a word for what is seen on an image, in any case
    said: str = ""  # a part of what is said in a recording or a video, in any case
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
            and (report.outcome not in HIDDEN if not self.outcome else True)
            and self.outcome in {None, report.outcome}
        )


def condition_of(search: Search) -> Condition:
    """What DynamoDB leaves out by itself."""
    parts: list[str] = []
    names = {"#outcome": "outcome"}
    values: dict[str, str] = {}
    if search.outcome:
        parts.append("#outcome = :outcome")
        values[":outcome"] = search.outcome.value
    else:
        hidden = {f":{outcome.value}": outcome.value for outcome in HIDDEN}
        parts.append(f"NOT #outcome IN ({', '.join(hidden)})")
        values |= hidden
    if search.name:
        parts.append("contains(#name, :name)")
        names["#name"] = "name"
        values[":name"] = search.name.casefold()
    if search.kind:
        parts.append("#probe.#kind = :kind")
        names |= {"#probe": "probe", "#kind": "kind"}
        values[":kind"] = search.kind.value
    return Condition(" AND ".join(parts), names, values)


def shows_label(label: str) -> Condition:
    """What DynamoDB leaves out of images by what is seen on them."""
    return Condition("contains(#words, :label)", {"#words": "words"}, {":label": label.casefold()})


class Place(NamedTuple):
    """Where a walk goes on: at the start of a day, or behind a row of it."""

    day: str
    cursor: str | None


class Walk(Generic[Row]):
    """The rows of a table that meet a condition, by day of arrival, in so many calls at most."""

    def __init__(
        self,
        tables: Tables,
        table: Table[Row],
        place_of: Callable[[Row], Mapping[str, str]],
        condition: Condition,
        *,
        start: list[Place],
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

    def _walk(self, start: list[Place], limit: int) -> Iterator[Row]:
        calls = 0
        for (day, cursor), next_day in zip(start, [*start[1:], None], strict=False):
            self.place = Place(day, cursor)
            while self.place and self.place.day == day:
                if calls == CALLS:
                    self.is_spent = True
                    return
                page = self._read(self.place, limit)
                calls += 1
                if len(page.rows) < limit / 2:
                    limit = min(2 * limit, _MOST_READ)
                for row in page.rows:
                    self.place = Place(day, cursor_behind(self._place_of(row)))
                    yield row
                self.place = Place(day, page.cursor) if page.cursor else next_day

    def _read(self, place: Place, limit: int) -> Page[Row]:
        return self._tables.page(
            self._table,
            BY_DAY,
            place.day,
            limit=limit,
            cursor=place.cursor,
            newest_first=True,
            condition=self._condition,
        )


class MadeOfWalk:
    """The reports of objects of which something was made that is searched: labels, transcripts."""

    def __init__(
        self, tables: Tables, walk: Walk[ImageLabels] | Walk[Transcript], search: Search
    ) -> None:
        self._tables = tables
        self._walk = walk
        self._search = search

    @property
    def place(self) -> Place | None:
        """Where to go on; None at the end."""
        return self._walk.place

    @property
    def is_spent(self) -> bool:
        """Whether it ended for having made all its calls."""
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


def place_of_report(report: Report) -> dict[str, str]:
    """A report's key in its table, and in the index that is walked."""
    judged_at: str = report.model_dump(mode="json", include={"judged_at"})["judged_at"]
    return REPORTS.key(report) | {"day": report.day, "judged_at": judged_at}


def says(said: str) -> Condition:
    """What DynamoDB leaves out of transcripts by what is said."""
    words = " ".join(said.casefold().split())
    return Condition("contains(#words, :said)", {"#words": "words"}, {":said": words})


def place_of_labels(labels: ImageLabels) -> dict[str, str]:
    """The key of an image's labels in their table, and in the index that is walked."""
    return IMAGE_LABELS.key(labels) | {"day": labels.day}


def place_of_transcript(transcript: Transcript) -> dict[str, str]:
    """The key of a transcript in its table, and in the index that is walked."""
    return TRANSCRIPTS.key(transcript) | {"day": transcript.day}


_Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
_PLACE = TypeAdapter(tuple[_Day, str | None])


def encode_place(place: Place) -> str:
    """A place as a cursor that a client hands back."""
    return cursors.encode([*place])


def decode_place(cursor: str) -> Place:
    """The place that a cursor tells; raises `InvalidCursorError` where we never gave it."""
    return Place(*cursors.decode(cursor, _PLACE))
