"""Send objects through the ingest queue again: by key, or from the dead-letter queue."""

from typing import TYPE_CHECKING

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.objects.state import ObjectGoneError, object_state
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.model import ObjectRef, Outcome
from ingest_pipeline.records.tables import REPORTS, REPORTS_BY_OBJECT
from ingest_pipeline.values import object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_HELD_SECONDS = 60  # longer than sending ten messages takes
_REMOVED = {Outcome.REJECTED, Outcome.DELETED}  # what `restore` brings back


def redrive_object(
    s3: "S3Client", tables: Tables, queue: Queue, bucket: str, key: str
) -> ObjectRef:
    """Have what stands at a key examined anew.

    Raises:
        ObjectGoneError: nothing stands there; the message says whether `restore` would help.
    """
    try:
        state = object_state(s3, bucket, key)
    except ObjectGoneError as error:
        raise ObjectGoneError(_why_gone(tables, object_uri(bucket, key))) from error
    ref = ObjectRef(
        bucket=bucket,
        key=key,
        version=state.version,
        etag=state.etag,
        size=state.size,
        arrived=state.last_modified,
    )
    queue.send(ingest_body(ref))
    return ref


def _why_gone(tables: Tables, uri: str) -> str:
    reports = tables.query(REPORTS, REPORTS_BY_OBJECT, uri)
    if any(report.outcome in _REMOVED for report in reports):
        return f"{uri} was deleted: `ingest-pipeline restore` brings it back"
    return f"{uri}: nothing stands there, and nothing was deleted that could be brought back"


def redrive_dead_letters(dead_letters: Queue, queue: Queue) -> int:
    """Move every message that waits in a dead-letter queue now back to its queue; how many.

    A message is sent before it is deleted: interrupted, it is there twice, which is harmless.
    """
    moved = 0
    waiting = dead_letters.depth().waiting
    while moved < waiting and (messages := dead_letters.receive(_HELD_SECONDS)):
        queue.send_all(message.body for message in messages)
        dead_letters.delete(message.handle for message in messages)
        moved += len(messages)
    return moved
