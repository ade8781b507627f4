"""Writing what was made of a version, unless a newer version's stands there."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    error_code,
    is_current,
    translated,
)
from ingest_pipeline.errors import TransientError
from ingest_pipeline.records.model import (
    ObjectRef,
    Report,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PUBLISH_ATTEMPTS = 3
_SOURCE_TIME = "source-last-modified"  # metadata of what was made from an object
_SOURCE_VERSION = "source-version"
_SOURCE = "source"  # the object's address, in base64: metadata are ASCII, and 2 KB in all


class PublishConflictError(TransientError):
    """Others wrote to the place at the same moment, as often as we tried."""


@dataclass(frozen=True)
class Published:
    """What stands at a key where something made from an object was published."""

    size: int  # bytes
    source_version: str | None
    source: str | None = None  # `s3://bucket/key`; files of the first version do not tell
    last_modified: datetime | None = None


def published(s3: "S3Client", bucket: str, key: str) -> Published:
    """What stands at a key, and from which version it was made.

    Raises:
        ObjectGoneError: nothing stands there.
    """
    try:
        standing = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise translated(error) from error
    metadata = standing["Metadata"]
    return Published(
        size=standing["ContentLength"],
        source_version=metadata.get(_SOURCE_VERSION),
        source=_decoded(metadata[_SOURCE]) if _SOURCE in metadata else None,
        last_modified=standing["LastModified"],
    )


def publish(
    s3: "S3Client", path: Path, bucket: str, key: str, *, content_type: str, source: Report
) -> bool:
    """Write a file made from a version, unless what stands there was made from a newer one.

    Each write is conditional on what was found, so of two runs the newer source wins whichever
    is later. Returns whether it was written.

    Raises:
        PublishConflictError: others wrote there as often as we tried; try again later.
    """

    def write(**request: Any) -> None:  # noqa: ANN401 - boto3's shapes
        with path.open("rb") as file:
            s3.put_object(Body=file, ContentType=content_type, **request)

    return _publish(s3, bucket, key, source, write)


def publish_copy(
    s3: "S3Client", made: ObjectRef, bucket: str, key: str, *, content_type: str, source: Report
) -> bool:
    """Publish an object made from a version, by a copy within S3; otherwise as `publish`.

    The embedded AWS copies whatever the condition says: two runs at the same moment are only
    told apart by the real one.

    Raises:
        PublishConflictError: others wrote there as often as we tried; try again later.
        ClientError: what was made is larger than the 5 GB that S3 copies in one request.
    """

    def write(**request: Any) -> None:  # noqa: ANN401 - boto3's shapes
        s3.copy_object(
            CopySource={"Bucket": made.bucket, "Key": made.key},
            MetadataDirective="REPLACE",
            ContentType=content_type,
            **request,
        )

    return _publish(s3, bucket, key, source, write)


def _publish(
    s3: "S3Client", bucket: str, key: str, source: Report, write: Callable[..., None]
) -> bool:
    made_from = _timestamp(source)
    for attempt in range(1, _PUBLISH_ATTEMPTS + 1):
        condition = _condition_to_replace(s3, bucket, key, source)
        if condition is None:
            return False
        try:
            write(
                Bucket=bucket,
                Key=key,
                Metadata={
                    _SOURCE: _encoded(source.uri),
                    _SOURCE_TIME: made_from,
                    _SOURCE_VERSION: source.version,
                },
                **condition,
            )
        except ClientError as error:
            if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict", "412"}:
                raise
            if attempt == _PUBLISH_ATTEMPTS:
                raise PublishConflictError(f"s3://{bucket}/{key} is written by others") from error
        else:
            return True
    raise AssertionError("the last attempt returns or raises")


def _condition_to_replace(s3: "S3Client", bucket: str, key: str, source: Report) -> Any:  # noqa: ANN401
    """The condition of a put, None where what stands there comes from a newer source.

    S3 tells whole seconds: of two versions of one second the newer one is that which stands.
    """
    try:
        standing = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if isinstance(translated(error), ObjectGoneError):
            return {"IfNoneMatch": "*"}
        raise
    metadata, made_from = standing["Metadata"], _timestamp(source)
    time = metadata.get(_SOURCE_TIME, "")
    if time > made_from:
        return None
    is_another = metadata.get(_SOURCE_VERSION) != source.version
    if time == made_from and is_another and not is_current(s3, source):
        return None
    return {"IfMatch": standing["ETag"]}


def _encoded(uri: str) -> str:
    return base64.urlsafe_b64encode(uri.encode()).decode()


def _decoded(text: str) -> str:
    return base64.urlsafe_b64decode(text).decode()


def _timestamp(source: Report) -> str:
    return (source.last_modified or source.judged_at).astimezone(UTC).isoformat()
