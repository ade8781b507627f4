"""Arrivals of long ago, one test's apart from another's."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

from ingest_pipeline.catalogue.pages import Catalogue, CataloguePage
from ingest_pipeline.catalogue.walk import Search
from ingest_pipeline.media.model import Kind, Label, Probe
from ingest_pipeline.records.model import (
    ArrivalDay,
    ImageLabels,
    Outcome,
    Preview,
    Rendition,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import DAYS, REPORTS
from ingest_pipeline_tests.world import World

_free_years = count(1200)  # each test has a year of arrivals for itself, far from those of others


class Past:
    """A year in which nothing arrived but what a test puts there."""

    def __init__(self, world: World) -> None:
        self.year = next(_free_years)
        self.world = world
        self.catalogue = Catalogue(world.tables)
        self.days: set[str] = set()

    def report(self, key: str, day: int = 1, *, second: int = 0, **fields: object) -> Report:
        """A report of an object that arrived on that day of the year."""
        at = datetime(self.year, 1, 1, 12, tzinfo=UTC) + timedelta(days=day - 1, seconds=second)
        return Report.model_validate(
            {
                "bucket": self.world.bucket,
                "key": key,
                "version": "v1",
                "day": at.strftime("%Y-%m-%d"),
                "probe": Probe(kind=Kind.AUDIO, container="wav"),
                "verdict": Verdict.VALID,
                "outcome": Outcome.INDEXED,
                "judged_at": at,
            }
            | fields
        )

    def write(self, *reports: Report) -> None:
        self.world.tables.put(REPORTS, reports)
        days = {report.day for report in reports}
        self.world.tables.put(DAYS, [ArrivalDay(day=day) for day in days])
        self.days |= days

    def forget(self) -> None:
        """Leave no day behind that other tests would walk over."""
        for day in self.days:
            self.world.tables.delete(DAYS, DAYS.key(ArrivalDay(day=day)))

    def page(self, cursor: str | None = None, /, **search: object) -> CataloguePage:
        bounds = {"first": date(self.year, 1, 1), "last": date(self.year, 12, 31)}
        return self.catalogue.page(Search.model_validate(bounds | search), cursor)

    def keys(self, **search: object) -> list[str]:
        return keys(self.page(None, **search))

    def all_pages(self, **search: object) -> list[CataloguePage]:
        pages = [self.page(None, **search)]
        while cursor := pages[-1].cursor:
            pages.append(self.page(cursor, **search))
        return pages


def keys(page: CataloguePage) -> list[str]:
    return [card.report.key for card in page.cards]


def labels(report: Report, *seen: Label, model: str = "m") -> ImageLabels:
    return ImageLabels(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        model=model,
        max_labels=5,
        min_confidence=75,
        labels=seen,
        made_at=report.judged_at,
    )


def preview_of(report: Report) -> Preview:
    return Preview(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        kind=Kind.AUDIO,
        preview_bucket="ingest-renditions",
        preview_key=f"previews/{report.key}.png",
        made_at=report.judged_at,
    )


def rendition_of(report: Report) -> Rendition:
    return Rendition(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        preset="Web",
        day=report.day,
        rendition_bucket="ingest-renditions",
        rendition_key=f"output/web/{report.key}",
        content_type="video/mp4",
        size=1,
        duration_seconds=1,
        width=2,
        height=2,
        bit_rate=1,
        engine="ffmpeg",
        seconds_taken=1,
        made_at=report.judged_at,
    )
