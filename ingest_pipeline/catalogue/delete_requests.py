"""Asking for deletions. From then on an object counts as deleted; a run carries it out."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, delete_order_body
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.model import Outcome, Report
from ingest_pipeline.records.tables import REPORTS, Condition, report_key
from ingest_pipeline.values import object_uri

# Of several clients that ask at once one is the first.
_NOT_ASKED_YET = replace(
    REPORTS,
    condition=lambda _report: Condition(
        "NOT outcome IN (:deleting, :deleted)",
        values={":deleting": Outcome.DELETING.value, ":deleted": Outcome.DELETED.value},
    ),
)


@dataclass(frozen=True)
class DeleteRequests:
    """Puts a request on record, and then on the queue of those who carry it out."""

    tables: Tables
    queue: Queue

    def request(self, bucket: str, key: str, version: str | None) -> bool:
        """Ask for the deletion of a version; False where somebody has asked before.

        Without a version what stands there now is meant. If the request cannot be sent, nothing
        has changed; if this process dies before it could, reconciliation sends it.
        """
        report = self._report(bucket, key, version)
        if report and not self._marked(report):
            return False
        attributes = {VERSION_ATTRIBUTE: version} if version else {}
        try:
            self.queue.send(delete_order_body(bucket, key), **attributes)
        except Exception:
            if report:
                self.tables.put(REPORTS, [report])
            raise
        return True

    def _report(self, bucket: str, key: str, version: str | None) -> Report | None:
        if version is None:
            return None
        return self.tables.get(REPORTS, report_key(object_uri(bucket, key), version))

    def _marked(self, report: Report) -> bool:
        return (
            self.tables.put(
                _NOT_ASKED_YET, [report.becomes(Outcome.DELETING, judged_at=datetime.now(UTC))]
            )
            == 1
        )
