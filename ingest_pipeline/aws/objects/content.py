"""What stands at a key, whole: read, or written over."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects.state import ObjectState, object_state
from ingest_pipeline.errors import RefusedError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client


_COPY_BYTES = 1024 * 1024


class ObjectTooLargeError(RefusedError):
    """An object has more bytes than its reader takes."""


@dataclass(frozen=True)
class Content:
    """An object's bytes, and the type that it was put with."""

    data: bytes
    type: str


def open_object(s3: "S3Client", bucket: str, key: str) -> "StreamingBody":
    """What stands at a key as a stream, which the caller closes.

    Raises:
        ClientError: nothing does, or S3 refuses.
    """
    return s3.get_object(Bucket=bucket, Key=key)["Body"]


def read_object(s3: "S3Client", bucket: str, key: str, most_bytes: int) -> Content:
    """What stands at a key, in one call.

    Raises:
        ObjectTooLargeError: it has more than `most_bytes`; none of them was kept.
        ClientError: nothing stands there, or S3 refuses.
    """
    answer = s3.get_object(Bucket=bucket, Key=key)
    with closing(answer["Body"]) as body:
        if (size := answer["ContentLength"]) > most_bytes:
            raise ObjectTooLargeError(f"s3://{bucket}/{key} has {size} bytes")
        return Content(body.read(), answer["ContentType"])


def download_object(s3: "S3Client", bucket: str, key: str, path: Path) -> None:
    """Stream what stands at a key to a file, in one call.

    Raises:
        ClientError: nothing stands there, or S3 refuses; there is no file then.
    """
    save(open_object(s3, bucket, key), path)


def save(content: "StreamingBody", path: Path) -> None:
    """Write a stream to a file, and close both."""
    with closing(content), path.open("wb") as file:
        shutil.copyfileobj(content, file, _COPY_BYTES)


def write_object(s3: "S3Client", bucket: str, key: str, data: bytes) -> None:
    """Put bytes at a key, whatever stands there."""
    s3.put_object(Bucket=bucket, Key=key, Body=data)


def upload_file(
    s3: "S3Client",
    path: Path,
    bucket: str,
    key: str,
    on_bytes: Callable[[int], None] | None = None,
) -> ObjectState:
    """Put a file at a key, in parts where it is large; what stands there then.

    `on_bytes` is told the size of each piece sent.
    """
    s3.upload_file(str(path), bucket, key, Callback=on_bytes)
    return object_state(s3, bucket, key)
