"""The contract's routes for videos: `/presignedurl` and `/videos`."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from more_itertools import chunked, spy
from pydantic import AfterValidator

from ingest_pipeline.api.basic import TheUser
from ingest_pipeline.api.dependencies import Cursor, Limit, TheResponses
from ingest_pipeline.api.models import Message, Video
from ingest_pipeline.api.paging import NEXT_PAGE, next_page
from ingest_pipeline.catalogue.responses import (
    Responses,
    UploadForm,
)
from ingest_pipeline.records.model import VideoResponse

OPEN_PATHS = ("/videos", "/videos/", "/presignedurl/")  # to pages of any origin
_MOST_BYTES = 320  # of UTF-8: the longest mail address; S3 and DynamoDB take 1024 for the whole key
_MOST = 1000  # videos of a page
_BATCH = 100  # whose links are made together
_PRIVATE = {"Cache-Control": "no-store"}  # what the answers link to is for the asker alone


def _name(text: str) -> str:
    """Names become parts of keys: what nobody sees in one would only mislead."""
    if not text.isprintable():
        raise ValueError("only printable characters are allowed")
    if len(text.encode()) > _MOST_BYTES:
        raise ValueError(f"at most {_MOST_BYTES} bytes in UTF-8 are allowed")
    return text


def _folder(project: str) -> str:
    """Names of which a client or S3 would make another: dots are resolved, `${...}` filled in."""
    if project == "." or ".." in project or "${" in project:
        raise ValueError("`.`, and `..` or `${` within a name, are not allowed")
    return project


_Name = Annotated[str, AfterValidator(_name)]
_Project = Annotated[_Name, AfterValidator(_folder)]
router = APIRouter(tags=["videos"])


# Older clients end a path with a slash. They follow no redirect, so both forms are routes.
@router.get("/presignedurl/{project}/{step}/", include_in_schema=False)
@router.get("/presignedurl/{project}/{step}", responses={404: {"model": Message}})
def invite_video(
    responses: TheResponses,
    response: Response,
    project: Annotated[_Project, Path(examples=["holidays"])],
    step: Annotated[_Name, Path(description="A number; anything else counts as 0.")],
    mail: Annotated[_Name, Query(description="Who answers.")] = "",
) -> UploadForm:
    """The form with which a browser uploads a person's video, within an hour.

    Post all `fields` and after them the video as `file` to `url`. The field Content-Type may be
    replaced by another one that starts with `video/`.
    """
    if not mail.strip() or not project.strip():
        raise HTTPException(404, "a project and a mail are wanted")
    response.headers.update(_PRIVATE)
    return responses.invite(project, step, mail)


@router.get("/videos/", include_in_schema=False)
@router.get(
    "/videos",
    response_model=list[Video],
    responses={200: {"headers": NEXT_PAGE}, 400: {"model": Message}, 401: {"model": Message}},
)
def list_videos(
    _user: TheUser,
    responses: TheResponses,
    mail: Annotated[_Name | None, Query(description="Whose; everybody's if left out.")] = None,
    limit: Annotated[int | None, Limit] = None,
    cursor: Cursor = None,
) -> Response:
    """The videos that were invited, each with links to what was made of it, valid for an hour.

    With `limit` or `cursor` a page of them; the next page's cursor is in the headers.
    """
    mail = mail or None
    if limit is None and cursor is None:
        # An error of the first calls still has its status.
        _, videos = spy(_videos(responses, responses.all(mail)))
        return StreamingResponse(
            _json_array(videos), media_type="application/json", headers=_PRIVATE
        )
    limit = limit or _MOST
    page = responses.page(mail, limit, cursor)
    query: dict[str, str | int] = {"mail": mail, "limit": limit} if mail else {"limit": limit}
    return JSONResponse(
        [video.model_dump() for video in _videos(responses, page.rows)],
        headers=next_page("/videos", query, page.cursor) | _PRIVATE,
    )


def _videos(responses: Responses, rows: Iterable[VideoResponse]) -> Iterator[Video]:
    for batch in chunked(rows, _BATCH):
        for row, links in responses.with_links(batch):
            yield Video(**dict(row), renditions=links)


def _json_array(videos: Iterator[Video]) -> Iterator[str]:
    """One JSON array in pieces: the whole of a large table never lies in memory."""
    yield "["
    separator = ""
    for video in videos:
        yield separator + video.model_dump_json()
        separator = ","
    yield "]"
