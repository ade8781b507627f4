"""Vehicle sessions: session_reports -> session_events, found and ingested in one pass."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.metadata import COLUMNS, table_columns
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import ONE_RUN, session_days
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource, TranscriberResource
from ingest_pipeline.defs.common.resources.ingest import RejectorResource, ValidatorResource
from ingest_pipeline.defs.common.resources.queues import LeasesResource
from ingest_pipeline.defs.common.resources.sessions import (
    EventDbResource,
    EventSinkResource,
    SessionBucketResource,
)
from ingest_pipeline.defs.sessions.metadata import (
    describe_found_sessions,
    describe_ingested_sessions,
    describe_run,
)
from ingest_pipeline.pipeline.ingest.pipeline import ingest
from ingest_pipeline.pipeline.result import Answers
from ingest_pipeline.pipeline.sessions import (
    SessionIngest,
    lacking,
    missing_events,
    missing_files,
    overdue,
    results,
)
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.listing import SessionListing, SessionSearch
from ingest_pipeline.sessions.tree import (
    FolderProblem,
    FoundSession,
    Timeframe,
    find_session,
    find_sessions,
)

GROUP = "sessions"

session_bucket = dg.AssetSpec(
    "session_bucket",
    description="Driving sessions as vehicles upload them, a folder each.",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"s3"},
)

# The schedule comes every 20 minutes, but not on Sundays.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
)

OUTCOME_COLUMNS = table_columns(
    ("session_id", "string", "release_vehicle_start_number; another vehicle's folder/ before it"),
    ("folder", "string", "s3://bucket/prefix of the session; the key of the row"),
    ("state", "string", "processed, skipped, unchanged or awaited"),
    ("reason", "string", "why a skipped session gave no events"),
    ("detail", "string", "the reason in full; what is to be known of one that was taken in"),
    ("country", "string", "from the upload report"),
    ("events", "int", "events of the session in the database"),
    ("new_events", "int", "those that the run wrote"),
    ("database_events", "int", "events in the database, where it holds another number"),
    ("timeless_events", "int", "those whose time no log tells: they have the session's start"),
    ("problems", "json", "the audio tags that became no event, with the reason of each"),
    ("is_complete", "bool", "false: a later run looks at it again"),
    ("report_at", "timestamp", "when the report that counts was put, UTC"),
    ("day", "date", "the session's own date, its partition"),
    ("started", "timestamp", "on the vehicle's clock"),
    ("recorded_at", "timestamp", "when the row was written, UTC"),
    ("run_id", "string", "of the Dagster run"),
)
EVENT_COLUMNS = table_columns(
    ("vehicle", "string", "from the session id"),
    ("country", "string", "from the upload report"),
    ("city", "string", "ND: no report tells it"),
    ("timestamp", "timestamp", "on the vehicle's clock; the session's start where no log tells"),
    ("comment", "string", "what was said in the recording; ND until it is known"),
    ("annotation", "string", "what the audio tag's name ends with"),
    ("sds_provider_id", "string", "the recording's file name"),
    ("sw_release", "string", "from the session id"),
    ("session_id", "string", "the session's folder"),
    ("map_version", "string", "ND: no report tells it"),
    ("driver", "string", "from the upload report"),
    ("codriver", "string", "from the upload report"),
    ("log_slice_link", "string", "where people hear the recording; signs on request, so it lasts"),
    ("mission", "string", "the driver's comment on the whole drive"),
    ("mission_segment", "string", "ND: no report tells it"),
    ("creation_date", "timestamp", "when the row was written, UTC"),
    ("audio_tag", "string", "the recording's path below the session"),
    ("timestamp_source", "string", "log, or session: its start, as no log tells"),
)


class SessionsConfig(dg.Config):
    """The sessions of a run; none are all whose date lies in the run's partitions."""

    folders: list[str] = Field(
        default=[],
        description="Session folders, as prefixes in the session bucket that end in a slash, such "
        'as `["V236/230717/111649/AV11_V236_230717_111649_62100/"]`. '
        "Empty: every session of the partition's days, which is how a backfill works.",
    )


@dg.multi_asset(
    name="ingest_session_events",
    specs=[
        dg.AssetSpec(
            "session_reports",
            deps=[session_bucket],
            description="The sessions that were found, and whether their upload report landed.",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"s3", "dynamodb"},
            code_version="1",
            metadata={COLUMNS: OUTCOME_COLUMNS},
            freshness_policy=FRESHNESS,
        ),
        dg.AssetSpec(
            "session_events",
            deps=["session_reports"],
            description="The voice-annotated events of the sessions, in the event database.",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"sql"},
            code_version="1",
            metadata={COLUMNS: EVENT_COLUMNS, "dagster/io_manager_key": "results_io_manager"},
            freshness_policy=FRESHNESS,
        ),
    ],
    partitions_def=session_days,
    backfill_policy=ONE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            "files_are_there",
            asset="session_reports",
            description="Every recording that a report lists stands in the bucket: of all sessions "
            "on record, whatever the run looked at.",
        ),
        dg.AssetCheckSpec(
            "sessions_are_complete",
            asset="session_reports",
            description="Nothing lacks of any session on record; upload reports have a day to "
            "come. See `ingest-pipeline sessions list --incomplete`.",
        ),
        dg.AssetCheckSpec(
            "events_are_in_the_database",
            asset="session_events",
            description="The database holds as many events of a session as its report gives: of "
            "all that were found to differ and are not mended, whatever the run looked at.",
        ),
    ],
)
def session_assets(
    context: dg.AssetExecutionContext,
    config: SessionsConfig,
    session_bucket: SessionBucketResource,
    event_db: EventDbResource,
    event_sink: EventSinkResource,
    validator: ValidatorResource,
    rejector: RejectorResource,
    derived: DerivedResource,
    requests: RequestsResource,
    transcriber: TranscriberResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Find, ingest, record; what a killed run had written stays, and the next one goes on."""
    aws, run_id = session_bucket.aws, context.run.run_id
    timeframe = _timeframe(context.partition_keys)
    ingest_recordings = partial(
        ingest,
        tables=aws.tables,
        derived=derived.derived,
        validator=validator.validator(run_id),
        rejector=rejector.rejector(),
        follow_up=requests.requests.follow_up,
    )
    with event_db.opened() as database, event_sink.opened() as sink:
        ingests = SessionIngest(
            aws.s3,
            aws.tables,
            database,
            ingest_recordings,
            run_id,
            sink,
            transcriber.asking().standing_rows,
        )
        report = ingests.ingest(_found(session_bucket, config, timeframe), timeframe)
    _describe_days(context, report)
    listing = SessionListing(aws.tables, session_bucket.name)
    found = lacking(listing.all(SessionSearch(is_lacking=True)), report).values()
    late = overdue(found, datetime.now(UTC))
    yield dg.MaterializeResult(asset_key="session_reports")
    yield _check("session_reports", "files_are_there", missing_files(found))
    yield _check("session_reports", "sessions_are_complete", late)
    answers = Answers(of_messages=True)
    answers.add(results(report))
    yield dg.MaterializeResult(asset_key="session_events", value=answers)
    yield _check(
        "session_events",
        "events_are_in_the_database",
        missing_events(found),
        dg.AssetCheckSeverity.ERROR,
    )


def _describe_days(context: dg.AssetExecutionContext, report: JobReport) -> None:
    """What each day's own sessions came to; what is of the whole run stands at its last day."""
    for day in context.partition_keys:
        own = report.of_day(date.fromisoformat(day))
        context.add_asset_metadata(describe_found_sessions(own), "session_reports", day)
        context.add_asset_metadata(describe_ingested_sessions(own), "session_events", day)
    last = max(context.partition_keys)
    context.add_asset_metadata(describe_run(report), "session_reports", last)


def _check(
    asset: str,
    name: str,
    wrong: list[str],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not wrong,
        severity=severity,
        metadata={"number": len(wrong), "the first": wrong[:20]},
    )


@dg.asset(
    partitions_def=session_days,
    backfill_policy=ONE_RUN,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqs"},
    code_version="1",
)
def session_receipts(
    session_leases: LeasesResource, session_events: Answers
) -> dg.MaterializeResult[None]:
    """The messages that told of reports, gone once what became of their sessions is on record."""
    last_step = LastStep(session_leases)
    last_step.acknowledge(session_events.results)
    return last_step.materialized({"sessions": session_events.objects})


def _timeframe(days: list[str]) -> Timeframe:
    return Timeframe.of_days(date.fromisoformat(min(days)), date.fromisoformat(max(days)))


def _found(
    bucket: SessionBucketResource, config: SessionsConfig, timeframe: Timeframe
) -> Iterator[FoundSession | FolderProblem]:
    if config.folders:
        return (find_session(bucket.aws.s3, bucket.name, folder) for folder in config.folders)
    return find_sessions(bucket.aws.s3, bucket.name, timeframe)
