"""Bring a rejected or deleted object back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.objects.versions import restore_version
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.errors import RefusedError
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Report,
)
from ingest_pipeline.records.order import newest_first
from ingest_pipeline.records.tables import (
    REPORTS,
    REPORTS_BY_OBJECT,
)
from ingest_pipeline.values import object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class NotRestorableError(RefusedError):
    """There is nothing to bring back; the message says why."""


@dataclass(frozen=True)
class Restorer:
    """Undoes rejections and deletions for as long as the bucket keeps the version (30 days)."""

    s3: "S3Client"
    tables: Tables
    queue: Queue

    def restore(self, bucket: str, key: str) -> Report:
        """Make the newest rejected or deleted version current again, and keep it from then on.

        The object is judged anew: valid (the rules changed, or it was deleted on request), it
        is indexed again; still invalid, it stays in the bucket as `kept`.

        Raises:
            NotRestorableError: nothing was rejected or deleted there, or no version is recorded.
            ObjectReplacedError: something newer stands at the key.
            ObjectGoneError: the version has ended.
        """
        report = self._newest_removed(bucket, key)
        ref = ObjectRef(
            bucket=bucket,
            key=key,
            version=report.version,
            etag=report.etag,
            size=report.size,
            arrived=report.last_modified or report.judged_at,
        )
        # The mark comes first: a message that meets the object without it would reject it again.
        restored = report.becomes(
            Outcome.KEPT, restored_at=datetime.now(UTC), deleted_at=None, run_id=None
        )
        self.tables.put(REPORTS, [restored])
        try:
            restore_version(self.s3, ref)
        except Exception:
            self.tables.put(REPORTS, [report])
            raise
        self.queue.send(ingest_body(ref))
        return restored

    def _newest_removed(self, bucket: str, key: str) -> Report:
        uri = object_uri(bucket, key)
        reports = list(self.tables.query(REPORTS, REPORTS_BY_OBJECT, uri))
        removed = [r for r in reports if r.outcome in {Outcome.REJECTED, Outcome.DELETED}]
        if any(report.outcome is Outcome.DELETING for report in reports):
            raise NotRestorableError(f"{uri}: its deletion is under way; try again in a minute")
        if not removed:
            raise NotRestorableError(f"{uri}: nothing was rejected or deleted there")
        return newest_first(removed)[0]
