"""Links by which a browser fetches one object or puts one there, good for an hour.

Signing asks nobody, and says nothing of whether the object is there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

VALID_SECONDS = 3600


@dataclass(frozen=True)
class SignedForm:
    """A form that uploads one file: post `fields`, and after them `file`, to `url`."""

    url: str
    fields: dict[str, str]


def signed_get(
    s3: "S3Client",
    bucket: str,
    key: str,
    *,
    content_type: str | None = None,
    disposition: str | None = None,
    cache_control: str | None = None,
) -> str:
    """A link to what stands at a key, which comes with these headers in the place of its own."""
    headers = {
        "ResponseContentType": content_type,
        "ResponseContentDisposition": disposition,
        "ResponseCacheControl": cache_control,
    }
    return _signed(s3, "get_object", bucket, key, headers)


def signed_put(
    s3: "S3Client",
    bucket: str,
    key: str,
    *,
    content_type: str | None = None,
    size: int | None = None,
) -> str:
    """A link at which a file is put: with this type and of exactly `size` bytes, where given."""
    return _signed(
        s3, "put_object", bucket, key, {"ContentType": content_type, "ContentLength": size}
    )


def signed_form(
    s3: "S3Client", bucket: str, key: str, *, content_type: str, family: str, most_bytes: int
) -> SignedForm:
    """A form for a file of 1 to `most_bytes` bytes at a key.

    Its field Content-Type says `content_type`, and may be replaced by another type that begins
    with `family`, as in `video/`.
    """
    form = s3.generate_presigned_post(
        bucket,
        key,
        Fields={"Content-Type": content_type},
        Conditions=[
            ["content-length-range", 1, most_bytes],
            ["starts-with", "$Content-Type", family],
        ],
        ExpiresIn=VALID_SECONDS,
    )
    return SignedForm(form["url"], form["fields"])


def unsigned_url(s3: "S3Client", bucket: str, key: str) -> str:
    """The address of an object, for those who have a right of their own to it; never ends."""
    return f"{s3.meta.endpoint_url}/{bucket}/{quote(key)}"


def _signed(
    s3: "S3Client",
    operation: str,
    bucket: str,
    key: str,
    options: dict[str, Any],
) -> str:
    told = {name: value for name, value in options.items() if value is not None}
    return s3.generate_presigned_url(
        operation, Params={"Bucket": bucket, "Key": key, **told}, ExpiresIn=VALID_SECONDS
    )
