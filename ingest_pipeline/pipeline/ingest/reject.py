"""Take invalid objects out of their bucket, conditionally and recoverably."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
)
from ingest_pipeline.aws.objects.versions import (
    copy_version,
    delete_object,
)
from ingest_pipeline.media.model import Reason
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.pipeline.result import Done, Result, RetryLater
from ingest_pipeline.records.model import (
    Outcome,
    Report,
    Verdict,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Rejector:
    """Carries out each source's `on_reject` policy, several objects at a time."""

    s3: "S3Client"
    sources: Sources
    quarantine_bucket: str
    threads: int

    def reject(self, reports: Sequence[Report]) -> list[Result[Report]]:
        """Act on the rejected among the reports; each of them with the outcome that it came to.

        An object that was overwritten since it was judged is not deleted: it is `superseded`,
        and the new version is judged on its own.
        """
        rejected = [
            report
            for report in reports
            if report.verdict is Verdict.REJECTED and report.outcome is Outcome.PENDING
        ]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self._answer, rejected))

    def _answer(self, report: Report) -> Result[Report]:
        try:
            return Done(report.ref, self._rejected(report))
        except AWS_ERRORS as error:
            reason = Reason(rule="deletable", found=str(error), wanted="an answer from S3")
            failed = report.becomes(Outcome.FAILED, reasons=(*report.reasons, reason))
            return RetryLater(report.ref, str(reason), failed)

    def _rejected(self, report: Report) -> Report:
        source = self.sources.for_object(report.bucket, report.key)
        if source is None or source.on_reject == "keep":
            return report.becomes(Outcome.KEPT)
        try:
            if source.on_reject == "quarantine":
                copy_version(self.s3, report, self.quarantine_bucket)
            delete_object(self.s3, report.bucket, report.key, etag=report.etag)
        except ObjectReplacedError:
            return report.becomes(Outcome.SUPERSEDED)
        except ObjectGoneError:  # this run was interrupted here before, or its owner was faster
            return report.becomes(Outcome.REJECTED, deleted_at=datetime.now(UTC))
        return report.becomes(Outcome.REJECTED, deleted_at=datetime.now(UTC))
