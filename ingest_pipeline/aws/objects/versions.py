"""Versions of objects: fetched, copied, deleted and restored."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from more_itertools import chunked, partition

from ingest_pipeline.aws.objects.content import save
from ingest_pipeline.aws.objects.state import ObjectGoneError, ObjectReplacedError, translated
from ingest_pipeline.errors import TransientError
from ingest_pipeline.records.model import (
    ObjectRef,
    Report,
)

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client

# What XML 1.0 has no way to say, and what its readers make something else of (\r becomes \n).
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_DELETE_BATCH = 1000  # DeleteObjects' limit


class NotDeletedError(TransientError):
    """S3 did not delete some of many keys."""


def restore_version(s3: "S3Client", ref: ObjectRef) -> bool:
    """Make the newest version of a key current again by removing the delete markers above it.

    Returns whether there were any to remove.

    Raises:
        ObjectReplacedError: something newer than this version stands at the key, or above it.
        ObjectGoneError: the version no longer exists.
    """
    is_hidden = False
    while marker := _marker_above(s3, ref):
        is_hidden = True
        s3.delete_object(Bucket=ref.bucket, Key=ref.key, VersionId=marker)
    return is_hidden


def _marker_above(s3: "S3Client", ref: ObjectRef) -> str | None:
    response = s3.list_object_versions(Bucket=ref.bucket, Prefix=ref.key)
    versions = [v for v in response.get("Versions", []) if v["Key"] == ref.key]
    markers = [
        m for m in response.get("DeleteMarkers", []) if m["Key"] == ref.key and m["IsLatest"]
    ]
    if not any(version["VersionId"] == ref.version for version in versions):
        raise ObjectGoneError(f"{ref.uri} has no version {ref.version} any more")
    if versions[0]["VersionId"] != ref.version:
        raise ObjectReplacedError(
            f"{ref.uri} was replaced: version {versions[0]['VersionId']} is newer"
        )
    return markers[0]["VersionId"] if markers else None


def delete_object(s3: "S3Client", bucket: str, key: str, etag: str | None) -> None:
    """Delete what stands at a key if it is still the content with this ETag.

    In a versioned bucket this writes a delete marker and is undone by removing it.

    Raises:
        ObjectGoneError, ObjectReplacedError: it no longer stands there; nothing was deleted.
    """
    condition: Any = {"IfMatch": f'"{etag}"'} if etag else {}
    try:
        s3.delete_object(Bucket=bucket, Key=key, **condition)
    except ClientError as error:
        raise translated(error) from error


def download_version(s3: "S3Client", report: Report, path: Path) -> None:
    """Stream a version to a file, in one request.

    boto3's own download asks for ranges of what is larger than 8 MB, and the embedded AWS sends the
    whole for each range of a version: a file of 20 MB became one of 37 MB.

    Raises:
        ObjectGoneError: it no longer exists.
    """
    save(open_version(s3, report), path)


def open_version(s3: "S3Client", report: Report) -> "StreamingBody":
    """A version's content as a stream, which the caller closes.

    Raises:
        ObjectGoneError: it no longer exists.
    """
    version: Any = _version_argument(report)
    try:
        return s3.get_object(Bucket=report.bucket, Key=report.key, **version)["Body"]
    except ClientError as error:
        raise translated(error) from error


def read_object(s3: "S3Client", bucket: str, key: str) -> bytes:
    """Read the whole of a small file that stands at a key.

    Raises:
        ObjectGoneError: nothing stands there.
    """
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        raise translated(error) from error


def delete_all(s3: "S3Client", bucket: str, keys: Iterable[str]) -> None:
    """Delete what stands at these keys of a bucket of our own, whatever it is.

    Many keys go in one request, which is XML 1.0: what that cannot say goes alone.

    Raises:
        NotDeletedError: S3 answers 200 and names those that it did not delete; try again later.
    """
    together, alone = partition(_UNSPEAKABLE.search, keys)
    for batch in chunked(together, _DELETE_BATCH):
        answer = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
        )
        if errors := answer.get("Errors"):
            raise NotDeletedError(f"{bucket}: {len(errors)} not deleted, the first: {errors[0]}")
    for key in alone:
        s3.delete_object(Bucket=bucket, Key=key)


def _version_argument(report: Report) -> dict[str, str]:
    """Names the version in a versioned bucket."""
    return {"VersionId": report.version_id} if report.version_id else {}


def copy_version(s3: "S3Client", report: Report, to_bucket: str) -> None:
    """Copy a judged version under the same key into another bucket, in parts where it is large.

    Raises:
        ObjectGoneError: the version no longer exists.
    """
    source: Any = {"Bucket": report.bucket, "Key": report.key, **_version_argument(report)}
    try:
        s3.copy(source, to_bucket, report.key)
    except ClientError as error:
        raise translated(error) from error
