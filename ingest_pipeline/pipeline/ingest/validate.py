"""Validate objects: probe them and judge them by the rules of their source."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.objects.ranged import RangedObject
from ingest_pipeline.aws.objects.state import (
    ObjectArchivedError,
    ObjectGoneError,
    ObjectReplacedError,
    object_state,
)
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.errors import TransientError
from ingest_pipeline.media.audio.metadata import MetadataReader
from ingest_pipeline.media.audio.quality import QualityError, measure
from ingest_pipeline.media.image.reader import (
    ImageReader,
)
from ingest_pipeline.media.model import Kind, Probe, Reason
from ingest_pipeline.media.probe import probe
from ingest_pipeline.media.rules.judge import judge
from ingest_pipeline.media.rules.sources import (
    Source,
    Sources,
)
from ingest_pipeline.media.video.ffmpeg import TranscodeError, full_disk_told
from ingest_pipeline.pipeline.result import Done, Refused, Result, RetryLater
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
    REPORTS_BY_OBJECT,
    report_key,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Validator:
    """Validates objects, several at a time; one of them failing does not disturb the others."""

    s3: "S3Client"
    tables: Tables
    sources: Sources
    threads: int
    run_id: str | None = None
    ffmpeg: Path | None = None  # None: the best one found
    _metadata: MetadataReader = field(default_factory=MetadataReader)
    _images: ImageReader = field(default_factory=ImageReader)

    def validate(self, refs: Sequence[ObjectRef]) -> list[Result[Report]]:
        """The report of each, judged and not yet acted on.

        Done is what is valid, kept, or no longer there; refused what breaks a rule; to be tried
        again what could not be read for a passing reason, its report `failed`. No report has what
        marks a folder, and what somebody named that nobody ever saw: to be tried again, as a name
        may be misspelt.
        """
        with self._metadata, self._images, ThreadPoolExecutor(self.threads) as pool:
            found = list(pool.map(self._validated, refs))
        reports = iter(self._as_decided([each for each in found if isinstance(each, Report)]))
        return [
            _answer(ref, next(reports)) if isinstance(each, Report) else each
            for ref, each in zip(refs, found, strict=True)
        ]

    def _validated(self, ref: ObjectRef) -> "_Found":
        source = self.sources.for_object(ref.bucket, ref.key)
        if source is None:
            wanted = "a bucket and prefix of sources.toml"
            foreign = self._unread(ref, Outcome.KEPT, "source", ref.bucket, wanted)
            return RetryLater(ref, foreign.why) if ref.is_name_alone else foreign
        try:
            return self._validate_current(ref, source)
        except (TransientError, *AWS_ERRORS, OSError) as error:
            return self._unread(ref, Outcome.FAILED, "readable", str(error), "an answer from S3")

    def _validate_current(self, ref: ObjectRef, source: Source) -> "_Found":
        try:
            return self._judge_or_keep(ref, source)
        except ObjectGoneError:
            return self._validate_deleted(ref, source)
        except ObjectReplacedError as error:
            return self._unread(
                ref, Outcome.SUPERSEDED, "present", f"overwritten: {error}", "the version at hand"
            )

    def _validate_deleted(self, ref: ObjectRef, source: Source) -> "_Found":
        """The report of an object that was deleted before its turn came.

        A repeated message finds the outcome on record. One that was never read is read from
        below its delete marker, so that its story is whole all the same.
        """
        gone = self._unread(
            ref, Outcome.DELETED, "present", "nothing stands at the key", "an object"
        )
        known = self.tables.get(REPORTS, report_key(ref.uri, ref.row_version))
        if known and known.outcome in {Outcome.REJECTED, Outcome.DELETED}:
            return known
        report = known if known and known.probe else self._judge_noncurrent(ref, source)
        if report is None:
            return self._without_report(ref, gone) or gone
        if not isinstance(report, Report):
            return report
        if report.verdict is Verdict.REJECTED and report.outcome is Outcome.PENDING:
            return report  # the run that judged it died before it wrote what it had done
        return _deleted(report, gone)

    def _without_report(self, ref: ObjectRef, gone: Report) -> Result[Report] | None:
        """The answer for what does not stand and never did, as far as anybody knows."""
        is_folder = ref.key.endswith("/")
        if not (is_folder or ref.is_name_alone) or self._is_known(ref):
            return None
        return Done(ref) if is_folder else RetryLater(ref, gone.why)

    def _is_known(self, ref: ObjectRef) -> bool:
        row = self.tables.get(ASSETS, {"bucket": ref.bucket, "file": ref.key})
        return row is not None or any(self.tables.query(REPORTS, REPORTS_BY_OBJECT, ref.uri))

    def _judge_noncurrent(self, ref: ObjectRef, source: Source) -> "_Found | None":
        if ref.version is None:
            return None
        try:
            return self._judge(ref, source, noncurrent=True)
        except (ObjectArchivedError, ObjectGoneError, ObjectReplacedError):
            return None

    def _judge_or_keep(self, ref: ObjectRef, source: Source) -> "_Found":
        try:
            return self._judge(ref, source)
        except ObjectArchivedError as error:
            return self._archived(ref, str(error))

    def _archived(self, ref: ObjectRef, storage_class: str) -> Report:
        """The report of an object that cannot be read; what was found before still holds."""
        asked_at = datetime.now(UTC)
        state = object_state(self.s3, ref.bucket, ref.key)
        if ref.version and state.version != ref.version:
            raise ObjectReplacedError(f"version {state.version} stands there")
        known = self.tables.get(REPORTS, report_key(ref.uri, state.row_version))
        if known and known.probe:
            return known
        reason = Reason(rule="storage_class", found=storage_class, wanted="one that can be read")
        return Report(
            bucket=ref.bucket,
            key=ref.key,
            version=state.row_version,
            day=ref.day,
            etag=state.etag,
            size=state.size,
            last_modified=state.last_modified,
            sequencer=ref.sequencer,
            probe=Probe(kind=Kind.OTHER, probed=False, faults=(reason,)),
            verdict=Verdict.UNJUDGED,
            reasons=(reason,),
            outcome=Outcome.KEPT,
            calls=2,
            judged_at=asked_at,
            run_id=self.run_id,
        )

    def _judge(self, ref: ObjectRef, source: Source, *, noncurrent: bool = False) -> "_Found":
        asked_at = datetime.now(UTC)
        file = RangedObject(self.s3, ref, noncurrent=noncurrent)
        if ref.model_copy(update={"size": file.state.size}).is_folder:
            return Done(ref)
        found = self._measured(
            probe(file, file.state.size, self._metadata, self._images), file, source
        )
        judgement = judge(found, source)
        state = file.state
        kept = judgement.verdict is Verdict.UNJUDGED
        return Report(
            bucket=ref.bucket,
            key=ref.key,
            version=state.row_version,
            day=ref.day,
            etag=state.etag,
            size=state.size,
            last_modified=state.last_modified,
            sequencer=ref.sequencer,
            probe=found,
            verdict=judgement.verdict,
            reasons=judgement.reasons,
            outcome=Outcome.KEPT if kept else Outcome.PENDING,
            bytes_read=file.bytes_read,
            calls=file.calls,
            judged_at=asked_at,
            run_id=self.run_id,
        )

    def _measured(self, found: Probe, file: RangedObject, source: Source) -> Probe:
        """The probe with the quality of its sound, where a rule asks for that.

        Raises:
            TransientError, OSError: it could not be measured for a passing reason.
        """
        audio, is_wanted = found.audio, source.audio.need_quality and Kind.AUDIO in source.kinds
        is_whole = found.kind is Kind.AUDIO and found.probed and not found.faults
        if audio is None or not is_wanted or not is_whole:
            return found
        with tempfile.TemporaryDirectory(prefix="quality-") as folder:
            path = Path(folder, "source")
            with full_disk_told(path.parent, file.state.size):
                file.save_to(path)
            try:
                quality = measure(path, audio, path.parent, self.ffmpeg)
            except (QualityError, TranscodeError) as error:
                fault = Reason(rule="measurable", found=str(error), wanted="sound to its end")
                return found.model_copy(update={"faults": (fault,)})
        audio = audio.model_copy(update={"quality": quality})
        return found.model_copy(update={"audio": audio})

    def _unread(
        self, ref: ObjectRef, outcome: Outcome, rule: str, found: str, wanted: str
    ) -> Report:
        now = datetime.now(UTC)
        return Report(
            bucket=ref.bucket,
            key=ref.key,
            version=ref.row_version,
            day=ref.day,
            etag=ref.etag,
            size=ref.size,
            last_modified=ref.arrived,  # as far as the event tells
            sequencer=ref.sequencer,
            verdict=Verdict.UNJUDGED,
            reasons=(Reason(rule=rule, found=found, wanted=wanted),),
            outcome=outcome,
            judged_at=now,
            deleted_at=now if outcome is Outcome.DELETED else None,
            run_id=self.run_id,
        )

    def _as_decided(self, reports: list[Report]) -> list[Report]:
        """What a person decided stays decided, however an object is judged.

        What somebody restored is left alone from then on: the mark stays on valid ones, too, as
        the rules may change. What somebody asked to delete counts as deleted.
        """
        keys = [report_key(report.uri, report.version) for report in reports]
        known = {(row.uri, row.version): row for row in self.tables.get_many(REPORTS, keys)}
        return [_decided(report, known.get((report.uri, report.version))) for report in reports]


_Found = Report | Result[Report]  # a report, or the answer for what has none


def _answer(ref: ObjectRef, report: Report) -> Result[Report]:
    if report.outcome is Outcome.FAILED:
        return RetryLater(ref, report.why, report)
    if report.verdict is Verdict.REJECTED:
        return Refused(ref, report.why, report)
    return Done(ref, report)


def _decided(report: Report, known: Report | None) -> Report:
    if known is None:
        return report
    # The upload's own event had it: who looks again, or tells of the end, has another or none.
    # It arrived when its event says: of a long upload S3 tells when it began, maybe the day before.
    first_told = {"sequencer": known.sequencer or report.sequencer, "day": known.day}
    report = report.model_copy(update=first_told)
    if report.outcome is Outcome.DELETED:
        return report
    if known.outcome is Outcome.DELETING:
        return known
    return _restored(report, known.restored_at) if known.restored_at else report


def _restored(report: Report, at: datetime) -> Report:
    rejected = report.verdict is Verdict.REJECTED and report.outcome is Outcome.PENDING
    return report.becomes(Outcome.KEPT if rejected else report.outcome, restored_at=at)


def _deleted(report: Report, gone: Report) -> Report:
    return report.becomes(
        Outcome.DELETED,
        reasons=gone.reasons,
        judged_at=gone.judged_at,
        deleted_at=gone.judged_at,
        run_id=gone.run_id,
    )
