"""Recordings: what is said in those that are indexed."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.metadata import table_metadata
from ingest_pipeline.defs.common.objects import pages_of_objects
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import ONE_RUN, arrival_days
from ingest_pipeline.defs.common.resources.aws import CatalogueResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource, TranscriberResource
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.defs.enrichment.metadata import describe_transcripts, transcripts_tally
from ingest_pipeline.defs.enrichment.previews import GROUP
from ingest_pipeline.pipeline.result import Answers, retries
from ingest_pipeline.records.tables import TRANSCRIPTS
from ingest_pipeline.settings import settings

_CHECK = "every_recording_has_its_transcript"


@dg.definitions
def transcriptions() -> dg.Definitions:
    """The asset is out of date where its model or its language was another one."""
    return dg.Definitions(assets=[transcripts_by(resources(settings()).transcriber.version)])


def transcripts_by(code_version: str) -> dg.AssetsDefinition:
    """The asset, of this version of its model."""

    @dg.asset(
        deps=["valid_asset_index"],
        metadata=table_metadata(TRANSCRIPTS),
        partitions_def=arrival_days,
        backfill_policy=ONE_RUN,
        io_manager_key="results_io_manager",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"python", "s3", "dynamodb"},
        code_version=code_version,
        check_specs=[
            dg.AssetCheckSpec(
                _CHECK,
                asset="transcripts",
                description="Each indexed recording of the batch whose source asks for it was "
                "transcribed, or has a row that says why not.",
            )
        ],
    )
    def transcripts(
        context: dg.AssetExecutionContext,
        config: ObjectsConfig,
        transcriber: TranscriberResource,
        requests: RequestsResource,
        catalogue: CatalogueResource,
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
        """What is said in each recording, with times; of a session's, its event's comment."""
        run_id = context.run.run_id
        tally = transcripts_tally()
        answers = Answers(of_messages=bool(config.objects))
        with transcriber.transcribing(run_id) as transcribing:
            for refs in pages_of_objects(context, config, requests):
                answers.add(transcribing.transcribe(refs))
                tally.add(transcribing.rows(refs))
        described = describe_transcripts(tally, run_id, catalogue.url)
        yield dg.MaterializeResult(value=answers, metadata=described)
        failed = [f"{each.ref.uri}: {each.reason}" for each in retries(answers.results)]
        yield dg.AssetCheckResult(check_name=_CHECK, passed=not failed, metadata={"failed": failed})

    return transcripts
