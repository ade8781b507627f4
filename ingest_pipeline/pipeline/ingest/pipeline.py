"""The way of objects, from reference to outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.ingest.finalize import finalize
from ingest_pipeline.pipeline.ingest.index import index
from ingest_pipeline.pipeline.ingest.reject import Rejector
from ingest_pipeline.pipeline.ingest.supersede import supersede
from ingest_pipeline.pipeline.ingest.validate import Validator
from ingest_pipeline.pipeline.result import Result, values
from ingest_pipeline.records.model import Asset, ObjectRef, Report
from ingest_pipeline.records.tables import ASSETS, REPORTS


@dataclass(frozen=True)
class Ingested:
    """What each step made of some objects; all of it is on record."""

    judged: list[Report]
    judged_rows: int  # reports that were written: the others gave way to what says more
    indexed: list[Asset]  # tombstones included
    indexed_rows: int
    rejected: list[Report]
    results: list[Result[Report]]

    @property
    def outcomes(self) -> list[Report]:
        """The last word on each object."""
        return values(self.results)


def ingest(
    refs: Sequence[ObjectRef],
    *,
    tables: Tables,
    derived: Derived,
    validator: Validator,
    rejector: Rejector,
    follow_up: Callable[[Sequence[Report]], object],
) -> Ingested:
    """Validate, index, reject and finalize.

    The index comes before the rejection: what is told as rejected, and gone, is no longer in it.
    `follow_up` is told the outcomes that are on record.
    """
    validated = validator.validate(refs)
    judged = values(validated)
    without_report = [each for each in validated if each.value is None]
    judged_rows = tables.put(REPORTS, judged)
    keys = [{"bucket": report.bucket, "file": report.key} for report in judged]
    indexed = values(index(judged, tables.get_many(ASSETS, keys)))
    indexed_rows = tables.put(ASSETS, indexed)
    standing = tables.get_many(ASSETS, keys)
    rejected = values(rejector.reject(judged))
    results = [*without_report, *finalize(judged, standing, rejected)]
    done = Ingested(judged, judged_rows, indexed, indexed_rows, rejected, results)
    tables.put(REPORTS, done.outcomes)
    supersede(tables, derived, standing)
    follow_up(done.outcomes)
    return done
