"""Delete requests: the object, what was made of it, and its row in the index."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ingest_pipeline.aws.events import ParsedBody, parse_delete_order
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
    ObjectState,
    object_state,
)
from ingest_pipeline.aws.objects.versions import (
    delete_object,
)
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import Reason
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.ingest.index import tombstone
from ingest_pipeline.pipeline.result import Done, Result, RetryLater, attempt
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
from ingest_pipeline.aws.events import VERSION_ATTRIBUTE

_ATTEMPTS = 3
_AT_ONCE = 8  # objects: most of the time is waiting for AWS
REQUESTED = Reason(rule="present", found="deleted on request", wanted="an object at the key")


def parse_request(sources: Sources, message: Message) -> ParsedBody:
    """The object that a delete request names; refused where we may not delete from its bucket."""
    parsed = parse_delete_order(
        message.body, message.sent_at, message.attributes.get(VERSION_ATTRIBUTE)
    )
    foreign = [ref for ref in parsed.objects if sources.for_object(ref.bucket, ref.key) is None]
    if foreign:
        return ParsedBody(problems=(f"refused: {foreign[0].uri} lies in no source",))
    return parsed


@dataclass(frozen=True)
class Deleter:
    """Deletes what clients ask for: the object, what was made of it, its row in the index.

    Doing so twice is harmless. A request means what stood at the key when it was made: its
    message's `version` attribute says which version (the contract's body cannot), or else its time.
    """

    s3: "S3Client"
    tables: Tables
    derived: Derived
    run_id: str | None = None

    def delete(self, refs: Iterable[ObjectRef]) -> list[Result[Report]]:
        """Delete what each request means; done with the report of the deleted version, if any."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda ref: attempt(ref, partial(self._delete, ref)), refs))

    def _delete(self, ref: ObjectRef) -> Result[Report]:
        asked_at = datetime.now(UTC)  # before we look: what is indexed later stays
        try:
            deleted = self._delete_object(ref)
        except ObjectReplacedError as error:
            return RetryLater(ref, f"overwritten again and again: {error}")
        if deleted:
            self.tables.put(ASSETS, [tombstone(deleted)])
        elif not self._stands(ref):
            self._take_out_of_index(ref, asked_at)
        self._remove_derived(ref)
        self._record(ref, deleted)
        return Done(ref, deleted)

    def _delete_object(self, ref: ObjectRef) -> Report | None:
        """The report of the deleted version; None: nothing that is meant stands there.

        Raises:
            ObjectReplacedError: it was overwritten as often as we tried.
        """
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                state = object_state(self.s3, ref.bucket, ref.key)
                if not _is_meant(ref, state):
                    return None
                delete_object(self.s3, ref.bucket, ref.key, etag=state.etag)
            except ObjectGoneError:
                return None
            except ObjectReplacedError:
                if not attempts_left:
                    raise
            else:
                return self._report(ref, state)
        return None

    def _take_out_of_index(self, ref: ObjectRef, asked_at: datetime) -> None:
        """Leave a tombstone where nothing stands: a run died half-way, or the owner was faster."""
        asset = self.tables.get(ASSETS, {"bucket": ref.bucket, "file": ref.key})
        if asset and not asset.is_deleted:
            gone = {"judged_at": asked_at, "deleted_at": asked_at}
            self.tables.put(ASSETS, [asset.model_copy(update=gone)])

    def _remove_derived(self, ref: ObjectRef) -> None:
        """Remove what was made of the key, but not of a version that is in the index.

        The tombstone is written by now: who publishes after this sees it and takes its own back.
        """
        asset = self.tables.get(ASSETS, {"bucket": ref.bucket, "file": ref.key})
        if asset is None or asset.is_deleted:
            self.derived.remove_all(ref.bucket, ref.key)
        else:
            self.derived.remove_others(ref.bucket, ref.key, asset.version)

    def _record(self, ref: ObjectRef, deleted: Report | None) -> None:
        """Put the outcome of the deleted version on record, and of those that waited for it."""
        if deleted:
            self.tables.put(REPORTS, [deleted])
        now = datetime.now(UTC)
        is_current = self._stands(ref)
        changes = {"reasons": (REQUESTED,), "deleted_at": now, "run_id": self.run_id}
        outcome = Outcome.SUPERSEDED if is_current else Outcome.DELETED
        ended = [
            report.becomes(outcome, **changes)
            for report in self.tables.query(REPORTS, REPORTS_BY_OBJECT, ref.uri)
            if self._is_left_over(ref, report, is_current=is_current)
        ]
        self.tables.put(REPORTS, ended)

    def _is_left_over(self, ref: ObjectRef, report: Report, *, is_current: bool) -> bool:
        """Whether a report still tells that an object stands which the request was about."""
        is_meant = ref.version in {None, report.version}
        if report.outcome is Outcome.DELETING:
            return is_meant
        return report.outcome in {Outcome.INDEXED, Outcome.KEPT} and not is_current and is_meant

    def _report(self, ref: ObjectRef, state: ObjectState) -> Report:
        now = datetime.now(UTC)
        version = state.row_version
        known = self.tables.get(REPORTS, report_key(ref.uri, version))
        if known:
            return known.becomes(
                Outcome.DELETED,
                reasons=(REQUESTED,),
                judged_at=now,
                deleted_at=now,
                run_id=self.run_id,
            )
        return Report(
            bucket=ref.bucket,
            key=ref.key,
            version=version,
            day=state.last_modified.strftime("%Y-%m-%d"),
            etag=state.etag,
            size=state.size,
            last_modified=state.last_modified,
            verdict=Verdict.UNJUDGED,
            reasons=(REQUESTED,),
            outcome=Outcome.DELETED,
            judged_at=now,
            deleted_at=now,
            run_id=self.run_id,
        )

    def _stands(self, ref: ObjectRef) -> bool:
        try:
            object_state(self.s3, ref.bucket, ref.key)
        except ObjectGoneError:
            return False
        return True


def _is_meant(request: ObjectRef, state: ObjectState) -> bool:
    """Whether what stands at the key is what the request was made for, not a later upload."""
    if request.version:
        return request.version == state.row_version
    return state.last_modified <= request.arrived
