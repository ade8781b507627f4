"""The end of what the versions of a batch took the place of."""

from collections.abc import Iterable

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.records.model import Asset, Outcome
from ingest_pipeline.records.tables import ASSETS, REPORTS, report_key

_STANDING = {Outcome.INDEXED, Outcome.KEPT}


def supersede(tables: Tables, derived: Derived, rows: Iterable[Asset]) -> None:
    """End the versions that these rows of the index replace, once the rows' own are final.

    The older version's report says that it is superseded. What was made of it goes when the newer
    one's is there, which is its publisher's to see to; at once, where there will be none.
    """
    replacing = [row for row in rows if row.replaces]
    keys = [report_key(row.uri, str(row.replaces)) for row in replacing if row.is_new]
    ended = [
        report.becomes(Outcome.SUPERSEDED)
        for report in tables.get_many(REPORTS, keys)
        if report.outcome in _STANDING
    ]
    tables.put(REPORTS, ended)
    for row in replacing:
        if row.is_deleted:
            derived.remove_all(row.bucket, row.file)
            tables.put(ASSETS, [row.model_copy(update={"replaces": None})])
