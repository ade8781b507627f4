"""What stands at a key now."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingest_pipeline.errors import ChangedError, RefusedError
from ingest_pipeline.records.model import Report

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class ObjectGoneError(ChangedError):
    """Nothing stands at the key any more."""


class ObjectReplacedError(ChangedError):
    """Another version than the expected one stands at the key."""


class ObjectArchivedError(RefusedError):
    """An object is in an archive, and S3 gives it only hours after it was asked to fetch it."""


@dataclass(frozen=True)
class ObjectState:
    """What S3 says of the version at hand."""

    version: str | None  # None in an unversioned bucket
    etag: str
    size: int
    last_modified: datetime

    @property
    def row_version(self) -> str:
        """The version under which a report of this object stands."""
        return self.version or self.etag


def whole_size(response: Any) -> int:  # noqa: ANN401 - boto3's shapes
    """The object's size, also where the answer is a range of it."""
    if "ContentRange" in response:
        return int(response["ContentRange"].rpartition("/")[2])
    return int(response["ContentLength"])


def state_of(response: Any, size: int) -> ObjectState:  # noqa: ANN401 - boto3's shapes
    """What an answer says of its object."""
    return ObjectState(
        version=known_version(response.get("VersionId")),
        etag=response["ETag"].strip('"'),
        size=size,
        last_modified=response["LastModified"],
    )


def known_version(told: str | None) -> str | None:
    """A version as AWS tells it; unversioned objects come with "null" or nothing."""
    return None if told in (None, "", "null") else told


def translated(error: ClientError) -> Exception:
    """S3's error as ours, where it means that an object is gone or replaced."""
    if error_code(error) in {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}:
        return ObjectGoneError(str(error))
    if error_code(error) in {"PreconditionFailed", "412"}:
        return ObjectReplacedError(str(error))
    return error


def error_code(error: ClientError) -> str:
    """S3's own word for an error."""
    return error.response["Error"]["Code"]


def archive_of(error: ClientError) -> str | None:
    """The storage class of an object that S3 does not give because of it."""
    if error_code(error) != "InvalidObjectState":
        return None
    told: Any = error.response  # boto3's shapes know nothing of an error's own fields
    return str(told.get("StorageClass") or "archived")


def object_state(s3: "S3Client", bucket: str, key: str) -> ObjectState:
    """What stands at a key now.

    Raises:
        ObjectGoneError: nothing does.
    """
    try:
        response = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise translated(error) from error
    return state_of(response, response["ContentLength"])


def is_current(s3: "S3Client", report: Report) -> bool:
    """Whether a version is what stands at its key."""
    try:
        standing = object_state(s3, report.bucket, report.key)
    except ObjectGoneError:
        return False
    return report.version in {standing.version, standing.etag}
