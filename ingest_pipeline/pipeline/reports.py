"""The reports that references mean."""

from collections.abc import Iterable

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.model import ObjectRef, Report
from ingest_pipeline.records.tables import REPORTS, REPORTS_BY_OBJECT, report_key


def reports_of(tables: Tables, refs: Iterable[ObjectRef]) -> list[Report]:
    """The report of each version, where there is one, without repetitions.

    Whoever names an object by hand, or by a listing, knows no version: the newest report of its key
    is meant, or of its content where the ETag is known.
    """
    refs = list(refs)
    keys = [report_key(ref.uri, ref.version) for ref in refs if ref.version]
    reports = tables.get_many(REPORTS, keys)
    found = (_newest(tables, ref) for ref in refs if not ref.version)
    return list({(r.uri, r.version): r for r in (*reports, *filter(None, found))}.values())


def _newest(tables: Tables, ref: ObjectRef) -> Report | None:
    reports = tables.query(REPORTS, REPORTS_BY_OBJECT, ref.uri)
    meant = (report for report in reports if ref.etag in {None, report.etag})
    return max(meant, key=lambda report: report.judged_at, default=None)
