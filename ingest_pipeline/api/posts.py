"""The contract's routes for posts: `/posts` and `/signedUrlPut`."""

from collections.abc import Callable, Coroutine, Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from more_itertools import chunked, spy
from starlette.exceptions import HTTPException

from ingest_pipeline.api.dependencies import Cursor, Limit, ThePosts
from ingest_pipeline.api.identity import Caller
from ingest_pipeline.api.models import InvalidPost, Message, NewPhoto, NewPost, PublicPost
from ingest_pipeline.api.paging import NEXT_PAGE, next_page
from ingest_pipeline.catalogue.posts import (
    Posts,
    Upload,
)
from ingest_pipeline.records.model import PhotoStatus, Post

# To pages of any origin: the web client lies elsewhere. Who asks is told by a header that no
# browser adds by itself.
OPEN_PATHS = ("/posts", "/posts/", "/signedUrlPut", "/getSignedUrlPut")
OPEN_METHODS = ("GET", "POST", "DELETE")
_MOST = 1000  # posts of a page
_BATCH = 100  # of the whole list, in a piece
_PRIVATE = {"Cache-Control": "no-store"}  # links are good for an hour only
_PREFIX = "POST#"  # that clients may leave before an id
_UNKNOWN = "you have no such post"

_PostId = Annotated[
    str,
    Path(max_length=64, description="A post's id without `POST#`, or with it percent-encoded."),
]


class _ContractRoute(APIRoute):
    """A route that says what is wrong with a request as the photo clients know it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handle a request, and answer what is wrong with it."""
        handle = super().get_route_handler()

        async def handle_in_contract(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return _invalid("; ".join(map(_mistake, error.errors())))
            except HTTPException as error:
                if error.status_code == HTTPStatus.BAD_REQUEST:  # a body that is no UTF-8
                    return _invalid(f"body: {error.detail}")
                raise

        return handle_in_contract


def _mistake(details: dict[str, Any]) -> str:
    return f"{'.'.join(map(str, details['loc']))}: {details['msg']}"


def _invalid(message: str) -> JSONResponse:
    return JSONResponse(InvalidPost(message=message).model_dump(), 422)


router = APIRouter(
    tags=["posts"], route_class=_ContractRoute, responses={422: {"model": InvalidPost}}
)


@router.post(
    "/posts",
    responses={
        401: {"model": Message},
        413: {"description": "Content Too Large", "content": {"text/plain": {}}},
    },
)
def create_post(posts: ThePosts, user: Caller, new: NewPost, response: Response) -> dict[str, Any]:
    """Share something; DynamoDB's answer. The header Location leads to the post."""
    post_id, answer = posts.create(user, new.title, new.body)
    response.headers["Location"] = f"/posts/{post_id}"
    return answer


@router.get(
    "/posts",
    response_model=list[PublicPost],
    responses={200: {"headers": NEXT_PAGE}, 400: {"model": Message}},
)
def list_posts(
    posts: ThePosts,
    user: Annotated[
        str | None, Query(max_length=255, description="Whose; everybody's if left out.")
    ] = None,
    limit: Annotated[int | None, Limit] = None,
    cursor: Cursor = None,
) -> Response:
    """Posts, each with a link to its image; anybody may read them.

    With `limit` or `cursor` a page of them; the next page's cursor is in the headers.
    """
    user = user or None
    if limit is None and cursor is None:
        # An error of the first call still has its status.
        _, found = spy(posts.all(user))
        return StreamingResponse(
            _json_array(posts, found), media_type="application/json", headers=_PRIVATE
        )
    limit = limit or _MOST
    page = posts.page(user, limit, cursor)
    query: dict[str, str | int] = {"user": user, "limit": limit} if user else {"limit": limit}
    return JSONResponse(
        [_public(posts, post).model_dump() for post in page.rows],
        headers=next_page("/posts", query, page.cursor) | _PRIVATE,
    )


@router.delete("/posts/{post_id}", responses={401: {"model": Message}, 404: {"model": Message}})
def delete_post(posts: ThePosts, user: Caller, post_id: _PostId) -> dict[str, Any]:
    """Delete a post of one's own, with its image; DynamoDB's answer."""
    answer = posts.delete(user, post_id.removeprefix(_PREFIX))
    if answer is None:
        raise HTTPException(404, _UNKNOWN)
    return answer


@router.get("/signedUrlPut", responses={401: {"model": Message}, 404: {"model": Message}})
@router.get("/getSignedUrlPut", responses={401: {"model": Message}, 404: {"model": Message}})
def invite_photo(
    posts: ThePosts,
    user: Caller,
    response: Response,
    wanted: Annotated[NewPhoto, Query()],
) -> Upload:
    """The link to which a photo for a post of one's own is PUT, within an hour.

    The upload must have the Content-Type that was named here. A photo that a post has already
    gives way to one that is uploaded later.
    """
    upload = posts.upload(
        user, wanted.postId.removeprefix(_PREFIX), wanted.filename, wanted.filetype
    )
    if upload is None:
        raise HTTPException(404, _UNKNOWN)
    response.headers.update(_PRIVATE)
    return upload


def _json_array(posts: Posts, found: Iterator[Post]) -> Iterator[str]:
    """One JSON array in pieces: the whole of a large table never lies in memory."""
    yield "["
    separator = ""
    for batch in chunked(found, _BATCH):
        yield separator + ",".join(_public(posts, post).model_dump_json() for post in batch)
        separator = ","
    yield "]"


def _public(posts: Posts, post: Post) -> PublicPost:
    """Show a row; the web client offers to upload an image where `labels` is null, not empty."""
    labels = list(post.shown_labels) if post.shown_image else None
    return PublicPost(
        user=post.user,
        id=post.id,
        title=post.title,
        body=post.body,
        image=posts.link(post),
        labels=labels,
        label=labels,
        status=post.status,
        reason=post.reason if post.status is PhotoStatus.REFUSED else None,
    )
