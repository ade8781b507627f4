"""What became of objects: rejections, and the whole story of one key."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from ingest_pipeline.api.dependencies import Cursor, Limit, TheSystem
from ingest_pipeline.api.keys import IN_PATH, ObjectKey
from ingest_pipeline.api.models import BUCKET, Message, Rejection, Rejections
from ingest_pipeline.catalogue.history import (
    UNKNOWN,
    History,
)
from ingest_pipeline.records.tables import (
    REJECTIONS,
    REPORTS,
)

_BUCKET_NAME = {
    "min_length": 3,
    "max_length": 63,
    "pattern": "^[a-z0-9][a-z0-9.-]+[a-z0-9]$",
    "description": "The bucket's name.",
    "examples": [BUCKET],
}

router = APIRouter(tags=["objects"])


@router.get("/rejections", responses={400: {"model": Message}})
def list_rejections(
    system: TheSystem,
    bucket: Annotated[str, Query(**_BUCKET_NAME)] = BUCKET,
    limit: Annotated[int, Limit] = 100,
    cursor: Cursor = None,
) -> Rejections:
    """The versions that broke a bucket's rules, newest first, each with its reasons."""
    page = system.tables.page(
        REPORTS, REJECTIONS, bucket, limit=limit, cursor=cursor, newest_first=True
    )
    ui_url = system.config.dagster_link
    return Rejections(
        rejections=[Rejection.of(report, ui_url) for report in page.rows], cursor=page.cursor
    )


@router.get("/object/{bucket}/{key:key}/history", responses={404: {"model": History}})
def get_history(
    system: TheSystem,
    response: Response,
    bucket: Annotated[str, Path(**_BUCKET_NAME)],
    key: Annotated[ObjectKey, IN_PATH],
) -> History:
    """Everything on record of a key: what each version was, what became of it, and why.

    `waiting` stands in the bucket and has no report yet; `unknown` (404) was never met.
    """
    story = system.history(bucket, key)
    if story.outcome == UNKNOWN:
        response.status_code = 404
    return story
