"""Videos that people send in through a browser's form, and what was made of them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from ingest_pipeline.aws.tables import InvalidCursorError, Page, Tables
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
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_VALID_SECONDS = 3600  # of forms and links
_PAGE = 1000  # rows of one call where all are asked for
_NUMBER = re.compile("[0-9]+")
_NotEmpty = Annotated[str, Field(min_length=1)]
_CURSOR = TypeAdapter(tuple[_NotEmpty, _NotEmpty])


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
    dynamodb: "DynamoDBClient"
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
        form = self.s3.generate_presigned_post(
            self.upload_bucket,
            key,
            Fields={"Content-Type": "video/webm"},
            Conditions=[
                ["content-length-range", 1, self.max_upload_bytes],
                ["starts-with", "$Content-Type", "video/"],
            ],
            ExpiresIn=_VALID_SECONDS,
        )
        return UploadForm(url=form["url"], fields=form["fields"])

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
        if mail is None:
            return self._scan(limit, cursor)
        return self.tables.page(RESPONSES, RESPONSES_BY_MAIL, mail, limit=limit, cursor=cursor)

    def _scan(self, limit: int, cursor: str | None) -> Page[VideoResponse]:
        """Read rows wherever they lie: no attribute is shared by all, so no query finds them."""
        start: Any = {"ExclusiveStartKey": _decoded(cursor)} if cursor else {}
        found = self.dynamodb.scan(TableName=RESPONSES.name, Limit=limit, **start)
        rows = [_response(item) for item in found["Items"]]
        return Page(rows, _encoded(found.get("LastEvaluatedKey")))

    def with_links(
        self, responses: Iterable[VideoResponse]
    ) -> Iterator[tuple[VideoResponse, list[str]]]:
        """Each response with links to the renditions of its video, which play in a browser.

        They are those of the version in the index. There are none while the video is on its way,
        and none any more once it is deleted.
        """
        responses = list(responses)
        keys = [{"bucket": self.upload_bucket, "file": each.video} for each in responses]
        versions = {
            asset.file: asset.version
            for asset in self.tables.get_many(ASSETS, keys)
            if asset.deleted_at is None
        }
        for response in responses:
            version = versions.get(response.video)
            yield response, self._links(response.video, version) if version else []

    def _links(self, key: str, version: str) -> list[str]:
        uri = object_uri(self.upload_bucket, key)
        renditions = self.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, uri)
        return [self._link(each) for each in renditions if each.version == version]

    def _link(self, rendition: Rendition) -> str:
        return self.s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": rendition.rendition_bucket,
                "Key": rendition.rendition_key,
                "ResponseContentDisposition": "inline",
                "ResponseContentType": rendition.content_type,
            },
            ExpiresIn=_VALID_SECONDS,
        )


def _response(item: Any) -> VideoResponse:  # noqa: ANN401 - boto3's shapes
    return VideoResponse.model_validate(
        {name: item[name]["S"] for name in VideoResponse.model_fields}
    )


def _encoded(key: Any) -> str | None:  # noqa: ANN401 - boto3's shapes
    if not key:
        return None
    text = json.dumps([key["ProjectStep"]["S"], key["Mail"]["S"]])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decoded(cursor: str) -> dict[str, Any]:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        project_step, mail = _CURSOR.validate_json(text)
    except ValueError as error:
        raise InvalidCursorError("the cursor is none that this list gave") from error
    return {"ProjectStep": {"S": project_step}, "Mail": {"S": mail}}
