"""Videos that people send in through a browser's form, and what was made of them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeGuard

from ingest_pipeline.aws.items import Page
from ingest_pipeline.aws.objects.signing import signed_form, signed_get
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.model import (
    Rendition,
    VideoResponse,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    RESPONSES,
    RESPONSES_BY_MAIL,
)
from ingest_pipeline.values import Frozen, object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PAGE = 1000  # rows of one call where all are asked for
_NUMBER = re.compile("[+-]?[0-9]+")
_MOST_BYTES = 1024  # of a key in UTF-8: longer ones neither S3 nor our index takes
_KEY = ("ProjectStep", "Mail")  # of the table


class UploadForm(Frozen):
    """A form that uploads one file: post `fields`, and after them `file`, to `url`.

    The form has a Content-Type field because a policy judges fields only, never the header that a
    browser gives to the part with the file. A client sends `video/webm` along as it came, or
    replaces it by another video type.
    """

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Responses:
    """Invites videos, and finds them again."""

    s3: "S3Client"
    tables: Tables
    upload_bucket: str
    max_upload_bytes: int

    def invite(self, project: str, step: str, mail: str) -> UploadForm:
        """Make the form for a person's answer to a step; a step that is no number counts as 0.

        The row is written first: nothing can be uploaded that is not on record. Invited again,
        the same person gets the same key, where a newer upload takes the older one's place.
        """
        number = int(step) if _NUMBER.fullmatch(step) else 0
        person = blake2b(mail.encode(), digest_size=10).hexdigest()
        key = f"{project}/{number}/{person}.webm"
        response = VideoResponse(ProjectStep=f"{project}-{number}", Mail=mail, video=key)
        self.tables.put(RESPONSES, [response])
        return self._form(key)

    def _form(self, key: str) -> UploadForm:
        form = signed_form(
            self.s3,
            self.upload_bucket,
            key,
            content_type="video/webm",
            family="video/",
            most_bytes=self.max_upload_bytes,
        )
        return UploadForm(url=form.url, fields=form.fields)

    def all(self, mail: str | None) -> Iterator[VideoResponse]:
        """Every response, or every one of a person, fetched as they are asked for."""
        cursor: str | None = None
        while True:
            page = self.page(mail, _PAGE, cursor)
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    def page(self, mail: str | None, limit: int, cursor: str | None) -> Page[VideoResponse]:
        """Up to `limit` responses: a person's by project and step, everybody's in no order.

        Raises:
            InvalidCursorError: the cursor is none that this list gave.
        """
        if mail is None:  # no attribute is shared by all, so no query finds them
            return self.tables.scan(RESPONSES, key=_KEY, limit=limit, cursor=cursor)
        return self.tables.page(RESPONSES, RESPONSES_BY_MAIL, mail, limit=limit, cursor=cursor)

    def with_links(
        self, responses: Iterable[VideoResponse]
    ) -> Iterator[tuple[VideoResponse, list[str]]]:
        """Each response with links to the renditions of its video, which play in a browser.

        They are those of the version in the index. There are none while the video is on its way,
        and none any more once it is deleted.
        """
        responses = list(responses)
        videos = [each.video for each in responses if _is_key(each.video)]
        keys = [{"bucket": self.upload_bucket, "file": video} for video in videos]
        versions = {
            asset.file: asset.version
            for asset in self.tables.get_many(ASSETS, keys)
            if asset.deleted_at is None
        }
        for response in responses:
            key = response.video
            version = versions.get(key) if key else None
            yield response, self._links(key, version) if key and version else []

    def _links(self, key: str, version: str) -> list[str]:
        uri = object_uri(self.upload_bucket, key)
        renditions = self.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, uri)
        return [self._link(each) for each in renditions if _is_file(each, version)]

    def _link(self, rendition: Rendition) -> str:
        return signed_get(
            self.s3,
            rendition.rendition_bucket,
            rendition.rendition_key,
            content_type=rendition.content_type,
            disposition="inline",
        )


def _is_file(rendition: Rendition, version: str) -> bool:
    """Whether one link leads to all of it: the files of a ladder need one each."""
    return rendition.version == version and not rendition.is_ladder


def _is_key(text: str | None) -> TypeGuard[str]:
    return text is not None and 0 < len(text.encode()) <= _MOST_BYTES
