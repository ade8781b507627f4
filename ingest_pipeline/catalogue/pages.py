"""What the catalogue shows: pages of cards, newest first, and everything about one object.

A page is found by walking the days of arrival backwards and asking for each day's rows, so it costs
the same however many objects there are. What a search does not match is left out by DynamoDB; one
that matches little ends after so many calls, and says how far back it looked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalogue.history import latest_transcript
from ingest_pipeline.catalogue.walk import (
    CALLS,
    FEW_READ,
    MANY_READ,
    MadeOfWalk,
    Place,
    Search,
    Walk,
    condition_of,
    decode_place,
    encode_place,
    place_of_labels,
    place_of_report,
    place_of_transcript,
    says,
    shows_label,
)
from ingest_pipeline.records.model import (
    Asset,
    ImageLabels,
    Outcome,
    Preview,
    Rendition,
    Report,
    Transcript,
)
from ingest_pipeline.records.order import newest_first
from ingest_pipeline.records.tables import (
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
    TRANSCRIPTS,
    Condition,
    report_key,
)
from ingest_pipeline.values import Frozen, object_uri

PAGE = 48  # cards: whole rows of 2, 3, 4 and 6
_COUNTED = 500  # of today's newest objects
_LISTING = "all"


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
    transcript: Transcript | None  # the one that was made last


@dataclass(frozen=True)
class Catalogue:
    """Finds what the catalogue shows."""

    tables: Tables

    def page(self, search: Search, cursor: str | None = None) -> CataloguePage:
        """Up to `PAGE` cards from where `cursor` points, one a key.

        Newest first; those found by a label or by what is said by the day of their arrival.

        Raises:
            InvalidCursorError: the cursor is none that a page gave.
        """
        walk = self._walk(search, decode_place(cursor) if cursor else None)
        cards: dict[str, Report] = {}
        while len(cards) < PAGE and (found := walk.take(PAGE - len(cards))):
            for report in self._standing(found):
                cards.setdefault(report.uri, report)
        place, is_spent = walk.place, walk.is_spent
        if len(cards) == PAGE and not walk.take(1):  # nothing follows, as far as can be seen
            place = walk.place
        return CataloguePage(
            cards=tuple(self._with_previews(cards.values())),
            cursor=encode_place(place) if place else None,
            searched_to=place.day if place and is_spent else None,
        )

    def upload(self, bucket: str, key: str, etag: str) -> Card | None:
        """The version of a key that has this content; None: no run has looked at it yet."""
        reports = self.tables.query(REPORTS, REPORTS_BY_OBJECT, object_uri(bucket, key))
        mine = newest_first(report for report in reports if report.etag == etag)
        return next(self._with_previews(mine[:1]), None)

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
            transcript=latest_transcript(self.tables, uri, version),
        )

    def today(self) -> Today:
        """Count by outcome what arrived today, the newest 500 at most."""
        page = self.tables.page(REPORTS, BY_DAY, _today(), limit=_COUNTED, newest_first=True)
        counts = dict.fromkeys(Outcome, 0)
        for report in page.rows:
            counts[report.outcome] += 1
        return Today(counts=counts, is_complete=page.cursor is None)

    def _walk(self, search: Search, place: "Place | None") -> "Walk[Report] | MadeOfWalk":
        days = self._days(search, place.day if place else None)
        start = [Place(day, None) for day in days]
        if place and days[:1] == [place.day]:
            start[0] = place
        if search.said:
            wanted = says(search.said)
            start = [] if search.label else start  # of no image is anything said
            transcripts = Walk(
                self.tables, TRANSCRIPTS, place_of_transcript, wanted, start=start, limit=MANY_READ
            )
            return MadeOfWalk(self.tables, transcripts, search)
        if not search.label:
            limit = MANY_READ if search.is_narrow else FEW_READ
            wanted = condition_of(search)
            return Walk(self.tables, REPORTS, place_of_report, wanted, start=start, limit=limit)
        wanted = shows_label(search.label)
        labels = Walk(
            self.tables, IMAGE_LABELS, place_of_labels, wanted, start=start, limit=MANY_READ
        )
        return MadeOfWalk(self.tables, labels, search)

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
            DAYS, ARRIVAL_DAYS, _LISTING, limit=CALLS + 1, newest_first=True, within=within
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
