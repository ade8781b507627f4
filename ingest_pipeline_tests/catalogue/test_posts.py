from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest

from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.aws.events import parse_delete_order
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.records.model import Post, Report
from ingest_pipeline_tests.photo_reports import indexed
from ingest_pipeline_tests.world import World, bodies

PHOTO = (SAMPLES / "photo.jpg").read_bytes()


@pytest.fixture
def posts(world: World) -> Posts:
    return world.system.posts()


@pytest.fixture
def user() -> str:
    return f"user {uuid4().hex}"


def add_photo(posts: Posts, user: str, post_id: str) -> str:
    upload = posts.upload(user, post_id, "my cup.jpg", "image/jpeg")
    assert upload is not None
    answer = httpx.put(
        upload.upload_url,
        content=PHOTO,
        headers={"Content-Type": "image/jpeg"},
        trust_env=False,
    )
    assert answer.status_code == 200
    return upload.object_name


def photo(world: World, posts: Posts, key: str) -> Report:
    """The outcome of a photo that is valid."""
    return indexed(world.clients, posts.bucket, key)


def walked(posts: Posts, user: str | None, limit: int) -> Iterator[list[Post]]:
    cursor: str | None = None
    while True:
        page = posts.page(user, limit, cursor)
        yield page.rows
        if (cursor := page.cursor) is None:
            return


def test_dynamodb_answers_to_creating_and_deleting(posts: Posts, user: str) -> None:
    post_id, answer = posts.create(user, "Monday", "Coffee")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    (post,) = posts.all(user)
    assert post == Post(user=f"USER#{user}", id=f"POST#{post_id}", title="Monday", body="Coffee")
    deleted = posts.delete(user, post_id)
    assert deleted is not None
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert posts.delete(user, post_id) is None
    assert list(posts.all(user)) == []


def test_lists_come_in_pages_of_a_users_and_of_everybodys(posts: Posts, user: str) -> None:
    made = {f"POST#{posts.create(user, 'x', 'x')[0]}" for _ in range(5)}
    pages = list(walked(posts, user, 2))
    assert [len(page) for page in pages[:2]] == [2, 2]
    assert [post.id for page in pages for post in page] == sorted(made)
    everybodys = [(post.user, post.id) for page in walked(posts, None, 3) for post in page]
    assert len(everybodys) == len(set(everybodys))
    assert made <= {post_id for _, post_id in everybodys}


def test_a_post_without_a_body_keeps_nobody_from_the_others(posts: Posts, user: str) -> None:
    whole, _ = posts.create(user, "x", "x")
    bare, _ = posts.create(user, "bare", "x")
    key = {"user": f"USER#{user}", "id": f"POST#{bare}"}
    posts._items.put({**key, "title": "bare"})
    found = {post.id: post.body for post in posts.all(user)}
    assert found == {f"POST#{whole}": "x", f"POST#{bare}": ""}


def test_a_cursor_is_good_for_its_own_list_only(posts: Posts, user: str) -> None:
    for _ in range(3):
        posts.create(user, "x", "x")
    cursor = posts.page(user, 1, None).cursor
    assert cursor
    with pytest.raises(InvalidCursorError, match="another list"):
        posts.page("somebody", 1, cursor)
    assert posts.page(user, 1, cursor).rows


@pytest.mark.parametrize(
    "attributes",
    [
        {"image": {"NULL": True}, "labels": {"SS": ["Cup"]}},
        {"title_count": {"N": "5"}, "labels": {"NULL": True}},
        {"image_type": {"B": b"\x00"}, "labels": {"S": "Cup"}},
    ],
    ids=range(3),
)
def test_what_others_wrote_beside_a_title_disturbs_no_list(
    posts: Posts, user: str, attributes: dict[str, dict[str, object]]
) -> None:
    row = {"user": f"USER#{user}", "id": f"POST#{uuid4()}", "title": "Old", "body": "Tea"}
    item: dict[str, dict[str, object]] = {name: {"S": text} for name, text in row.items()}
    posts.dynamodb.put_item(TableName="posts", Item=item | attributes)
    assert list(posts.all(user)) == [Post.model_validate(row)]


def test_a_photo_is_shown_with_its_labels_until_a_later_one_comes(
    world: World, posts: Posts, user: str
) -> None:
    post_id, _ = posts.create(user, "Monday", "Coffee")
    first, second = (add_photo(posts, user, post_id) for _ in range(2))
    assert posts.show(photo(world, posts, second), ["Cup", "Coffee"])
    assert posts.show(photo(world, posts, first), ["Table"])
    (post,) = posts.all(user)
    assert post.image in {first, second}
    assert post.image_type == "image/jpeg"
    assert posts.show(photo(world, posts, str(post.image)), ["Mug"])
    (post,) = posts.all(user)
    assert post.labels == ("Mug",)
    link = posts.link(post)
    assert link
    answer = httpx.get(link, trust_env=False)
    assert (answer.content, answer.headers["Content-Type"]) == (PHOTO, "image/jpeg")


def test_late_labels_bring_no_post_back_and_its_images_are_ordered_away(
    world: World, posts: Posts, user: str
) -> None:
    post_id, _ = posts.create(user, "Monday", "Coffee")
    key = add_photo(posts, user, post_id)
    report = photo(world, posts, key)
    assert posts.delete(user, post_id)
    orders = [parse_delete_order(body).objects[0] for body in bodies(posts.deletions.queue)]
    assert [(order.bucket, order.key) for order in orders] == [(posts.bucket, key)]
    assert not posts.show(report, ["Cup"])
    assert list(posts.all(user)) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda posts, user, post_id: posts.delete(user, post_id),
        lambda posts, user, post_id: posts.upload(user, post_id, "a.jpg", "image/jpeg"),
    ],
)
@pytest.mark.parametrize("post_id", ["", "x", "852746c9-0bad-407a-8c15-98270a8850fe"])
def test_what_is_no_post_of_the_user_is_none(
    posts: Posts, user: str, post_id: str, ask: Callable[[Posts, str, str], object]
) -> None:
    assert ask(posts, user, post_id) is None
