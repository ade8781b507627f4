"""Links by which a browser fetches from S3, or puts there, what it may: signed, for an hour.

What is fetched comes with a type that we chose by its content: never one that a browser runs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ingest_pipeline.aws.objects.signing import signed_get, signed_put
from ingest_pipeline.media.model import Kind
from ingest_pipeline.records.model import (
    Preview,
    Rendition,
    Report,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_UNKNOWN_TYPE = "application/octet-stream"
_TYPES = {
    (Kind.AUDIO, "wav"): "audio/wav",
    (Kind.AUDIO, "rf64"): "audio/wav",
    (Kind.AUDIO, "bw64"): "audio/wav",
    (Kind.AUDIO, "flac"): "audio/flac",
    (Kind.AUDIO, "mp3"): "audio/mpeg",
    (Kind.AUDIO, "mp2"): "audio/mpeg",
    (Kind.AUDIO, "aac"): "audio/aac",
    (Kind.AUDIO, "m4a"): "audio/mp4",
    (Kind.AUDIO, "ogg"): "audio/ogg",
    (Kind.AUDIO, "mp4"): "audio/mp4",
    (Kind.AUDIO, "mov"): "audio/mp4",
    (Kind.AUDIO, "3gp"): "audio/mp4",
    (Kind.AUDIO, "webm"): "audio/webm",
    (Kind.VIDEO, "ogg"): "video/ogg",
    (Kind.VIDEO, "mp4"): "video/mp4",
    (Kind.VIDEO, "3gp"): "video/mp4",
    (Kind.VIDEO, "mov"): "video/quicktime",
    (Kind.VIDEO, "webm"): "video/webm",
    (Kind.VIDEO, "matroska"): "video/x-matroska",
    (Kind.IMAGE, "jpeg"): "image/jpeg",
    (Kind.IMAGE, "png"): "image/png",
    (Kind.IMAGE, "gif"): "image/gif",
    (Kind.IMAGE, "webp"): "image/webp",
    (Kind.IMAGE, "avif"): "image/avif",
    (Kind.IMAGE, "bmp"): "image/bmp",
}


def content_type(report: Report) -> str | None:
    """The type under which a browser may show or play an object; None: for download only."""
    probe = report.probe
    return _TYPES.get((probe.kind, probe.container or "")) if probe else None


@dataclass(frozen=True)
class Use:
    """What a browser shall do with an object: the headers it comes with."""

    content_type: str
    disposition: str

    @classmethod
    def of(cls, report: Report, *, download: bool) -> "Use":
        """Show it where that is safe, unless it is to be saved; saved it has its own name."""
        shown_as = content_type(report)
        if shown_as and not download:
            return cls(shown_as, "inline")
        return cls.saved(report.key)

    @classmethod
    def saved(cls, key: str) -> "Use":
        """Save it under its own name."""
        name = quote(key.rpartition("/")[2], safe="")
        return cls(_UNKNOWN_TYPE, f"attachment; filename*=UTF-8''{name}")


@dataclass(frozen=True)
class Links:
    """Makes links; making one asks nobody."""

    s3: "S3Client"

    def content(self, report: Report, use: Use) -> str:
        """A link to what stands at an object's key."""
        return self.standing(report.bucket, report.key, use)

    def standing(self, bucket: str, key: str, use: Use) -> str:
        """The same of an object that may have no report."""
        return signed_get(
            self.s3,
            bucket,
            key,
            content_type=use.content_type,
            disposition=use.disposition,
        )

    def rendition(self, rendition: Rendition) -> str:
        """A link to a rendition."""
        return signed_get(
            self.s3,
            rendition.rendition_bucket,
            rendition.rendition_key,
            content_type=rendition.content_type,
        )

    def stream_file(self, rendition: Rendition, name: str, content_type: str) -> str:
        """A link to a file of a ladder, which a browser may keep: a version has its own."""
        folder = rendition.rendition_key.rpartition("/")[0]
        return signed_get(
            self.s3,
            rendition.rendition_bucket,
            f"{folder}/{name}",
            content_type=content_type,
            cache_control="private, max-age=604800, immutable",
        )

    def picture(self, preview: Preview, key: str) -> str:
        """A link to a picture of a preview, which a browser may keep: a version has one."""
        return signed_get(
            self.s3,
            preview.preview_bucket,
            key,
            content_type=preview.content_type or _UNKNOWN_TYPE,
            cache_control="private, max-age=604800, immutable",
        )

    def upload(self, bucket: str, key: str, size: int) -> str:
        """A link at which a browser puts a file of exactly `size` bytes."""
        return signed_put(self.s3, bucket, key, size=size)

    def origin(self, bucket: str) -> str:
        """The origin, `https://host:port`, of all links to a bucket."""
        url = urlsplit(signed_get(self.s3, bucket, "any"))
        return f"{url.scheme}://{url.netloc}"
