"""S3 objects as files that fetch 64 KiB blocks, and lists of what lies in a bucket."""

import io
import shutil
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from more_itertools import chunked

from ingest_pipeline.catalog.model import ObjectRef, Report
from ingest_pipeline.media.wav import ReadBudgetError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client

BLOCK = 64 * 1024  # bytes; the header of a WAV fits in one
_MAX_BLOCKS = 64
_DELETE_BATCH = 1000  # DeleteObjects' limit
_COPY_BYTES = 1024 * 1024
_PUBLISH_ATTEMPTS = 3
_SOURCE_TIME = "source-last-modified"  # metadata of what was made from an object
_SOURCE_VERSION = "source-version"


class ObjectGoneError(Exception):
    """Nothing stands at the key any more."""


class ObjectReplacedError(Exception):
    """Another version than the expected one stands at the key."""


@dataclass(frozen=True)
class ObjectState:
    """What S3 says of the version at hand."""

    version: str | None  # None in an unversioned bucket
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True)
class Standing:
    """The newest version of a key; `deleted` when a delete marker stands above it."""

    ref: ObjectRef
    deleted: bool


class RangedObject(io.RawIOBase):
    """A version of an object as a seekable file: reads whole blocks, keeps what it read.

    Every request is conditional on the ETag of the first, so a file is never pieced together
    from two uploads. `calls` and `bytes_read` count what the reading took.

    Raises on opening:
        ObjectGoneError, ObjectReplacedError: the object is not there as the reference says.
    Raises on reading:
        ReadBudgetError: more than `max_blocks` were asked for, other than by reading all.
        ObjectGoneError, ObjectReplacedError: it was deleted or overwritten meanwhile.
    """

    def __init__(
        self,
        s3: "S3Client",
        ref: ObjectRef,
        *,
        noncurrent: bool = False,
        max_blocks: int = _MAX_BLOCKS,
    ) -> None:
        super().__init__()
        self._s3 = s3
        self._max_blocks = max_blocks
        self._where: dict[str, Any] = {"Bucket": ref.bucket, "Key": ref.key}
        self._position = 0
        self._blocks: dict[int, bytes] = {}
        self.calls = 0
        self.bytes_read = 0
        if noncurrent and ref.version:
            self._where["VersionId"] = ref.version
        if ref.etag:
            self._where["IfMatch"] = f'"{ref.etag}"'
        self.state = self._open(expect_empty=ref.size == 0)
        if ref.version and self.state.version and self.state.version != ref.version:
            raise ObjectReplacedError(f"version {self.state.version} stands there")
        self._where["IfMatch"] = f'"{self.state.etag}"'

    def _open(self, *, expect_empty: bool) -> ObjectState:
        if expect_empty:
            return self._head()
        try:
            response, self._blocks[0] = self._get(0, BLOCK - 1)
        except ClientError as error:
            if _code(error) == "InvalidRange":  # no byte satisfies a range of an empty object
                return self._head()
            raise
        return _state(response, _whole_size(response))

    def _head(self) -> ObjectState:
        response = self._call(self._s3.head_object)
        return _state(response, response["ContentLength"])

    def _get(self, start: int, end: int) -> tuple[Any, bytes]:
        """Answer with these bytes, also where the server sends the whole instead, as HTTP allows.

        (The embedded AWS does so when asked for a version.)
        """
        response = self._call(self._s3.get_object, Range=f"bytes={start}-{end}")
        content = response["Body"].read()
        self.bytes_read += len(content)
        is_range = "ContentRange" in response
        return response, content if is_range else content[start : end + 1]

    def _call(self, operation: Any, **request: Any) -> Any:  # noqa: ANN401 - boto3's shapes
        self.calls += 1
        try:
            return operation(**self._where, **request)
        except ClientError as error:
            raise _translated(error) from error

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= self._max_blocks:
                raise ReadBudgetError(self._max_blocks)
            start = number * BLOCK
            end = min(start + BLOCK, self.state.size) - 1
            _, self._blocks[number] = self._get(start, end)
        return self._blocks[number]

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Fill the buffer; less only at the end of the object."""
        filled = 0
        while filled < len(buffer) and self._position < self.state.size:
            number, offset = divmod(self._position, BLOCK)
            piece = self._block(number)[offset : offset + len(buffer) - filled]
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def readall(self) -> bytes:
        """Read from the position to the end, each stretch that is not held yet in one call.

        It is not kept, and there may be any amount of it: look at `state.size` first.
        """
        pieces = []
        while self._position < self.state.size:
            number, offset = divmod(self._position, BLOCK)
            if number in self._blocks:
                piece = self._blocks[number][offset:]
            else:
                starts = (held * BLOCK for held in self._blocks if held > number)
                _, piece = self._get(self._position, min(starts, default=self.state.size) - 1)
            pieces.append(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes; seeking fetches nothing."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.state.size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def tell(self) -> int:
        """The byte position."""
        return self._position


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
            version = entry["VersionId"]
            ref = ObjectRef(
                bucket=bucket,
                key=last_key,
                version=None if version == "null" else version,
                etag=entry["ETag"].strip('"'),
                size=entry["Size"],
                arrived=entry["LastModified"],
            )
            yield Standing(ref, deleted=last_key in deleted)
            deleted.discard(last_key)


def _whole_size(response: Any) -> int:  # noqa: ANN401 - boto3's shapes
    if "ContentRange" in response:
        return int(response["ContentRange"].rpartition("/")[2])
    return int(response["ContentLength"])


def _state(response: Any, size: int) -> ObjectState:  # noqa: ANN401 - boto3's shapes
    version = response.get("VersionId")
    return ObjectState(
        version=None if version == "null" else version,
        etag=response["ETag"].strip('"'),
        size=size,
        last_modified=response["LastModified"],
    )


def _translated(error: ClientError) -> Exception:
    if _code(error) in {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}:
        return ObjectGoneError(str(error))
    if _code(error) in {"PreconditionFailed", "412"}:
        return ObjectReplacedError(str(error))
    return error


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def object_state(s3: "S3Client", bucket: str, key: str) -> ObjectState:
    """What stands at a key now.

    Raises:
        ObjectGoneError: nothing does.
    """
    try:
        response = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise _translated(error) from error
    return _state(response, response["ContentLength"])


def is_current(s3: "S3Client", report: Report) -> bool:
    """Whether a version is what stands at its key."""
    try:
        standing = object_state(s3, report.bucket, report.key)
    except ObjectGoneError:
        return False
    return report.version in {standing.version, standing.etag}


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
        raise _translated(error) from error


def download_version(s3: "S3Client", report: Report, path: Path) -> None:
    """Stream a version to a file, in one request.

    boto3's own download asks for ranges of what is larger than 8 MB, and the embedded AWS sends the
    whole for each range of a version: a file of 20 MB became one of 37 MB.

    Raises:
        ObjectGoneError: it no longer exists.
    """
    with closing(open_version(s3, report)) as body, path.open("wb") as file:
        shutil.copyfileobj(body, file, _COPY_BYTES)


def open_version(s3: "S3Client", report: Report) -> "StreamingBody":
    """A version's content as a stream, which the caller closes.

    Raises:
        ObjectGoneError: it no longer exists.
    """
    version: Any = _version_argument(report)
    try:
        return s3.get_object(Bucket=report.bucket, Key=report.key, **version)["Body"]
    except ClientError as error:
        raise _translated(error) from error


@dataclass(frozen=True)
class Published:
    """What stands at a key where something made from an object was published."""

    size: int  # bytes
    source_version: str | None


def published(s3: "S3Client", bucket: str, key: str) -> Published:
    """What stands at a key, and from which version it was made.

    Raises:
        ObjectGoneError: nothing stands there.
    """
    try:
        standing = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise _translated(error) from error
    return Published(standing["ContentLength"], standing["Metadata"].get(_SOURCE_VERSION))


def publish(
    s3: "S3Client", path: Path, bucket: str, key: str, *, content_type: str, source: Report
) -> bool:
    """Write a file made from a version, unless what stands there was made from a newer one.

    Each write is conditional on what was found, so of two runs the newer source wins whichever
    is later. Returns whether it was written.

    Raises:
        ObjectReplacedError: others wrote there as often as we tried.
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
        ObjectReplacedError: others wrote there as often as we tried.
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
                Metadata={_SOURCE_TIME: made_from, _SOURCE_VERSION: source.version},
                **condition,
            )
        except ClientError as error:
            if _code(error) not in {"PreconditionFailed", "ConditionalRequestConflict", "412"}:
                raise
            if attempt == _PUBLISH_ATTEMPTS:
                raise ObjectReplacedError(f"s3://{bucket}/{key} is written by others") from error
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
        if isinstance(_translated(error), ObjectGoneError):
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


def _timestamp(source: Report) -> str:
    return (source.last_modified or source.judged_at).astimezone(UTC).isoformat()


def delete_all(s3: "S3Client", bucket: str, keys: Iterable[str]) -> None:
    """Delete what stands at these keys of a bucket of our own, whatever it is."""
    for batch in chunked(keys, _DELETE_BATCH):
        s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
        )


def _version_argument(report: Report) -> dict[str, str]:
    """Names the version in a versioned bucket."""
    return {"VersionId": report.version} if report.version != report.etag else {}


def copy_version(s3: "S3Client", report: Report, to_bucket: str) -> None:
    """Copy a judged version under the same key into another bucket, in parts where it is large.

    Raises:
        ObjectGoneError: the version no longer exists.
    """
    source: Any = {"Bucket": report.bucket, "Key": report.key, **_version_argument(report)}
    try:
        s3.copy(source, to_bucket, report.key)
    except ClientError as error:
        raise _translated(error) from error
