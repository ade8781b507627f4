"""Driving sessions: their events into the database, against reading them the plain way.

The plain way lists a page for each folder, down to those of the recordings and the logs, gets the
report, the log and every recording whole, one after another, and commits an INSERT for each event.
Both find the same sessions in the same bucket, and write to a SQLite file of their own, several
takes in turn; the rows of each are checked.

In a second measurement the recordings are taken in as well: ours as in every run, probed, judged
and indexed with their reports on record; the plain way reads the header of each recording that it
got, and puts a row for it.

A backfill over a year goes through a running system; what is counted are its runs.
"""

import json
import sqlite3
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.harness import (
    Figure,
    Sizes,
    counted_calls,
    embedded_aws,
    in_child,
    running_system,
)
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.local.backfill import launch_backfill, watch_backfill
from ingest_pipeline.pipeline.sessions import SessionIngest
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.ingest import ingest_timeframe
from ingest_pipeline.sessions.sample import sample_sessions
from ingest_pipeline.sessions.tree import Timeframe, find_sessions
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_FIRST_DAY = date(2024, 1, 1)
_MONTH = 30  # days
_YEAR = 366  # days
_UPLOADERS = 8
_CALLS_GOAL = 0.5  # of the plain way's
_TIME_GOAL = 4.0
_ASSETS = ["session_reports", "session_events"]
_SELECT = "SELECT session_id, audio_tag, annotation, driver, time(timestamp) FROM sds"

_Rows = set[tuple[Any, ...]]


@dataclass(frozen=True)
class _Cost:
    """Of one take, or of several."""

    calls: int
    seconds: float

    @classmethod
    def of(cls, takes: list[dict[str, Any]]) -> "_Cost":
        return cls(takes[0]["calls"], median(take["seconds"] for take in takes))


def measure(sizes: Sizes) -> list[Figure]:
    with embedded_aws() as config:
        _upload(System(config), sizes.sessions, _MONTH)
        ways = ("plain", "events", "plain_everything", "everything")
        takes = [
            {way: in_child(config, f"sessions:{way}", sizes.sessions) for way in ways}
            for _ in range(sizes.repeats)
        ]
    plain, ours, plain_whole, whole = (_Cost.of([take[way] for take in takes]) for way in ways)
    name = f"{sizes.sessions} sessions of 3 recordings"
    return [
        _calls_figure(f"{name}: AWS calls, times fewer", ours, plain),
        _time_figure(f"{name}: their events, times as fast", ours, plain),
        Figure(
            f"{name}: recordings probed and indexed as well, times as fast",
            f"{whole.seconds:.1f} s, {whole.calls} calls",
            f"{plain_whole.seconds:.1f} s, {plain_whole.calls} calls",
            plain_whole.seconds / whole.seconds,
        ),
        _backfill_figure(sizes.year),
    ]


def _calls_figure(what: str, ours: _Cost, plain: _Cost) -> Figure:
    return Figure(
        what,
        str(ours.calls),
        str(plain.calls),
        plain.calls / ours.calls,
        f"at least {1 / _CALLS_GOAL:g}",
        ours.calls <= _CALLS_GOAL * plain.calls,
    )


def _time_figure(what: str, ours: _Cost, plain: _Cost) -> Figure:
    ratio = plain.seconds / ours.seconds
    return Figure(
        what,
        f"{ours.seconds:.2f} s",
        f"{plain.seconds:.2f} s",
        ratio,
        f"at least {_TIME_GOAL:g}",
        ratio >= _TIME_GOAL,
        note="the embedded AWS answers without delay, so reading side by side saves little",
    )


def _backfill_figure(count: int) -> Figure:
    with running_system() as config:
        system = System(config)
        _upload(system, count, _YEAR)
        last = _FIRST_DAY + timedelta(days=_YEAR - 1)
        launched = launch_backfill(config.ui_url, _ASSETS, _FIRST_DAY, last)
        begun = time.monotonic()
        *_, status = watch_backfill(config.ui_url, launched)
        seconds = time.monotonic() - begun
        rows = _rows(config.state / "events.db")
    if not status.succeeded or len(rows) != 3 * count:
        raise RuntimeError(f"{status}: {len(rows)} events of {3 * count}")
    runs = len(status.runs)
    return Figure(
        f"a backfill of {count} sessions over a year: runs, times fewer than one a session",
        str(runs),
        str(count),
        count / runs,
        "a single run",
        runs == 1,
        note=f"done after {seconds:.0f} s, of which the daemon waits up to 60 to look at it",
    )


def _upload(system: System, count: int, days: int) -> None:
    """Put sessions into the bucket, without telling the sensor."""
    s3, bucket = system.clients.s3, system.config.session_bucket
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})

    def put(item: tuple[str, bytes]) -> None:
        s3.put_object(Bucket=bucket, Key=item[0], Body=item[1])

    made = sample_sessions(count, first_day=_FIRST_DAY, days=days)
    with ThreadPoolExecutor(_UPLOADERS) as pool:
        list(pool.map(put, chain.from_iterable(session.objects() for session in made)))


# --- in a process of its own ----------------------------------------------------------------------


def events(count: int) -> dict[str, Any]:
    """What it costs us to bring the events into the database."""
    return _cost(count, _our_events)


def everything(count: int) -> dict[str, Any]:
    """What a run does: events, recordings into the index, outcomes on record."""
    return _cost(count, _our_run)


def plain(count: int) -> dict[str, Any]:
    """What the plain way costs."""
    return _cost(count, _plainly)


def plain_everything(count: int) -> dict[str, Any]:
    """What the plain way costs that puts a row for each recording, too."""
    return _cost(count, _plainly_with_recordings)


def _cost(count: int, way: Callable[[System, Path], None]) -> dict[str, Any]:
    """What it costs from the first listing to the last row; connections and tables are there."""
    with TemporaryDirectory() as folder, counted_calls() as counter:
        database = Path(folder) / "events.db"
        open_event_db(f"sqlite:///{database}").close()
        system = System(settings())
        system.clients.s3.head_bucket(Bucket=system.config.session_bucket)
        counter.calls.clear()
        begun = time.monotonic()
        way(system, database)
        seconds = time.monotonic() - begun
        rows = _rows(database)
        calls = counter.calls.total()
    if rows != _expected(count):
        raise RuntimeError(f"{way.__name__}: {len(rows)} rows, not those of {count} sessions")
    return {"calls": calls, "seconds": seconds}


def _rows(database: Path) -> _Rows:
    with closing(sqlite3.connect(database)) as connection:
        return set(connection.execute(_SELECT))


def _expected(count: int) -> _Rows:
    return {
        (
            session.session_id,
            tag,
            tag.removesuffix(".wav").rpartition("_")[2],
            session.report["drive_info"]["Base_Data"]["driver"],
            _moment(session.started, tag),
        )
        for session in sample_sessions(count, first_day=_FIRST_DAY, days=_MONTH)
        for tag in session.audio_tags
    }


def _moment(started: datetime, tag: str) -> str:
    """A sample's log begins with frame 1,000 and has ten a second."""
    frame = int(tag.rpartition("/")[2].partition("_")[0])
    return f"{started + timedelta(seconds=(frame - 1000) // 10):%H:%M:%S}"


def _our_events(system: System, database: Path) -> None:
    with closing(open_event_db(f"sqlite:///{database}")) as db:
        ingest_timeframe(system.clients.s3, system.config.session_bucket, db, _month())


def _our_run(system: System, database: Path) -> None:
    s3 = system.clients.s3
    with closing(open_event_db(f"sqlite:///{database}")) as db:
        ingest = SessionIngest(s3, system.tables, db, resources(system.config).ingest)
        ingest.ingest(find_sessions(s3, system.config.session_bucket, _month()), _month())


def _month() -> Timeframe:
    return Timeframe.of_days(_FIRST_DAY, _FIRST_DAY + timedelta(days=_MONTH - 1))


# --- the baseline ---------------------------------------------------------------------------------


def _plainly(
    system: System, database: Path, keep: Callable[[str, bytes], None] | None = None
) -> None:
    """Walk through the folders and take in each session; `keep` is given its recordings."""
    s3, bucket = system.clients.s3, system.config.session_bucket
    sessions: dict[str, list[str]] = {}
    for key in _plain_walk(s3, bucket, ""):
        sessions.setdefault("/".join(key.split("/")[:4]) + "/", []).append(key)
    with closing(sqlite3.connect(database)) as connection:
        for folder, keys in sessions.items():
            for key, recording in _ingest_plainly(s3, bucket, folder, keys, connection):
                if keep:
                    keep(key, recording)


def _plainly_with_recordings(system: System, database: Path) -> None:
    def keep(key: str, recording: bytes) -> None:
        with wave.open(BytesIO(recording)) as file:
            header = file.getparams()
        item = {
            "session_id": key,  # a table that nothing else here writes to: ours reads `assets`
            "audio_tag": key,
            "channel_count": str(header.nchannels),
            "frame_count": str(header.nframes),
            "sample_rate": str(header.framerate),
            "bits_per_sample": str(8 * header.sampwidth),
            "duration": str(header.nframes / header.framerate),
        }
        system.clients.dynamodb.put_item(
            TableName="session_events", Item={name: {"S": text} for name, text in item.items()}
        )

    _plainly(system, database, keep)


def _plain_walk(s3: "S3Client", bucket: str, folder: str) -> Iterator[str]:
    """The keys below a folder, by a page for it and for each folder in it."""
    page = s3.list_objects_v2(Bucket=bucket, Prefix=folder, Delimiter="/")
    for entry in page.get("Contents", []):
        yield entry["Key"]
    for below in page.get("CommonPrefixes", []):
        yield from _plain_walk(s3, bucket, below["Prefix"])


def _ingest_plainly(
    s3: "S3Client", bucket: str, folder: str, keys: list[str], connection: sqlite3.Connection
) -> Iterator[tuple[str, bytes]]:
    get = partial(_content, s3, bucket)
    report = json.loads(get(next(key for key in keys if key.endswith(".json"))))
    logs = [get(key).decode() for key in keys if key.endswith(".log")]
    lines = [line for log in logs for line in log.splitlines()]
    for path in _plain_tags(report):
        yield folder + path, get(folder + path)
        frame, _number, annotation = path.rpartition("/")[2].removesuffix(".wav").split("_")
        connection.execute(
            "INSERT INTO sds (session_id, audio_tag, annotation, driver, comment, timestamp) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                folder.split("/")[-2],
                path,
                annotation,
                report["drive_info"]["Base_Data"]["driver"],
                report["drive_info"]["Data_Info"]["driver_comment"],
                _plain_moment(lines, frame),
            ),
        )
        connection.commit()


def _content(s3: "S3Client", bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _plain_tags(report: dict[str, Any]) -> Iterator[str]:
    for entry in report["FileList"]:
        if entry["file"].endswith(".wav"):
            yield entry["file"]


def _plain_moment(lines: list[str], frame: str) -> str:
    line = next(line for line in lines if f"frame: {frame}," in line)
    day, clock = line.split(",")[1].split()
    return f"{datetime.strptime(day, '%d/%m/%Y').date()} {clock}"  # noqa: DTZ007 - a vehicle's clock
