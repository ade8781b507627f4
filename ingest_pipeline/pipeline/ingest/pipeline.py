"""The way of an object, from reference to outcome, for those who bring objects themselves."""

from collections.abc import Sequence

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.ingest.finalize import settle
from ingest_pipeline.pipeline.ingest.index import index_rows
from ingest_pipeline.pipeline.ingest.reject import Rejector
from ingest_pipeline.pipeline.ingest.validate import Examiner
from ingest_pipeline.records.model import (
    ObjectRef,
    Report,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
)


def take_in(
    tables: Tables, examiner: Examiner, rejector: Rejector, refs: Sequence[ObjectRef]
) -> list[Report]:
    """Examine, index or reject, and record: what a run of `ingest_objects` does with a batch."""
    reports = examiner.examine(refs)
    tables.put(REPORTS, reports)
    rows = index_rows(reports)
    tables.put(ASSETS, rows)
    standing = tables.get_many(ASSETS, map(ASSETS.key, rows))
    outcomes = settle(reports, standing, rejector.reject(reports))
    tables.put(REPORTS, outcomes)
    return outcomes
