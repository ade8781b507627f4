"""The indexed objects that a run of enrichment is about."""

from collections.abc import Iterable

import dagster as dg
from more_itertools import chunked

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.records.model import ObjectRef

TOGETHER = 500  # objects of a page: as many as the largest usual batch


def pages_of_objects(
    context: dg.AssetExecutionContext, config: ObjectsConfig, requests: RequestsResource
) -> Iterable[list[ObjectRef]]:
    """Those of its config, or all that are indexed of its days, a page at a time."""
    return chunked(config.refs() or requests.requests.indexed_on(context.partition_keys), TOGETHER)
