"""The contract's routes: `/assets` and `/asset`."""

import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from more_itertools import chunked, spy

from ingest_pipeline.api.asset_index import is_recording
from ingest_pipeline.api.dependencies import Cursor, Limit, TheAssetIndex
from ingest_pipeline.api.keys import IN_PATH
from ingest_pipeline.api.models import Message, NewAsset, PublicAsset
from ingest_pipeline.api.paging import NEXT_PAGE, next_page
from ingest_pipeline.records.model import Asset

_MOST = 1000  # assets of a page, and of a piece of the whole
router = APIRouter(tags=["assets"])


@router.get(
    "/assets",
    response_model=dict[str, PublicAsset],
    responses={200: {"headers": NEXT_PAGE}, 400: {"model": Message}},
)
def list_assets(
    index: TheAssetIndex,
    limit: Annotated[int | None, Limit] = None,
    cursor: Cursor = None,
) -> Response:
    """Every valid object, keyed by file name, in the order of the names.

    With `limit` or `cursor` a page of them; the next page's cursor is in the headers.
    """
    if limit is None and cursor is None:
        _, assets = spy(index.all())  # an error of the first call still has its status
        return StreamingResponse(_json_object(assets), media_type="application/json")
    limit = limit or _MOST
    page = index.page(limit, cursor)
    return JSONResponse(
        {asset.file: PublicAsset.of(asset).model_dump() for asset in page.rows},
        headers=next_page("/assets", {"limit": limit}, page.cursor),
    )


@router.get("/asset/{file:key}", responses={404: {"model": Message}})
def get_asset(index: TheAssetIndex, file: Annotated[str, IN_PATH]) -> PublicAsset:
    """One valid object."""
    asset = index.find(file)
    if asset is None or not is_recording(asset):
        raise HTTPException(404, "asset not found")
    return PublicAsset.of(asset)


@router.post("/asset", responses={400: {"model": Message}})
def post_asset(index: TheAssetIndex, new: NewAsset) -> PublicAsset | Message:
    """Announce an asset; whatever the pipeline finds at its key later takes its place.

    An asset that is there already stays as it is, and the answer says so.
    """
    if new.bucket != index.bucket:
        place, message = ("body", "bucket"), f"the bucket must be {index.bucket}"
        raise RequestValidationError([{"type": "value_error", "loc": place, "msg": message}])
    asset = index.add(new)
    if asset is None:
        return Message(message=f"asset already exists {new.file}")
    return PublicAsset.of(asset)


@router.delete("/asset/{file:key}", responses={404: {"model": Message}})
def delete_asset(index: TheAssetIndex, file: Annotated[str, IN_PATH]) -> Message:
    """Take an asset out of the index at once, and order the deletion of its object."""
    if not index.remove(file):
        raise HTTPException(404, "File not found")
    return Message(message="Deleted with Success")


def _json_object(assets: Iterator[Asset]) -> Iterator[str]:
    """One JSON object in pieces: the whole of a large index never lies in memory."""
    yield "{"
    separator = ""
    for batch in chunked(assets, _MOST):
        yield separator + ",".join(map(_member, batch))
        separator = ","
    yield "}"


def _member(asset: Asset) -> str:
    return f"{json.dumps(asset.file)}:{PublicAsset.of(asset).model_dump_json()}"
