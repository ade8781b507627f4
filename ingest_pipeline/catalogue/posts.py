"""Posts: what people share, with a photo that they upload and what is seen on it."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import Field, TypeAdapter

from ingest_pipeline.aws.items import Items, Page
from ingest_pipeline.aws.objects.listing import list_current_versions
from ingest_pipeline.aws.objects.signing import signed_get, signed_put
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.records.model import (
    Post,
    Report,
)
from ingest_pipeline.records.tables import (
    POSTS,
    POSTS_BY_USER,
    Condition,
)
from ingest_pipeline.values import Frozen, Timestamp

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_USER, _POST = "USER#", "POST#"  # before the names and ids in the table
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAGE = 1000  # rows of one call where all are asked for
_MOST_NAME_BYTES = 200  # of a file's name in its key, of which S3 takes 1024 in all
_UNKNOWN_TYPE = "application/octet-stream"
_TIMESTAMP: TypeAdapter[datetime] = TypeAdapter(Timestamp)

# Stands for a post that is there. The system before this one left rows without a title behind,
# where labels came after their post was deleted.
_IS_THERE = Condition("attribute_exists(title)")


class Upload(Frozen):
    """Where a client puts a photo, with the Content-Type that it named."""

    upload_url: str = Field(serialization_alias="uploadURL")
    object_name: str = Field(serialization_alias="objectName", description="The key.")


@dataclass(frozen=True)
class Posts:
    """Takes, lists and deletes posts, and shows images in them.

    `user` is a name without slashes, `post_id` the part of a row's id behind `POST#`. Every read
    of the table is consistent: clients list posts as soon as they have changed something.
    """

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    deletions: DeleteRequests
    bucket: str

    @property
    def _items(self) -> Items:
        return Items(self.dynamodb, POSTS.name)

    def create(self, user: str, title: str, body: str) -> tuple[str, dict[str, Any]]:
        """Add a post; its id, and DynamoDB's answer."""
        post_id = str(uuid4())
        texts = {"title": title, "body": body}
        return post_id, self._items.put(_key(user, post_id) | texts)

    def all(self, user: str | None) -> Iterator[Post]:
        """Every post, or every one of a user, fetched as they are asked for."""
        cursor: str | None = None
        while True:
            page = self.page(user, _PAGE, cursor)
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    def page(self, user: str | None, limit: int, cursor: str | None) -> Page[Post]:
        """Up to `limit` posts: a user's in the order of their ids, everybody's in no order.

        Raises:
            InvalidCursorError: the cursor is none that this list gave.
        """
        if user is None:
            found = self._items.scan(
                key=("user", "id"),
                limit=limit,
                cursor=cursor,
                condition=_IS_THERE,
                consistent=True,
            )
        else:
            found = self._items.page(
                POSTS_BY_USER,
                _USER + user,
                limit=limit,
                cursor=cursor,
                condition=_IS_THERE,
                consistent=True,
            )
        return Page([_post(fields) for fields in found.rows], found.cursor)

    def delete(self, user: str, post_id: str) -> dict[str, Any] | None:
        """Delete a user's post and order the deletion of its images; DynamoDB's answer.

        None where the user has no such post. The orders go first: if they cannot be sent, nothing
        has changed. An image that was uploaded meanwhile is ordered after; one that comes later
        finds no post when it is to be shown.
        """
        if not self._has(user, post_id):
            return None
        ordered = self._order_images(user, post_id)
        answer = self._items.delete(_key(user, post_id), _IS_THERE)  # None: another was faster
        self._order_images(user, post_id, but=ordered)
        return answer

    def _has(self, user: str, post_id: str) -> bool:
        if not _ID.fullmatch(post_id):
            return False
        return "title" in (self._items.get(_key(user, post_id)) or {})

    def _order_images(
        self, user: str, post_id: str, but: frozenset[tuple[str, str | None]] = frozenset()
    ) -> frozenset[tuple[str, str | None]]:
        """Order the deletion of what stands below a post's prefix now; keys and versions."""
        standing = frozenset(list_current_versions(self.s3, self.bucket, f"{user}/{post_id}/"))
        for key, version in standing - but:
            self._order(key, version)
        return standing

    def orphaned(self, key: str, version: str) -> None:
        """Order the deletion of a version that `show` found no post for."""
        self._order(key, version)

    def _order(self, key: str, version: str | None) -> None:
        self.deletions.request(self.bucket, key, version)

    def upload(self, user: str, post_id: str, file_name: str, content_type: str) -> Upload | None:
        """Where to put a photo of a user's post within an hour; None where there is no such post.

        Its key is `<user>/<post id>/<uuid4><file name>`.
        """
        if not self._has(user, post_id):
            return None
        key = f"{user}/{post_id}/{uuid4()}{readable_name(file_name)}"
        url = signed_put(self.s3, self.bucket, key, content_type=content_type)
        return Upload(upload_url=url, object_name=key)

    def link(self, post: Post) -> str | None:
        """Where a post's image is shown, for an hour; None while there is none to show.

        S3 answers with the type that the content has, never with the one its uploader claimed.
        """
        if post.shown_image is None:
            return None
        content_type = post.image_type or _UNKNOWN_TYPE
        return signed_get(
            self.s3,
            self.bucket,
            post.shown_image,
            content_type=content_type,
            disposition="attachment" if content_type == _UNKNOWN_TYPE else "inline",
        )

    def show(self, report: Report, labels: Sequence[str] | None = None) -> bool:
        """Show an indexed image in the post that its key names, and what is seen on it if known.

        Of several images the one that was uploaded last is shown, in whatever order they are told.
        False where the post is no more: the image is an orphan, see `orphaned`. What is no photo of
        a post has no post to miss.
        """
        named = self._post_of(report)
        if named is None:
            return True
        container = report.probe.container if report.probe else None
        shown: dict[str, Any] = {
            "image": report.key,
            "image_type": f"image/{container}" if container else None,
            "image_version": report.version,
        }
        if labels is not None:
            shown |= {"labels": [*labels], "labels_of": report.version}
        return self._tell(named, "image", report, shown) or self._has(*named)

    def refuse(self, report: Report) -> None:
        """Say in the post that a photo's key names why the photo is not shown.

        An image that was shown stays, unless this one took its place at its key.
        """
        named = self._post_of(report)
        if named is not None:
            self._tell(named, "refused", report, {"refused": report.key, "reason": report.why})

    def _post_of(self, report: Report) -> tuple[str, str] | None:
        """The user and the post id in the key of a photo; None: it is no photo of a post."""
        return _named_by(report.key) if report.bucket == self.bucket else None

    def _tell(
        self, named: tuple[str, str], what: str, report: Report, fields: dict[str, Any]
    ) -> bool:
        """Write what is known of a photo; False: there is no post, or a later photo is told.

        S3 tells whole seconds: within one whoever looked last knows best, as in the index.
        """
        at, seen = map(_stored, (report.last_modified or report.judged_at, report.judged_at))
        is_latest = Condition(
            f"{_IS_THERE.expression} AND (attribute_not_exists({what}_at) OR {what}_at < :at OR "
            f"({what}_at = :at AND "
            f"(attribute_not_exists({what}_seen_at) OR {what}_seen_at <= :seen)))",
            values={":at": at, ":seen": seen},
        )
        told = fields | {f"{what}_at": at, f"{what}_seen_at": seen}
        return self._items.update(_key(*named), told, is_latest)


def readable_name(file_name: str) -> str:
    """A file's name as it may end a key: its last part, of printable characters, not too long."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", file_name))[-1]
    shown = "".join(filter(str.isprintable, last)).strip(". ")
    return shown.encode()[-_MOST_NAME_BYTES:].decode(errors="ignore")  # the end has the suffix


def _stored(moment: datetime) -> str:
    """As the table holds it: of one width, so that text compares as the moments do."""
    text: str = _TIMESTAMP.dump_python(moment, mode="json")
    return text


def _key(user: str, post_id: str) -> dict[str, str]:
    return {"user": _USER + user, "id": _POST + post_id}


def _named_by(key: str) -> tuple[str, str] | None:
    """The user and the post id in a photo's key; None in another key."""
    match key.split("/"):
        case [user, post_id, name] if user and name and _ID.fullmatch(post_id):
            return user, post_id
        case _:
            return None


def _post(fields: dict[str, Any]) -> Post:
    """A row, without the attributes that the system before this one held in another type."""
    texts = {
        name: value
        for name, value in fields.items()
        if name in Post.model_fields and isinstance(value, str)
    }
    labels = fields.get("labels")
    return Post.model_validate(texts | {"labels": labels if isinstance(labels, list) else []})
