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
    delete_all,
    delete_object,
)
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import Reason
from ingest_pipeline.media.rules.sources import Sources
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
    IMAGE_LABELS,
    IMAGE_LABELS_BY_OBJECT,
    PREVIEWS,
    PREVIEWS_BY_OBJECT,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    REPORTS,
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
    run_id: str | None = None

    def delete(self, refs: Iterable[ObjectRef]) -> list[Result[Report]]:
        """Delete what each request means; done with the report of the deleted version, if any."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda ref: attempt(ref, partial(self._delete, ref)), refs))

    def _delete(self, ref: ObjectRef) -> Result[Report]:
        try:
            report = self._delete_object(ref)
        except ObjectReplacedError as error:
            return RetryLater(ref, f"overwritten again and again: {error}")
        self._forget(ref, report)
        return Done(ref, report)

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

    def _forget(self, ref: ObjectRef, deleted: Report | None) -> None:
        """Put a tombstone into the index and the outcome on record, unless something stands there.

        A request that found nothing at its key (its run died half-way, or the owner was faster)
        takes the row out of the index all the same.
        """
        now = datetime.now(UTC)  # before we look: what is indexed later stays
        if self._stands(ref):
            if deleted:
                self._record(deleted)
            return
        self._delete_derived(ref)
        if deleted:
            self._record(deleted)
        else:
            self._record_deleted_before(ref, now)

    def _record(self, deleted: Report) -> None:
        self.tables.put(ASSETS, [tombstone(deleted)])
        self.tables.put(REPORTS, [deleted])

    def _record_deleted_before(self, ref: ObjectRef, now: datetime) -> None:
        asset = self.tables.get(ASSETS, {"bucket": ref.bucket, "file": ref.key})
        if asset is None or asset.deleted_at:
            return
        self.tables.put(ASSETS, [asset.model_copy(update={"judged_at": now, "deleted_at": now})])
        report = self.tables.get(REPORTS, report_key(ref.uri, asset.version))
        if report:
            ended = report.becomes(Outcome.DELETED, reasons=(REQUESTED,), deleted_at=now)
            self.tables.put(REPORTS, [ended])

    def _delete_derived(self, ref: ObjectRef) -> None:
        """Delete what was made of the object, and the rows that tell of it."""
        for preview in list(self.tables.query(PREVIEWS, PREVIEWS_BY_OBJECT, ref.uri)):
            pictures = [key for key in (preview.preview_key, preview.strip_key) if key]
            delete_all(self.s3, preview.preview_bucket, pictures)
            self.tables.delete(PREVIEWS, PREVIEWS.key(preview))
        for labels in list(self.tables.query(IMAGE_LABELS, IMAGE_LABELS_BY_OBJECT, ref.uri)):
            self.tables.delete(IMAGE_LABELS, IMAGE_LABELS.key(labels))
        for rendition in list(self.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri)):
            files = [rendition.rendition_key, *rendition.thumbnail_keys]
            if rendition.poster_key:
                files.append(rendition.poster_key)
            delete_all(self.s3, rendition.rendition_bucket, files)
            self.tables.delete(RENDITIONS, RENDITIONS.key(rendition))

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
