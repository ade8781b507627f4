"""The commands for objects that are there: list, fetch, delete, open."""

import json
import os
import sys
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.aws.objects.versions import download_version
from ingest_pipeline.catalogue.pages import Catalogue
from ingest_pipeline.catalogue.walk import Search
from ingest_pipeline.cli.terms import as_json, parsed_uri, visible
from ingest_pipeline.errors import RefusedError
from ingest_pipeline.media.model import Kind
from ingest_pipeline.records.model import Outcome, Report
from ingest_pipeline.records.order import newest_first
from ingest_pipeline.records.tables import REPORTS, REPORTS_BY_OBJECT
from ingest_pipeline.system import System
from ingest_pipeline.values import object_uri

_GONE = (Outcome.DELETED, Outcome.DELETING, Outcome.SUPERSEDED)


class NothingThereError(RefusedError):
    """No object stands at a key."""


class _Asked(TypedDict):
    name: str
    kind: str | None
    outcome: str | None
    first: datetime | None
    last: datetime | None


@click.command("ls")
@click.argument("name", default="")
@click.option("--kind", type=click.Choice([each.value for each in Kind]), help="Only these.")
@click.option(
    "--outcome", type=click.Choice([each.value for each in Outcome]), help="Only what became of so."
)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="Arrived on or after.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Arrived on or before.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
@click.pass_obj
def list_objects(
    system: System,
    *,
    limit: int,
    as_json: bool,
    **asked: Unpack[_Asked],
) -> None:
    """List what arrived, newest first.

    NAME is a part of the key, in any case.
    """
    first, last = asked["first"], asked["last"]
    if first and last and last < first:
        raise click.UsageError(f"--to {last.date()} is before --from {first.date()}")
    search = Search(
        name=asked["name"],
        kind=Kind(asked["kind"]) if asked["kind"] else None,
        outcome=Outcome(asked["outcome"]) if asked["outcome"] else None,
        first=first.date() if first else None,
        last=last.date() if last else None,
    )
    found = list(islice(_reports(system, search), limit))
    if as_json:
        json.dump([report_row(each) for each in found], sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    table = Table("arrived (UTC)", "object", "outcome", "bytes", "why")
    for each in found:
        table.add_row(*(Text(visible(cell)) for cell in _cells(each)))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@click.command("get")
@click.argument("uri", metavar="s3://BUCKET/KEY")
@click.argument("to", type=click.Path(path_type=Path), required=False)
@click.option("--version", help="Another than the one that stands there.")
@click.pass_obj
def get_object(system: System, uri: str, to: Path | None, version: str | None) -> None:
    """Download an object, to its own name or to TO.

    A deleted version, too, for as long as S3 has it. What is there already is never overwritten.
    """
    bucket, key = parsed_uri(uri)
    report = _report(system, bucket, key, version)
    path = to or Path(key.rpartition("/")[2])
    path = path / key.rpartition("/")[2] if path.is_dir() else path
    if path.exists():
        raise click.ClickException(f"{path} is there already: name another file")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        download_version(system.clients.s3, report, part)
        part.rename(path)
    except ObjectGoneError as error:
        raise click.ClickException(str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{visible(str(path))}: {path.stat().st_size} bytes")


@click.command("rm")
@click.argument("uris", nargs=-1, required=True, metavar="s3://BUCKET/KEY...")
@click.pass_obj
def remove_objects(system: System, uris: tuple[str, ...]) -> None:
    """Ask for the deletion of objects, with all that was made of them.

    Each can be brought back for 30 days by `restore`. One that is not there does not hold up the
    others; exits with 1 if there was any.
    """
    problems = []
    for bucket, key in [parsed_uri(uri) for uri in uris]:
        try:
            report = _standing(system, bucket, key)
        except NothingThereError as error:
            problems.append(str(error))
            continue
        system.delete_requests().request(bucket, key, report.version)
        click.echo(f"{visible(report.uri)} is being deleted")
    if problems:
        raise click.ClickException("\n".join(map(visible, problems)))


@click.command("open")
@click.argument("uri", metavar="s3://BUCKET/KEY", required=False)
@click.pass_obj
def open_page(system: System, uri: str | None) -> None:
    """Open the page of an object in a browser, or the catalogue.

    Its address is printed, too, where there is no browser.
    """
    address = system.config.catalogue_link
    if uri:
        bucket, key = parsed_uri(uri)
        address += f"/catalogue/{bucket}?key={quote(key, safe='')}"
    click.echo(address)
    webbrowser.open(address)


def _reports(system: System, search: Search) -> Iterator[Report]:
    catalogue, cursor = Catalogue(system.tables), None
    while True:
        page = catalogue.page(search, cursor)
        yield from (card.report for card in page.cards)
        cursor = page.cursor
        if cursor is None:
            return


def report_row(report: Report) -> dict[str, object]:
    """What other programs are told of an object."""
    return {
        "object": report.uri,
        "version": report.version,
        "arrived": report.last_modified.isoformat() if report.last_modified else None,
        "kind": report.probe.kind if report.probe else None,
        "size": report.size,
        "verdict": report.verdict,
        "outcome": report.outcome,
        "reasons": [str(reason) for reason in report.reasons],
    }


def _cells(report: Report) -> list[str]:
    arrived = report.last_modified.astimezone(UTC) if report.last_modified else None
    return [
        f"{arrived:%Y-%m-%d %H:%M:%S}" if arrived else "",
        report.uri,
        str(report.outcome),
        f"{report.size:,}" if report.size is not None else "",
        "; ".join(map(str, report.reasons)),
    ]


def _report(system: System, bucket: str, key: str, version: str | None) -> Report:
    """The row of one version, or of the newest."""
    rows = system.tables.query(REPORTS, REPORTS_BY_OBJECT, object_uri(bucket, key))
    for row in newest_first(rows):
        if version in (None, row.version):
            return row
    wanted = f" version {version}" if version else ""
    raise NothingThereError(f"{object_uri(bucket, key)}{wanted}: nothing is known of it")


def _standing(system: System, bucket: str, key: str) -> Report:
    """The row of what stands at a key."""
    report = _report(system, bucket, key, None)
    if report.outcome in _GONE or report.deleted_at is not None:
        raise NothingThereError(f"{report.uri}: {report.outcome} already")
    return report
