"""Addresses of ladders: a playlist names its files by what stands behind the last slash."""

import base64
import binascii
import json

from pydantic import Field, ValidationError

from ingest_pipeline.records.model import Rendition
from ingest_pipeline.values import Frozen


class StreamAddress(Frozen):
    """Which ladder of a bucket, in one part of a path.

    A key has slashes and dots, which browsers resolve, so it is encoded.
    """

    key: str = Field(min_length=1)  # no key of a row is empty
    version: str = Field(min_length=1)
    preset: str = Field(min_length=1)

    @property
    def encoded(self) -> str:
        """The part of the path."""
        text = json.dumps([self.key, self.version, self.preset], ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decoded(cls, place: str) -> "StreamAddress | None":
        """Read a part of a path; None: it is none of ours."""
        try:
            text = base64.urlsafe_b64decode(place + "=" * (-len(place) % 4))
            key, version, preset = json.loads(text)
            return cls(key=key, version=version, preset=preset)
        except (binascii.Error, ValueError, TypeError, RecursionError, ValidationError):
            return None


def stream_href(rendition: Rendition, name: str) -> str:
    """Our address of a file of a ladder."""
    place = StreamAddress(key=rendition.key, version=rendition.version, preset=rendition.preset)
    return f"/stream/{rendition.bucket}/{place.encoded}/{name}"
