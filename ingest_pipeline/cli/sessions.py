"""`ingest-pipeline sessions`: driving sessions from the command line."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ingest_pipeline.aws.objects.content import write_object
from ingest_pipeline.aws.objects.listing import list_files
from ingest_pipeline.pipeline.sessions import SessionIngest
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.sessions.adoption import survey
from ingest_pipeline.sessions.download import download_tags
from ingest_pipeline.sessions.event_db.event_db import Author, EventDb
from ingest_pipeline.sessions.event_db.open import event_db_at, open_event_db
from ingest_pipeline.sessions.export import write_table
from ingest_pipeline.sessions.model import SessionSkippedError, SessionState
from ingest_pipeline.sessions.names import parse_date
from ingest_pipeline.sessions.reading import read_session
from ingest_pipeline.sessions.sample import sample_sessions
from ingest_pipeline.sessions.tree import (
    FolderProblem,
    FoundSession,
    Timeframe,
    find_session,
    find_sessions,
)
from ingest_pipeline.system import System
from ingest_pipeline.values import FIRST_DAY

_COUNT = click.IntRange(min=1)
_DAYS = click.IntRange(1, 36_500)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def sessions() -> None:
    """Driving sessions of voice-annotated events."""


@sessions.command("list")
@click.option(
    "--days", default=7, type=_DAYS, show_default=True, help="How many days back, today included."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
@click.pass_obj
def list_sessions(system: System, days: int, as_json: bool) -> None:  # noqa: FBT001
    """The sessions in the bucket, and whether their events are in the database."""
    timeframe = Timeframe.last_days(days, datetime.now(UTC).date())
    found = list(find_sessions(system.clients.s3, system.config.session_bucket, timeframe))
    uploaded = [each for each in found if isinstance(each, FoundSession)]
    with _event_db(system) as database:
        complete = database.complete_sessions(each.identity for each in uploaded)
    rows = [
        {
            "session": each.session_id,
            "folder": each.uri,
            "report": bool(each.reports),
            "audio_tags": len(each.audio_tags),
            "complete": each.identity in complete,
        }
        for each in uploaded
    ]
    if as_json:
        json.dump(rows, sys.stdout, indent=2, ensure_ascii=False)
        click.echo()
        return
    table = Table("session", "report", "audio tags", "complete")
    for row in rows:
        cells = (row["session"], row["report"], row["audio_tags"], row["complete"])
        table.add_row(*(Text(str(cell)) for cell in cells))
    Console().print(table)


@sessions.command()
@click.argument("folder")
@click.pass_obj
def ingest(system: System, folder: str) -> None:
    """Ingest one session now: FOLDER is `VEHICLE/YYMMDD/HHMMSS/SESSION`, with or without s3://.

    Exits with 1 unless its events are in the database.
    """
    found = _found(system, folder)
    day = parse_date(found.prefix.split("/")[1])
    with _event_db(system) as database:
        step = SessionIngest(system.clients.s3, system.tables, database, _ingest_recordings(system))
        (outcome,) = step.ingest([found], Timeframe.of_days(day, day)).outcomes
    click.echo(f"{outcome.session_id}: {outcome.state} {outcome.reason or ''} {outcome.detail}")
    for problem in outcome.problems:
        click.echo(f"  {problem.audio_tag}: {problem.reason}")
    if outcome.state not in {SessionState.PROCESSED, SessionState.UNCHANGED}:
        sys.exit(1)


def _ingest_recordings(system: System) -> Callable[[Sequence[ObjectRef]], object]:
    from ingest_pipeline.defs.common.wiring import (  # noqa: PLC0415 - Dagster costs a second
        resources,
    )

    return resources(system.config).ingest


@sessions.command()
@click.argument("folder")
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="They come to DIRECTORY/SESSION/<path of the recording below the session>.",
)
@click.pass_obj
def download(system: System, folder: str, target: Path) -> None:
    """Bring the recordings of a session's events onto this machine; FOLDER as for `ingest`.

    Exits with 1 unless all of them are there.
    """
    found = _found(system, folder)
    s3 = system.clients.s3
    try:
        reading = read_session(s3, found)
    except SessionSkippedError as error:
        raise click.ClickException(f"{found.uri}: {error}") from error
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(found.session_id, total=len(reading.events))
        done = download_tags(
            s3,
            found.bucket,
            reading.events,
            target,
            lambda number, _total: progress.update(bar, completed=number),
        )
    for event in done.events:
        click.echo(event.local_path)
    problems = (*reading.problems, *done.problems)
    for problem in problems:
        click.echo(f"{problem.audio_tag}: {problem.reason}", err=True)
    if problems:
        sys.exit(1)


@sessions.command()
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def export(system: System, output: Path) -> None:
    """Write all events of the database as a table; the suffix decides: .csv or .parquet."""
    with _event_db(system) as database:
        table = database.table()
    try:
        write_table(table, output)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(table)} events in {output}")


@sessions.command()
@click.option("--from", "first", type=_DAY, help="The first day; default: the first of all.")
@click.option(
    "--to",
    "last",
    type=_DAY,
    help="The last day, included; default: all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
@click.pass_obj
def adopt(
    system: System,
    first: datetime | None,
    last: datetime | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """What the database holds of the bucket's sessions, by whom, and what a backfill would add.

    Nothing is written, and no table changed: look at this before the first start on a table that
    the old job filled. Sessions of which it wrote rows stay as they are.
    """
    timeframe = _days(first, last)
    database = event_db_at(system.config.event_db_url, system.clients.dynamodb)
    try:
        found = survey(system.clients.s3, system.config.session_bucket, database, timeframe)
    finally:
        database.close()
    if as_json:
        told = {**found.model_dump(mode="json"), "rows": found.rows, "would_add": found.would_add}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    table = Table("session", *Author, "would add", "note")
    for each in found.sessions:
        counts = (each.rows.get(author, 0) for author in Author)
        cells = (each.session_id, *counts, each.would_add, each.note)
        table.add_row(*(Text(str(cell)) for cell in cells))
    console = Console()
    console.print(table)
    for problem in found.problems:
        click.echo(f"{problem.folder}: {problem.reason}")
    there = ", ".join(f"{count} by {author}" for author, count in found.rows.items())
    click.echo(f"{len(found.sessions)} sessions; rows there: {there}; to add: {found.would_add}")


def _days(first: datetime | None, last: datetime | None) -> Timeframe:
    start = first.date() if first else FIRST_DAY.date()
    end = last.date() if last else datetime.now(UTC).date() + timedelta(days=1)
    if end < start:
        raise click.UsageError(f"--to {end} lies before --from {start}")
    return Timeframe.of_days(start, end)


@sessions.command()
@click.option("--count", default=20, type=_COUNT, show_default=True)
@click.option("--first-day", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--days", default=7, type=_DAYS, show_default=True)
@click.pass_obj
def sample(system: System, count: int, first_day: datetime, days: int) -> None:
    """Put made-up sessions into the bucket, to try things on."""
    made = sample_sessions(count, first_day=date.fromisoformat(f"{first_day:%Y-%m-%d}"), days=days)
    for number, session in enumerate(made, start=1):
        for key, body in session.objects():
            write_object(system.clients.s3, system.config.session_bucket, key, body)
        click.echo(f"{number}: {session.prefix}")


def _found(system: System, folder: str) -> FoundSession:
    bucket = system.config.session_bucket
    prefix = folder.removeprefix(f"s3://{bucket}/").strip("/") + "/"
    found = find_session(system.clients.s3, bucket, prefix)
    if isinstance(found, FolderProblem):
        raise click.ClickException(f"{found.folder}: {found.reason}")
    if next(list_files(system.clients.s3, bucket, found.prefix), None) is None:
        raise click.ClickException(f"{found.uri}: nothing lies there")
    return found


@contextmanager
def _event_db(system: System) -> Iterator[EventDb]:
    database = open_event_db(
        system.config.event_db_url,
        system.clients.dynamodb,
        catalogue_url=system.config.catalogue_link,
    )
    try:
        yield database
    finally:
        database.close()
