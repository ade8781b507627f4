"""Posts: what people share, with a photo that they upload and what is seen on it."""

import base64
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from pydantic import Field, TypeAdapter

from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, delete_order_body
from ingest_pipeline.aws.objects.ranged import RangedObject
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
)
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import InvalidCursorError, Page, Tables
from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.sniff import sniff
from ingest_pipeline.records.model import (
    ObjectRef,
    Post,
)
from ingest_pipeline.records.tables import (
    POSTS,
    POSTS_BY_USER,
)
from ingest_pipeline.values import Frozen, Timestamp

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_USER, _POST = "USER#", "POST#"  # before the names and ids in the table
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VALID_SECONDS = 3600  # of links
_PAGE = 1000  # rows of one call where all are asked for
_MOST_NAME_BYTES = 200  # of a file's name in its key, of which S3 takes 1024 in all
_HEAD = 64 * 1024  # bytes that tell an image's type
_UNKNOWN_TYPE = "application/octet-stream"
_NotEmpty = Annotated[str, Field(min_length=1)]
_CURSOR = TypeAdapter(tuple[_NotEmpty, _NotEmpty])
_TIMESTAMP: TypeAdapter[datetime] = TypeAdapter(Timestamp)

# Stands for a post that is there. The system before this one left rows without a title behind,
# where labels came after their post was deleted.
_IS_THERE = "attribute_exists(title)"


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
    tables: Tables
    delete_queue: Queue
    bucket: str

    def create(self, user: str, title: str, body: str) -> tuple[str, dict[str, Any]]:
        """Add a post; its id, and DynamoDB's answer."""
        post_id = str(uuid4())
        texts = {"title": {"S": title}, "body": {"S": body}}
        answer = self.dynamodb.put_item(TableName=POSTS.name, Item=_key(user, post_id) | texts)
        return post_id, {**answer}

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
        request: dict[str, Any] = {
            "TableName": POSTS.name,
            "Limit": limit,
            "ConsistentRead": True,
            "FilterExpression": _IS_THERE,
        }
        if cursor:
            request["ExclusiveStartKey"] = _decoded(cursor, user)
        if user is None:
            found: Any = self.dynamodb.scan(**request)
        else:
            found = self.dynamodb.query(
                **request,
                KeyConditionExpression="#user = :user",
                ExpressionAttributeNames={"#user": POSTS_BY_USER.attribute},
                ExpressionAttributeValues={":user": {"S": _USER + user}},
            )
        return Page([_post(item) for item in found["Items"]], _encoded(found))

    def delete(self, user: str, post_id: str) -> dict[str, Any] | None:
        """Delete a user's post and order the deletion of its images; DynamoDB's answer.

        None where the user has no such post. The orders go first: if they cannot be sent, nothing
        has changed. An image that was uploaded meanwhile is ordered after; one that comes later
        finds no post when it is labelled.
        """
        if not self._has(user, post_id):
            return None
        ordered = self._order_images(user, post_id)
        answer = self._remove(user, post_id)
        self._order_images(user, post_id, but=ordered)
        return answer

    def _remove(self, user: str, post_id: str) -> dict[str, Any] | None:
        """Delete the row; None where another client was faster."""
        try:
            answer = self.dynamodb.delete_item(
                TableName=POSTS.name, Key=_key(user, post_id), ConditionExpression=_IS_THERE
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return {**answer}

    def _has(self, user: str, post_id: str) -> bool:
        if not _ID.fullmatch(post_id):
            return False
        found = self.dynamodb.get_item(
            TableName=POSTS.name, Key=_key(user, post_id), ConsistentRead=True
        )
        return "title" in found.get("Item", {})

    def _order_images(
        self, user: str, post_id: str, but: frozenset[tuple[str, str]] = frozenset()
    ) -> frozenset[tuple[str, str]]:
        """Order the deletion of what stands below a post's prefix now; keys and versions."""
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=f"{user}/{post_id}/"
        )
        standing = frozenset(
            (entry["Key"], entry["VersionId"])
            for page in pages
            for entry in page.get("Versions", [])
            if entry["IsLatest"]
        )
        for key, version in standing - but:
            self._order(key, version)
        return standing

    def orphaned(self, key: str, version: str) -> None:
        """Order the deletion of a version that `attach` found no post for."""
        self._order(key, version)

    def _order(self, key: str, version: str) -> None:
        # An unversioned bucket has no other: the order means what stands there when it is given.
        attributes = {} if version == "null" else {VERSION_ATTRIBUTE: version}
        self.delete_queue.send(delete_order_body(self.bucket, key), **attributes)

    def upload(self, user: str, post_id: str, file_name: str, content_type: str) -> Upload | None:
        """Where to put a photo of a user's post within an hour; None where there is no such post.

        Its key is `<user>/<post id>/<uuid4><file name>`.
        """
        if not self._has(user, post_id):
            return None
        key = f"{user}/{post_id}/{uuid4()}{readable_name(file_name)}"
        url = self.s3.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, "ContentType": content_type},
            ExpiresIn=_VALID_SECONDS,
        )
        return Upload(upload_url=url, object_name=key)

    def link(self, post: Post) -> str | None:
        """Where a post's image is shown, for an hour; None while there is none to show.

        S3 answers with the type that the content has, never with the one its uploader claimed.
        """
        if not post.image:
            return None
        content_type = post.image_type or _UNKNOWN_TYPE
        return self.s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": post.image,
                "ResponseContentType": content_type,
                "ResponseContentDisposition": (
                    "attachment" if content_type == _UNKNOWN_TYPE else "inline"
                ),
            },
            ExpiresIn=_VALID_SECONDS,
        )

    def attach(
        self, bucket: str, key: str, labels: Sequence[str], version: str | None = None
    ) -> bool:
        """Show an image and what is seen on it in the post that its key names.

        `version` is the one that was labelled. Of several images the one that was uploaded last
        is shown, in whatever order they are labelled. False where the post is no more: the image
        is an orphan, see `orphaned`. What is no photo of a post, or does not stand at its key
        any more, has no post to miss.
        """
        named = _named_by(key)
        if bucket != self.bucket or named is None:
            return True
        try:
            image_type, uploaded = self._look_at(key, version)
        except (ObjectGoneError, ObjectReplacedError):
            return True
        try:
            self.dynamodb.update_item(
                TableName=POSTS.name,
                Key=_key(*named),
                UpdateExpression=(
                    "SET image = :image, image_type = :type, image_at = :at, labels = :labels"
                ),
                ConditionExpression=(
                    f"{_IS_THERE} AND (attribute_not_exists(image_at) OR image_at <= :at)"
                ),
                ExpressionAttributeValues={
                    ":image": {"S": key},
                    ":type": {"S": image_type},
                    ":at": {"S": _TIMESTAMP.dump_python(uploaded, mode="json")},
                    ":labels": {"L": [{"S": label} for label in labels]},
                },
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return self._has(*named)
        return True

    def _look_at(self, key: str, version: str | None) -> tuple[str, datetime]:
        """What an image is by its content, and when it was uploaded."""
        ref = ObjectRef(bucket=self.bucket, key=key, version=version, arrived=datetime.now(UTC))
        image = RangedObject(self.s3, ref)
        found = sniff(image.read(_HEAD), image.state.size)
        content_type = f"image/{found.container}" if found.kind is Kind.IMAGE else _UNKNOWN_TYPE
        return content_type, image.state.last_modified


def readable_name(file_name: str) -> str:
    """A file's name as it may end a key: its last part, of printable characters, not too long."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", file_name))[-1]
    shown = "".join(filter(str.isprintable, last)).strip(". ")
    return shown.encode()[-_MOST_NAME_BYTES:].decode(errors="ignore")  # the end has the suffix


def _key(user: str, post_id: str) -> dict[str, Any]:
    return {"user": {"S": _USER + user}, "id": {"S": _POST + post_id}}


def _named_by(key: str) -> tuple[str, str] | None:
    """The user and the post id in a photo's key; None in another key."""
    match key.split("/"):
        case [user, post_id, name] if user and name and _ID.fullmatch(post_id):
            return user, post_id
        case _:
            return None


def _post(item: Any) -> Post:  # noqa: ANN401 - boto3's shapes
    texts = {
        name: value["S"]
        for name, value in item.items()
        if name in Post.model_fields and "S" in value
    }
    labels = item.get("labels", {}).get("L", [])
    return Post.model_validate(texts | {"labels": tuple(label["S"] for label in labels)})


def _encoded(found: Any) -> str | None:  # noqa: ANN401 - boto3's shapes
    key = found.get("LastEvaluatedKey")
    if not key:
        return None
    text = json.dumps([key["user"]["S"], key["id"]["S"]])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decoded(cursor: str, user: str | None) -> dict[str, Any]:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        partition, row = _CURSOR.validate_json(text)
    except ValueError as error:
        raise InvalidCursorError("the cursor is none that this list gave") from error
    if user is not None and partition != _USER + user:
        raise InvalidCursorError("the cursor belongs to another list")
    return {"user": {"S": partition}, "id": {"S": row}}
