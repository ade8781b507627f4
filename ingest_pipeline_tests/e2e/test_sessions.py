"""Driving sessions through the running system: sensor, backfills, kills and commands."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pandas as pd
import psutil
import pytest
import sqlalchemy as sa

from ingest_pipeline.local.backfill import launch_backfill, watch_backfill
from ingest_pipeline.records.tables import (
    ASSETS,
    ASSETS_BY_BUCKET,
)
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.sample import SampleSession, sample_sessions
from ingest_pipeline_tests.system import RunningSystem, wait_for

pytestmark = pytest.mark.timeout(300)

BUCKET = "sessions"
REPORT = "logged_Upload_Report.json"
# What tells events apart, and what is hardest to get right: who drove, and when it was said.
COLUMNS = ("session_id", "audio_tag", "annotation", "driver", "mission", "timestamp")
SELECT = f"SELECT {', '.join(COLUMNS)} FROM sds WHERE vehicle = ? ORDER BY session_id, audio_tag"  # noqa: S608 - constants

Row = tuple[str | None, ...]


@pytest.fixture(scope="module")
def database(running: RunningSystem) -> Iterator[sqlite3.Connection]:
    """The event database, read as any program would; its tables are there from the start."""
    url = running.settings.event_db_url
    open_event_db(url).close()
    with closing(sqlite3.connect(str(sa.make_url(url).database))) as connection:
        yield connection


def stored(database: sqlite3.Connection, vehicle: str) -> list[Row]:
    return database.execute(SELECT, [vehicle]).fetchall()


def count(database: sqlite3.Connection, table: str, vehicle: str) -> int:
    """How many rows tell of a vehicle: `sds` has the events, `sds_sessions` the whole sessions."""
    query = f"SELECT count(*) FROM {table} WHERE session_id LIKE ?"  # noqa: S608 - a constant
    (number,) = database.execute(query, [f"%{vehicle}%"]).fetchone()
    return int(number)


def uploaded(running: RunningSystem, vehicle: str) -> list[Row]:
    """What the bucket tells of a vehicle's events, read the plainest way."""
    s3 = running.system.clients.s3
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{vehicle}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    texts = [key for key in keys if not key.endswith(".wav")]
    with ThreadPoolExecutor(8) as pool:
        bodies = pool.map(lambda key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read(), texts)
        contents = dict(zip(texts, bodies, strict=True))
    reports = [key for key in keys if key.endswith(REPORT)]
    return sorted(row for report in reports for row in _rows_of(report, contents))


def _rows_of(report_key: str, contents: dict[str, bytes]) -> Iterator[Row]:
    folder = report_key.rpartition("/")[0]
    report = json.loads(contents[report_key])
    for entry in report["FileList"]:
        path = entry["file"]
        if not path.endswith(".wav"):
            continue
        frame, _number, annotation = path.rpartition("/")[2].removesuffix(".wav").split("_")
        yield (
            folder.rpartition("/")[2],
            path,
            annotation,
            report["drive_info"]["Base_Data"]["driver"],
            report["drive_info"]["Data_Info"]["driver_comment"],
            _moment(folder, frame, contents),
        )


def _moment(folder: str, frame: str, contents: dict[str, bytes]) -> str | None:
    day = folder.split("/")[1]
    for key in sorted(key for key in contents if key.startswith(folder) and key.endswith(".log")):
        for line in contents[key].decode().splitlines():
            if f"frame: {frame}," in line:
                moment = f"20{day} {line.split(',')[1].split(' ')[2]}"
                return str(datetime.strptime(moment, "%Y%m%d %H:%M:%S")) + ".000000"  # noqa: DTZ007
    return None


def indexed_recordings(running: RunningSystem, vehicle: str) -> int:
    rows = running.system.tables.query(ASSETS, ASSETS_BY_BUCKET, BUCKET)
    return sum(row.file.startswith(f"{vehicle}/") and row.deleted_at is None for row in rows)


def put(running: RunningSystem, objects: Iterable[tuple[str, bytes]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: running.put(each[0], each[1], BUCKET), objects))


@contextmanager
def nothing_announced(running: RunningSystem) -> Iterator[None]:
    """Uploads within the block are unknown to the sensor."""
    s3 = running.system.clients.s3
    wiring = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": wiring}
        )


def put_unannounced(running: RunningSystem, sessions: Iterable[SampleSession]) -> None:
    with nothing_announced(running):
        put(running, (each for session in sessions for each in session.objects()))


def today_at_midnight() -> datetime:
    """The start of a session that lies in the past, whatever time it is."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)


def test_an_uploaded_session_is_ingested_within_a_minute_of_its_report(
    running: RunningSystem, database: sqlite3.Connection
) -> None:
    session = SampleSession("V100", today_at_midnight(), 1)
    for key, content in session.objects():
        running.put(key, content, bucket=BUCKET)

    def is_indexed() -> bool:
        return indexed_recordings(running, "V100") == len(session.audio_tags)

    wait_for(is_indexed, 60, "the session")
    assert stored(database, "V100") == uploaded(running, "V100")
    assert len(stored(database, "V100")) == len(session.audio_tags)
    for tag in session.audio_tags:
        key = quote(session.prefix + tag)
        story = httpx.get(f"{running.settings.api_url}/object/{BUCKET}/{key}/history").json()
        assert (story["outcome"], story["report"]["sample_rate"]) == ("indexed", 48000)
    depth = running.system.queues.session.queue.depth
    wait_for(lambda: depth().waiting == depth().in_flight == 0, 30, "the message to be answered")
    assert running.system.queues.session.dead_letters.depth().waiting == 0


def test_a_backfill_over_a_past_month_is_one_run_and_complete_and_again_adds_nothing(
    running: RunningSystem, database: sqlite3.Connection
) -> None:
    month = sample_sessions(40, vehicles=["V200"], first_day=date(2024, 2, 1), days=29)
    neighbours = sample_sessions(2, vehicles=["V201"], first_day=date(2024, 1, 31), days=1)
    put_unannounced(running, [*month, *neighbours])

    done = running.run("backfill", "sessions", "--from", "2024-02-01", "--to", "2024-02-29")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "COMPLETED_SUCCESS: 1 SUCCESS"
    assert stored(database, "V200") == uploaded(running, "V200")
    assert len(stored(database, "V200")) == 120
    assert indexed_recordings(running, "V200") == 120
    assert stored(database, "V201") == [], "they lie outside of the month"

    before = database.execute("SELECT * FROM sds").fetchall()
    run_job(running, "2024-02-01", "2024-02-29")
    assert database.execute("SELECT * FROM sds").fetchall() == before


def test_a_backfill_killed_in_the_middle_is_completed_by_the_next_run_with_nothing_twice(
    running: RunningSystem, database: sqlite3.Connection
) -> None:
    month = list(sample_sessions(300, vehicles=["V300"], first_day=date(2024, 3, 1), days=30))
    put_unannounced(running, month)
    ui_url = running.settings.ui_url
    assets = ["session_reports", "session_events"]
    killed = launch_backfill(ui_url, assets, date(2024, 3, 1), date(2024, 3, 30))
    wait_for(lambda: count(database, "sds_sessions", "V300"), 60, "the first session")
    kill_the_run(running)
    assert 0 < count(database, "sds_sessions", "V300") < len(month)
    runs = (list(status.runs.values()) for status in watch_backfill(ui_url, killed))
    assert any(statuses == ["FAILURE"] for statuses in runs)

    run_job(running, "2024-03-01", "2024-03-30")
    assert count(database, "sds_sessions", "V300") == len(month)
    assert stored(database, "V300") == uploaded(running, "V300")
    assert len(stored(database, "V300")) == 900
    assert indexed_recordings(running, "V300") == 900


def kill_the_run(running: RunningSystem) -> None:
    victims = running.processes("ingest_pipeline.cli.main worker")
    assert victims
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=10)


LAUNCH_RUN = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
RUN_STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def days_of(first: str, last: str) -> dict[str, object]:
    """What the UI sends to launch one run of the job over days."""
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
    return {
        "selector": {
            "repositoryLocationName": "ingest_pipeline",
            "repositoryName": "__repository__",
            "jobName": "ingest_sessions",
        },
        "runConfigData": {},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": key, "value": tags[key]} for key in tags]},
    }


def run_status(running: RunningSystem, run_id: str) -> str:
    found: str = running.graphql(RUN_STATUS, id=run_id)["runOrError"]["status"]
    return found


def run_job(running: RunningSystem, first: str, last: str) -> None:
    launched = running.graphql(LAUNCH_RUN, params=days_of(first, last))["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    ends = {"SUCCESS", "FAILURE", "CANCELED"}
    wait_for(lambda: run_status(running, run_id) in ends, 120, "the run")
    assert run_status(running, run_id) == "SUCCESS"


def test_a_half_uploaded_session_is_completed_by_the_run_over_the_last_days(
    running: RunningSystem, database: sqlite3.Connection
) -> None:
    yesterday = today_at_midnight() - timedelta(days=1)
    session = SampleSession("V400", yesterday, 1)
    first, *late = session.audio_tags
    objects = dict(session.objects())
    with nothing_announced(running):
        put(running, ((key, objects[key]) for key in objects if not key.endswith(tuple(late))))
        done = running.run("sessions", "ingest", session.prefix)
        assert done.stdout.count("the report lists it, but it is not in the bucket") == len(late)
        assert [row[1] for row in stored(database, "V400")] == [first]
        assert count(database, "sds_sessions", "V400") == 0, "events are still to come"
        put(running, ((session.prefix + tag, objects[session.prefix + tag]) for tag in late))
    run_job(running, str((yesterday - timedelta(days=5)).date()), str(datetime.now(UTC).date()))
    assert stored(database, "V400") == uploaded(running, "V400")
    assert count(database, "sds_sessions", "V400") == 1
    assert indexed_recordings(running, "V400") == len(session.audio_tags)


def test_the_commands_list_ingest_and_export_sessions(
    running: RunningSystem, database: sqlite3.Connection, tmp_path: Path
) -> None:
    session = SampleSession("V500", today_at_midnight(), 1)
    put_unannounced(running, [session])
    assert listed(running)[session.session_id] == {
        "session": session.session_id,
        "folder": f"s3://{BUCKET}/{session.prefix}",
        "report": True,
        "audio_tags": 3,
        "complete": False,
    }
    for folder in (session.prefix.rstrip("/"), f"s3://{BUCKET}/{session.prefix}"):
        done = running.run("sessions", "ingest", folder)
        assert done.returncode == 0, done.stdout + done.stderr
    assert listed(running)[session.session_id]["complete"]
    assert stored(database, "V500") == uploaded(running, "V500")
    assert indexed_recordings(running, "V500") == 3

    output = tmp_path / "events.csv"
    done = running.run("sessions", "export", "--output", str(output))
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(output)
    assert len(table) == database.execute("SELECT count(*) FROM sds").fetchone()[0]
    assert sorted(table[table["vehicle"] == "V500"]["audio_tag"]) == session.audio_tags


def listed(running: RunningSystem) -> dict[str, dict[str, object]]:
    done = running.run("sessions", "list", "--days", "2", "--json")
    assert done.returncode == 0, done.stderr
    return {row["session"]: row for row in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("V500/991332/000000/x", "'991332' is no date YYMMDD"),
        ("V500/240101", "is not below <VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/"),
        ("V500/240101/000000/nothing-there", "nothing lies there"),
    ],
)
def test_a_session_that_cannot_be_ingested_is_explained_and_the_exit_code_is_1(
    running: RunningSystem, folder: str, why: str
) -> None:
    done = running.run("sessions", "ingest", folder)
    assert done.returncode == 1
    assert why in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
