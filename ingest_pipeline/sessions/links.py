"""Links that last: they lead to our own HTTP API, which signs one for S3 when it is asked."""

from urllib.parse import quote

_S3 = "s3://"


def recording_link(catalogue_url: str, uri: str) -> str:
    """Our address of what stands at `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    return f"{catalogue_url.rstrip('/')}/content/{bucket}?key={quote(key)}"
