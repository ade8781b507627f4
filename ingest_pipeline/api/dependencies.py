"""What the routes work with, handed to them by FastAPI.

What only looks something up is `async`: otherwise it would wait for one of the forty threads.
"""

from typing import Annotated

from fastapi import Depends, Query, Request

from ingest_pipeline.api.asset_index import AssetIndex
from ingest_pipeline.api.health import Monitor
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.catalogue.responses import Responses
from ingest_pipeline.system import System


async def _system(request: Request) -> System:
    system: System = request.app.state.system
    return system


async def _monitor(request: Request) -> Monitor:
    monitor: Monitor = request.app.state.monitor
    return monitor


def _asset_index(system: "TheSystem") -> AssetIndex:
    return AssetIndex(system.config.bucket, system.tables, system.delete_requests())


def _responses(system: "TheSystem") -> Responses:
    return Responses(
        system.clients.s3,
        system.tables,
        system.config.upload_bucket,
        system.config.max_upload_bytes,
    )


def _posts(system: "TheSystem") -> Posts:
    return system.posts()


TheSystem = Annotated[System, Depends(_system)]
TheMonitor = Annotated[Monitor, Depends(_monitor)]
TheAssetIndex = Annotated[AssetIndex, Depends(_asset_index)]
TheResponses = Annotated[Responses, Depends(_responses)]
ThePosts = Annotated[Posts, Depends(_posts)]
Limit = Query(ge=1, le=1000, description="The most rows to answer with.")
Cursor = Annotated[
    str | None, Query(max_length=8192, description="Where the page starts: what the last one gave.")
]
