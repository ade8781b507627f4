"""Sessions of a test's own, and the job that takes them in."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.settings import settings
from ingest_pipeline_tests.defs.runs import (
    RANGE_END,
    RANGE_START,
)
from ingest_pipeline_tests.world import World, some_ref

JOB = "ingest_sessions"
STEP = "ingest_session_events"
DAYS = ("2024-02-01", "2024-02-29")


def session(number: int, day: int = 1, month: int = 2) -> SampleSession:
    started = datetime.combine(date(2024, month, day), time(10, number))
    return SampleSession("V236", started, number)


def put(world: World, *sessions: SampleSession, without: Iterable[str] = ()) -> None:
    objects = [each for one in sessions for each in one.objects() if not _ends(each[0], without)]

    def put_one(each: tuple[str, bytes]) -> None:
        world.clients.s3.put_object(Bucket=world.session_bucket, Key=each[0], Body=each[1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_one, objects))


def _ends(key: str, ends: Iterable[str]) -> bool:
    return any(key.endswith(end) for end in ends)


def announce(world: World, *keys: str) -> None:
    """What the bucket says of keys; a session's folder stands for its report."""
    names = [f"{key}x_logged_Upload_Report.json" if key.endswith("/") else key for key in keys]
    refs = [some_ref(world.session_bucket, name) for name in names]
    world.system.queues.session.queue.send_all(map(ingest_body, refs))


def ingest(
    instance: dg.DagsterInstance,
    folders: Iterable[str] = (),
    days: tuple[str, str] = DAYS,
) -> dg.ExecuteInProcessResult:
    config = {"ops": {STEP: {"config": {"folders": list(folders)}}}} if folders else None
    return (
        defs()
        .resolve_job_def(JOB)
        .execute_in_process(
            run_config=config,
            instance=instance,
            tags={RANGE_START: days[0], RANGE_END: days[1]},
            raise_on_error=False,
        )
    )


def tick(instance: dg.DagsterInstance) -> SensorExecutionData:
    definitions = defs()
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        definitions=definitions,
        sensor_name="ingest_sessions_sensor",
        resources=resources(settings()).by_name(),
    ) as context:
        return repository.get_sensor_def("ingest_sessions_sensor").evaluate_tick(context)


def requests(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    found = tick(instance).run_requests or []
    return sorted(found, key=lambda request: request.tags[RANGE_START])


def folders(request: dg.RunRequest) -> list[str]:
    return sorted(request.run_config["ops"][STEP]["config"]["folders"])


def stored_tags() -> dict[str, list[str]]:
    """The audio tags in the event database, by session."""
    with resources(settings()).event_db.opened() as database:
        table = database.table()
    return {str(name): sorted(group["audio_tag"]) for name, group in table.groupby("session_id")}


def outcome(world: World, one: SampleSession) -> SessionRow:
    folder = f"s3://{world.session_bucket}/{one.prefix}"
    row = world.tables.get(SESSION_OUTCOMES, {"folder": folder})
    assert row is not None
    return row


def indexed(world: World, one: SampleSession) -> list[str]:
    keys = [one.prefix + tag for tag in one.audio_tags]
    rows = world.tables.get_many(
        ASSETS, [{"bucket": world.session_bucket, "file": key} for key in keys]
    )
    return sorted(row.file.removeprefix(one.prefix) for row in rows)


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = (each for each in result.get_asset_check_evaluations() if each.check_name == name)
    return found
