"""What lies in a bucket, page by page."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ingest_pipeline.aws.objects.state import known_version
from ingest_pipeline.records.model import ObjectRef

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Standing:
    """The newest version of a key; `deleted` when a delete marker stands above it."""

    ref: ObjectRef
    deleted: bool


class ListedFile(NamedTuple):
    """A file as the listing shows it."""

    key: str
    size: int  # bytes
    modified: datetime


def list_objects(s3: "S3Client", bucket: str, days: Container[str]) -> Iterator[ObjectRef]:
    """What stands in a bucket now and was last written on these days (UTC), page by page.

    Listings tell no versions: the probe finds them out.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for page in pages:
        for entry in page.get("Contents", []):
            ref = ObjectRef(
                bucket=bucket,
                key=entry["Key"],
                etag=entry["ETag"].strip('"'),
                size=entry["Size"],
                arrived=entry["LastModified"],
            )
            if ref.day in days:
                yield ref


def list_keys(s3: "S3Client", bucket: str, prefix: str) -> list[str]:
    """The keys that stand below a prefix now, in their order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def list_files(s3: "S3Client", bucket: str, prefix: str, after: str = "") -> Iterator[ListedFile]:
    """The files below a prefix that come after it, or after `after`, in the order of their keys."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=after or prefix
    )
    for page in pages:
        for entry in page.get("Contents", []):
            yield ListedFile(entry["Key"], entry["Size"], entry["LastModified"])


def list_folders(s3: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    """The prefixes one level below a prefix, each with its slash, in order."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    for page in pages:
        for entry in page.get("CommonPrefixes", []):
            yield entry["Prefix"]


def list_current_versions(
    s3: "S3Client", bucket: str, prefix: str
) -> Iterator[tuple[str, str | None]]:
    """The keys that stand below a prefix now, each with its version; None: it has none."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for entry in page.get("Versions", []):
            if entry["IsLatest"]:
                yield entry["Key"], known_version(entry["VersionId"])


def list_newest_versions(s3: "S3Client", bucket: str) -> Iterator[Standing]:
    """The newest version of every key, in the order of the keys (by their UTF-8 bytes)."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    deleted: set[str] = set()
    last_key = None
    for page in pages:
        deleted.update(m["Key"] for m in page.get("DeleteMarkers", []) if m["IsLatest"])
        for entry in page.get("Versions", []):
            if entry["Key"] == last_key:  # an older version: the newest comes first
                continue
            last_key = entry["Key"]
            ref = ObjectRef(
                bucket=bucket,
                key=last_key,
                version=known_version(entry["VersionId"]),
                etag=entry["ETag"].strip('"'),
                size=entry["Size"],
                arrived=entry["LastModified"],
            )
            yield Standing(ref, deleted=last_key in deleted)
            deleted.discard(last_key)
