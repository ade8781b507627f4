"""The way of an object, from reference to outcome, for those who bring objects themselves."""

from collections.abc import Callable, Sequence

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.ingest.finalize import finalize
from ingest_pipeline.pipeline.ingest.index import index
from ingest_pipeline.pipeline.ingest.reject import Rejector
from ingest_pipeline.pipeline.ingest.supersede import supersede
from ingest_pipeline.pipeline.ingest.validate import Validator
from ingest_pipeline.pipeline.result import Result, values
from ingest_pipeline.records.model import ObjectRef, Report
from ingest_pipeline.records.tables import ASSETS, REPORTS


def ingest(
    refs: Sequence[ObjectRef],
    *,
    tables: Tables,
    derived: Derived,
    validator: Validator,
    rejector: Rejector,
    follow_up: Callable[[Sequence[Report]], object],
) -> list[Result[Report]]:
    """Validate, index, reject and finalize: what a run of `ingest_objects` does with a batch.

    `follow_up` is told the outcomes that are on record.
    """
    reports = values(validator.validate(refs))
    tables.put(REPORTS, reports)
    keys = [{"bucket": report.bucket, "file": report.key} for report in reports]
    tables.put(ASSETS, values(index(reports, tables.get_many(ASSETS, keys))))
    standing = tables.get_many(ASSETS, keys)
    results = finalize(reports, standing, values(rejector.reject(reports)))
    outcomes = values(results)
    tables.put(REPORTS, outcomes)
    supersede(tables, derived, standing)
    follow_up(outcomes)
    return results
