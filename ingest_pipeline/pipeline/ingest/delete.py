"""Delete orders: the object, what was derived from it, and its row in the index."""

from dataclasses import dataclass
from datetime import UTC, datetime
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
ORDERED = Reason(rule="present", found="deleted by an order", wanted="an object at the key")


def understand_order(sources: Sources, message: Message) -> ParsedBody:
    """The object that an order names; refused where its bucket is not ours to delete from."""
    parsed = parse_delete_order(
        message.body, message.sent_at, message.attributes.get(VERSION_ATTRIBUTE)
    )
    foreign = [ref for ref in parsed.objects if sources.for_object(ref.bucket, ref.key) is None]
    if foreign:
        return ParsedBody(problems=(f"refused: {foreign[0].uri} lies in no source",))
    return parsed


@dataclass(frozen=True)
class Deleter:
    """Carries out delete orders. Doing so twice is harmless.

    An order means what stood at the key when it was given: its message's `version` attribute
    says which version (the contract's body cannot), or else its time.
    """

    s3: "S3Client"
    tables: Tables
    run_id: str | None = None

    def delete(self, ref: ObjectRef) -> Report | None:
        """Delete what the order means; the report of the deleted version, None if there is none.

        Raises:
            ObjectReplacedError: it was overwritten as often as we tried; the order comes again.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                state = object_state(self.s3, ref.bucket, ref.key)
                if not _is_meant(ref, state):
                    return None
                delete_object(self.s3, ref.bucket, ref.key, etag=state.etag)
            except ObjectGoneError:
                return None
            except ObjectReplacedError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return self._report(ref, state)
        return None

    def _delete_derived(self, refs: list[ObjectRef]) -> None:
        """Delete what was made of the objects, and the rows that tell of it."""
        for ref in refs:
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
        version = state.version or state.etag
        known = self.tables.get(REPORTS, report_key(ref.uri, version))
        if known:
            return known.becomes(
                Outcome.DELETED,
                reasons=(ORDERED,),
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
            reasons=(ORDERED,),
            outcome=Outcome.DELETED,
            judged_at=now,
            deleted_at=now,
            run_id=self.run_id,
        )

    def forget(self, refs: list[ObjectRef], deleted: list[Report]) -> None:
        """Put tombstones into the index and the outcome on record.

        An order that found nothing at its key (its run died half-way, or the owner was faster)
        takes the row out of the index all the same, unless something has come to stand there since.
        """
        now = datetime.now(UTC)  # before we look: what is indexed later stays
        self._delete_derived([ref for ref in refs if not self._stands(ref.bucket, ref.key)])
        found = {report.uri for report in deleted}
        missing = [ref for ref in refs if ref.uri not in found]
        keys = [{"bucket": ref.bucket, "file": ref.key} for ref in missing]
        stale = [
            asset.model_copy(update={"judged_at": now, "deleted_at": now})
            for asset in self.tables.get_many(ASSETS, keys)
            if not asset.deleted_at and not self._stands(asset.bucket, asset.file)
        ]
        self.tables.put(ASSETS, [*map(tombstone, deleted), *stale])
        orphans = self.tables.get_many(
            REPORTS, [report_key(f"s3://{a.bucket}/{a.file}", a.version) for a in stale]
        )
        ended = [
            report.becomes(Outcome.DELETED, reasons=(ORDERED,), deleted_at=now)
            for report in orphans
        ]
        self.tables.put(REPORTS, [*deleted, *ended])

    def _stands(self, bucket: str, key: str) -> bool:
        try:
            object_state(self.s3, bucket, key)
        except ObjectGoneError:
            return False
        return True


def _is_meant(order: ObjectRef, state: ObjectState) -> bool:
    """Whether what stands at the key is what the order was given for, not a later upload."""
    if order.version:
        return order.version == (state.version or state.etag)
    return state.last_modified <= order.arrived
