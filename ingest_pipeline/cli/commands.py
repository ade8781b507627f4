"""The commands of `ingest-pipeline`. Thin: each calls what does the work."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import click
from botocore.exceptions import EndpointConnectionError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.catalogue.history import (
    UNKNOWN,
    VersionStory,
)
from ingest_pipeline.catalogue.links import Links
from ingest_pipeline.cli.objects import (
    get_object,
    list_objects,
    open_page,
    remove_objects,
    report_row,
)
from ingest_pipeline.cli.sessions import sessions, tell_session
from ingest_pipeline.cli.terms import as_json, parsed_uri, visible
from ingest_pipeline.errors import IngestError
from ingest_pipeline.local.backfill import launch_backfill, watch_backfill
from ingest_pipeline.local.samples import (
    Upload,
    Uploaded,
    comments,
    event_counts,
    image_labels,
    outcomes,
    plan_uploads,
    put,
    put_sample_sessions,
    renditions,
    sample_uploads,
    unseen,
    videos,
)
from ingest_pipeline.local.server import serve
from ingest_pipeline.local.stack import set_up
from ingest_pipeline.local.supervisor import whole_system
from ingest_pipeline.logs import configure
from ingest_pipeline.media.model import Verdict
from ingest_pipeline.pipeline.ingest.reconcile import Difference
from ingest_pipeline.pipeline.leftovers import Leftover
from ingest_pipeline.pipeline.queue.redrive import (
    redrive_dead_letters,
    redrive_object,
)
from ingest_pipeline.records.model import (
    ImageLabels,
    ObjectRef,
    Rendition,
    Report,
)
from ingest_pipeline.records.tables import (
    BY_DAY,
    REPORTS,
)
from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment, settings
from ingest_pipeline.system import System
from ingest_pipeline.values import FIRST_DAY, object_uri
from ingest_pipeline.workers.lanes import Lane

_DEMO_SECONDS = 120
_BACKFILLS = {
    "objects": ["probe_report", "valid_asset_index", "rejected_objects", "ingest_receipts"],
    "sessions": ["session_reports", "session_events"],
}
_PIPE_WIDTH = 160  # columns, where no terminal tells: reasons stay on one line
_console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
_NOT_ALL_VALID = 3  # an exit code of its own: scripts tell a refusal from a failure


@click.group()
def commands() -> None:
    """All commands, for `ingest_pipeline.cli.main`, which can list them without this module."""


def person_system() -> System:
    """The system for a person who waits: better an error soon than the five attempts of a run."""
    return System(settings().model_copy(update={"aws_attempts": 2}))


def told(error: Exception) -> str | None:
    """What a person is told of an error that they can act on; None of any other."""
    if isinstance(error, EndpointConnectionError):
        return f"{error} - is `make dev`, or `ingest-pipeline aws`, running?"
    return str(error) if isinstance(error, (IngestError, *AWS_ERRORS)) else None


@commands.command()
@click.pass_obj
def dev(system: System) -> None:
    """Start everything, drop the samples (never into a real account), and run until Ctrl-C."""
    supervisor = whole_system(system.config)
    _announce()
    try:
        with supervisor.running():
            if system.config.aws == "embedded":
                for upload in unseen(system, sample_uploads(system.config.bucket)):
                    put(system, upload)
            _print_addresses(system.config)
            supervisor.watch()
    except KeyboardInterrupt:
        click.echo("stopped")


@commands.command()
@click.pass_obj
def demo(system: System) -> None:
    """Start everything, take in the samples, print what became of each, and stop.

    Exits with 1 if a sample, or a made-up driving session, has no outcome after two minutes,
    the video no rendition, the photo no labels, or what a driver says is not understood.
    """
    _announce()
    with whole_system(system.config).running():
        uploaded = [put(system, upload) for upload in sample_uploads(system.config.bucket)]
        session_ids = put_sample_sessions(system)
        reports = outcomes(system, uploaded, _DEMO_SECONDS)
        events = event_counts(system, session_ids, _DEMO_SECONDS)
        made = renditions(system, reports, _DEMO_SECONDS)
        labelled = image_labels(system, reports, _DEMO_SECONDS)
        is_listening = system.config.transcriber != "none"
        said = comments(system, session_ids, _DEMO_SECONDS if is_listening else 0)
    _print_reports(reports)
    _print_renditions(system, made)
    _print_labels(labelled)
    _print_sessions(session_ids, events, said)
    _exit_unless_complete(reports, uploaded)
    if unmade := {report.uri for report in videos(reports)} - {each.uri for each in made}:
        raise click.ClickException(f"no rendition in time: {', '.join(unmade)}")
    if not any(each.labels for each in labelled):
        raise click.ClickException("no labels of the photo in time")
    if missing := [session for session in session_ids if session not in events]:
        raise click.ClickException(f"not in the event database in time: {', '.join(missing)}")
    if is_listening and not said:
        raise click.ClickException("no transcript of what a driver says in time")


@commands.command()
@click.pass_obj
def aws(system: System) -> None:
    """Run the embedded AWS alone: for a plain `dagster dev`, or the tests of others."""
    config = system.config
    configure(config, "aws")
    ready = config.state / "aws" / "ready"
    ready.unlink(missing_ok=True)

    def on_ready() -> None:
        set_up(system.clients, PROJECT_ROOT / "infra" / "data.yaml")
        ready.touch()
        click.echo(f"embedded AWS at {config.aws_endpoint}, state in {config.state / 'aws'}")

    def repair() -> None:
        done = subprocess.run(
            [sys.executable, "-m", "ingest_pipeline.local.repair"],
            env=child_environment(config),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        click.echo(done.stdout.strip())

    serve(config, on_ready, repair)


@commands.command()
@click.option(
    "--lanes",
    default=",".join(Lane),
    show_default=True,
    help="Which runs it takes, with commas between.",
)
@click.option(
    "--grace",
    default=90.0,
    show_default=True,
    help="Seconds that runs have to end by themselves when it is stopped.",
)
def worker(lanes: str, grace: float) -> None:
    """Execute runs on warm processes, until stopped."""
    from ingest_pipeline.workers.worker import serve as serve_runs  # noqa: PLC0415 - as above

    try:
        chosen = [Lane(lane.strip()) for lane in lanes.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{error}; wanted: {', '.join(Lane)}") from error
    sys.exit(serve_runs(settings(), chosen, grace))


@commands.command("put")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--bucket", help="Where to; default: INGEST_BUCKET.")
@click.option("--prefix", default="", help="Put before each key, such as `2026/march/`.")
@click.option(
    "--wait",
    default=0,
    type=click.IntRange(min=0),
    help="Seconds to wait for the outcomes, and print them.",
)
@as_json
@click.pass_obj
def put_files(
    system: System,
    *,
    paths: tuple[Path, ...],
    bucket: str | None,
    prefix: str,
    wait: int,
    as_json: bool,
) -> None:
    """Upload files, and the files in folders.

    With --wait it exits with 0 only when all are valid, with 3 when any was refused or left alone
    as of a kind that is not judged, and with 1 when there is no outcome in time.
    """
    uploads = list(plan_uploads(paths, bucket or system.config.bucket, prefix))
    uploaded = _put_with_progress(system, uploads)
    reports = outcomes(system, uploaded, wait) if wait else []
    if as_json:
        _print_json(
            list(map(_upload_row, uploaded)) if not wait else list(map(report_row, reports))
        )
    elif wait:
        _print_reports(reports)
    if wait:
        _exit_unless_complete(reports, uploaded)
        _exit_unless_valid(reports)


@commands.command()
@as_json
@click.pass_obj
def status(system: System, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Queues, dead letters, and what became of today's objects."""
    depths = {
        queue.name: queue.depth()
        for each in system.queues
        for queue in (each.queue, each.dead_letters)
    }
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    counts = Counter(report.outcome.value for report in system.tables.query(REPORTS, BY_DAY, today))
    if as_json:
        _print_json(
            {
                "queues": {
                    name: {"waiting": depth.waiting, "in_flight": depth.in_flight}
                    for name, depth in depths.items()
                },
                "today": {"day": today, "outcomes": dict(counts)},
            }
        )
        return
    table = Table("queue", "waiting", "in flight")
    for name, depth in depths.items():
        table.add_row(name, str(depth.waiting), str(depth.in_flight))
    _console.print(table)
    described = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
    _console.print(f"today ({today}): {described or 'nothing yet'}")


@commands.command()
@click.argument("uri", metavar="s3://BUCKET/KEY")
@as_json
@click.pass_obj
def why(system: System, uri: str, as_json: bool) -> None:  # noqa: FBT001
    """Tell the whole story of an object, or of a driving session's folder.

    Of an object the newest version comes first. Exits with 1 when neither the records nor the
    bucket know anything of it.
    """
    bucket, key = parsed_uri(uri)
    if tell_session(system, bucket, key, as_json=as_json):
        return
    story = system.history(bucket, key)
    if as_json:
        _print_json(story.model_dump(mode="json"))
    else:
        for version in story.history or (story,):
            _print_story(uri, version)
        if story.said:
            text = story.said.text or f"nothing: {story.said.reason}"
            click.echo(f"said, by {story.said.model}: {text}")
    if story.outcome == UNKNOWN:
        sys.exit(1)


@commands.command()
@click.argument("uris", nargs=-1, metavar="[s3://BUCKET/KEY]...")
@click.option("--dead-letters", is_flag=True, help="Also every message that was given up.")
@click.pass_obj
def redrive(system: System, uris: tuple[str, ...], dead_letters: bool) -> None:  # noqa: FBT001
    """Send objects through the ingest queue again.

    One that cannot be sent does not hold up the others. Exits with 1 if there was any, and says
    which were sent, and why the rest was not.
    """
    if not uris and not dead_letters:
        raise click.UsageError("name objects (s3://BUCKET/KEY), or use --dead-letters")
    sent, problems = _redriven(system, [parsed_uri(uri) for uri in uris])
    moved = 0
    if dead_letters:
        for each in system.queues:
            moved += redrive_dead_letters(each.dead_letters, each.queue)
    if problems:
        for ref in sent:
            click.echo(f"{visible(ref.uri)} sent again")
    if sent or moved or not problems:
        click.echo(f"{len(sent)} objects and {moved} dead letters sent again")
    if problems:
        raise click.ClickException("\n".join(map(visible, problems)))


@commands.command()
@click.argument("uri", metavar="s3://BUCKET/KEY")
@click.pass_obj
def restore(system: System, uri: str) -> None:
    """Bring a rejected or deleted object back, and keep it from then on."""
    report = system.restorer().restore(*parsed_uri(uri))
    click.echo(f"{visible(report.uri)} version {report.version} stands in its bucket again")


@commands.command()
@click.option("--dry-run", is_flag=True, help="Only list what disagrees.")
@click.option("--grace", default=0, help="Seconds within which an object is left to its run.")
@as_json
@click.pass_obj
def reconcile(system: System, dry_run: bool, grace: int, as_json: bool) -> None:  # noqa: FBT001
    """Compare buckets, tables and what was made of objects; mend what disagrees."""
    from ingest_pipeline.defs.common.wiring import (  # noqa: PLC0415 - Dagster costs a second
        resources,
    )

    found: list[Difference | Leftover] = []

    def tell(each: Difference | Leftover) -> None:
        found.append(each)
        if not as_json:
            click.echo(visible(f"{each.uri}: {each.problem}"))

    reconciliation = resources(system.config).reconciler.reconciliation
    done = reconciliation.run(timedelta(seconds=grace), tell, dry_run=dry_run)
    if as_json:
        listed = [{"object": each.uri, "problem": each.problem} for each in found]
        _print_json({**asdict(done), "differences": listed})
        return
    click.echo(str(done))


@commands.command()
@click.argument("what", type=click.Choice(["objects", "sessions"]), default="sessions")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option(
    "--list",
    "list_buckets",
    is_flag=True,
    help="Ask the buckets, too, for objects of which no report tells.",
)
@click.pass_obj
def backfill(
    system: System,
    what: str,
    first: datetime,
    last: datetime,
    list_buckets: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Take in again all that arrived on these days, as a Dagster backfill; watch it.

    One of objects that was ended goes on where it was. Exits with 1 unless every run succeeds.
    """
    if list_buckets and what != "objects":
        raise click.UsageError("--list is for `backfill objects`: sessions are always listed")
    days = _days(what, first.date(), last.date())
    ui_url = system.config.ui_url
    run_config = {"ops": {"ingest_batch": {"config": {"list_buckets": True}}}}
    started = launch_backfill(
        ui_url,
        _BACKFILLS[what],
        *days,
        run_config if list_buckets else None,
    )
    click.echo(f"{system.config.dagster_link}/runs/b/{started}")
    for status in watch_backfill(ui_url, started):
        runs = ", ".join(f"{n} {name}" for name, n in Counter(status.runs.values()).items())
        click.echo(f"{status.status}: {runs or 'no run yet'}")
    if not status.succeeded:
        sys.exit(1)


for each in (list_objects, get_object, remove_objects, open_page, sessions):
    commands.add_command(each)


def _days(what: str, first: date, last: date) -> tuple[date, date]:
    """The days of a backfill, of which each must have a partition."""
    latest = datetime.now(UTC).date()
    if what == "sessions":  # they go by their vehicles' clocks: in the far east it is tomorrow
        latest += timedelta(days=1)
    if last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    if first < FIRST_DAY.date() or last > latest:
        raise click.UsageError(
            f"{what} have days from {FIRST_DAY.date()} to {latest}, found {first} to {last}"
        )
    return first, last


def _redriven(
    system: System, objects: Iterable[tuple[str, str]]
) -> tuple[list[ObjectRef], list[str]]:
    """What was sent, and of the rest why not, in a sentence each that names it."""
    sent, problems = [], []
    for bucket, key in objects:
        try:
            queue = system.queues.ingest.queue
            sent.append(redrive_object(system.clients.s3, system.tables, queue, bucket, key))
        except ObjectGoneError as error:
            problems.append(str(error))
        except (IngestError, *AWS_ERRORS) as error:
            problems.append(f"{object_uri(bucket, key)}: {told(error)}")
    return sent, problems


def _put_with_progress(system: System, uploads: Sequence[Upload]) -> list[Uploaded]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        whole = progress.add_task("uploading", total=sum(upload.size for upload in uploads))
        on_bytes = partial(progress.advance, whole)
        return [put(system, upload, on_bytes) for upload in uploads]


def _announce() -> None:
    click.echo("starting (about 15 seconds) ...", err=True)


def _print_addresses(config: Settings) -> None:
    click.echo(f"Catalogue  {config.catalogue_link}/")
    click.echo(f"Dagster    {config.dagster_link}")
    click.echo(f"API        {config.catalogue_link}/docs")
    click.echo(f"AWS        {config.aws_endpoint or 'the real one'}")
    click.echo("Drop a file with any S3 client, or:  .venv/bin/ingest-pipeline put FILE")
    click.echo("Ctrl-C stops everything.")


def _print_reports(reports: Iterable[Report]) -> None:
    table = Table("file", "verdict", "outcome", "why", "channels", "Hz", "bits", "seconds")
    for report in reports:
        audio = report.probe.audio if report.probe else None
        fields = (
            [audio.channel_count, audio.sample_rate, audio.bits_per_sample, audio.duration]
            if audio
            else [""] * 4
        )
        why = "; ".join(map(str, report.reasons))
        cells = [report.key, report.verdict, report.outcome, why, *fields]
        table.add_row(*(Text("" if cell is None else visible(cell)) for cell in cells))
    _console.print(table)


def _print_renditions(system: System, made: Iterable[Rendition]) -> None:
    """A line for each, and below it a link, which no table has room for."""
    links = Links(system.clients.s3)
    for each in made:
        size = f"{each.width}x{each.height}, {each.duration_seconds:.1f} s, {each.size:,} bytes"
        _console.print(Text(f"{each.key} -> {each.rendition_key}: {size}"))
        link = f"  plays for an hour, while `make dev` runs: {links.rendition(each)}"
        _console.print(Text(link), soft_wrap=True)


def _print_labels(labelled: Iterable[ImageLabels]) -> None:
    for each in labelled:
        seen = ", ".join(f"{label.name} {label.confidence:.0f} %" for label in each.labels)
        _console.print(Text(f"{each.key} shows {seen or each.reason or 'nothing that is sure'}"))


def _print_sessions(
    session_ids: Sequence[str], events: Mapping[str, int], said: Mapping[str, str]
) -> None:
    table = Table("driving session", "events in the database", "what the driver said")
    for session in session_ids:
        count = str(events.get(session, "not complete"))
        table.add_row(Text(session), count, Text(said.get(session, "")))
    _console.print(table)


def _exit_unless_complete(reports: Sequence[Report], uploaded: Sequence[Uploaded]) -> None:
    done = {report.uri for report in reports}
    missing = [each.uri for each in uploaded if each.uri not in done]
    if missing:
        raise click.ClickException(f"no outcome in time: {visible(', '.join(missing))}")


def _exit_unless_valid(reports: Sequence[Report]) -> None:
    others = [report for report in reports if report.verdict is not Verdict.VALID]
    if others:
        click.echo(f"{len(others)} of {len(reports)} not valid", err=True)
        sys.exit(_NOT_ALL_VALID)


def _upload_row(uploaded: Uploaded) -> dict[str, object]:
    return {"object": uploaded.uri, "version": uploaded.version}


def _print_story(uri: str, story: VersionStory) -> None:
    table = Table(title=Text(visible(uri)), show_header=False)
    findings = story.report.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    facts: dict[str, object] = {
        "version": story.version,
        "outcome": story.outcome,
        "verdict": story.verdict,
        "why": "; ".join(map(str, story.reasons)),
        "kind": story.kind,
        **findings,
        "judged": story.judged_at,
        "deleted": story.deleted_at,
        "restored": story.restored_at,
        "run": story.run_url,
    }
    for name, value in facts.items():
        if value:
            table.add_row(name, Text(visible(value)))
    _console.print(table)


def _print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
