"""The catalogue's page, as a browser asks for it, with many objects against with 100.

The many are spread over a year, the 100 arrived on one day; each has its report, its row in the
index and its preview. A page is rendered on the server: its pictures are not part of it.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
from more_itertools import chunked

from benchmarks.harness import BUCKET, Figure, Sizes, embedded_aws, running_api
from ingest_pipeline.media.model import Kind, Probe, Reason
from ingest_pipeline.records.model import (
    ArrivalDay,
    Asset,
    Outcome,
    Preview,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    DAYS,
    PREVIEWS,
    REPORTS,
)
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System

_FEW = 100
_DAYS = 365
_KINDS = (Kind.AUDIO, Kind.AUDIO, Kind.VIDEO, Kind.IMAGE)
_REFUSED_EVERY = 10
_REPEATS = 15
_GOAL = 3.0  # times as long
_WRITTEN_AT_ONCE = 2000  # rows

_PAGES = {
    "the newest": "/",
    "recordings": "/?kind=audio",
    "valid objects of some name": "/?outcome=indexed&name=RECORDING",
}
# Of these 100 objects fill no page, and have no days to look through.
_RARE_PAGES = {
    "refused recordings": "/?kind=audio&outcome=rejected",
    "a name that one object has": "/?name=the-only-one",
}


def measure(sizes: Sizes) -> list[Figure]:
    few, many = _milliseconds(_FEW, 1), _milliseconds(sizes.catalogue, _DAYS)
    return [_figure(what, few[what], many[what], sizes.catalogue) for what in few]


def _figure(what: str, few: float, many: float, count: int) -> Figure:
    ratio = many / few
    has_goal = what in _PAGES
    return Figure(
        f"a page of {what}, {count:,} objects against {_FEW}, times as long",
        f"{many:.0f} ms",
        f"{few:.0f} ms",
        ratio,
        f"at most {_GOAL:g}" if has_goal else "",
        ratio <= _GOAL if has_goal else None,
        note="" if has_goal else "100 objects do not fill it; 30 days are looked through at most",
    )


def _milliseconds(count: int, days: int) -> dict[str, float]:
    """How long each page takes, the median of some."""
    with embedded_aws() as config:
        _fill(config, count, days)
        with running_api(config), httpx.Client(base_url=config.api_url, trust_env=False) as client:
            client.headers["Accept"] = "text/html"
            pages = _PAGES | _RARE_PAGES
            return {what: _median(client, path) for what, path in pages.items()}


def _median(client: httpx.Client, path: str) -> float:
    client.get(path).raise_for_status()
    seconds = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        client.get(path).raise_for_status()
        seconds.append(time.perf_counter() - begun)
    return 1000 * statistics.median(seconds)


# --- objects --------------------------------------------------------------------------------------


def _fill(config: Settings, count: int, days: int) -> None:
    tables = System(config).tables
    unconditional = replace(ASSETS, condition=lambda _asset: None)  # nothing else writes
    for reports in chunked(_reports(count, days), _WRITTEN_AT_ONCE):
        tables.put(REPORTS, reports)
        tables.put(unconditional, map(asset_of, reports))
        tables.put(PREVIEWS, map(preview_of, reports))
        tables.put(DAYS, [ArrivalDay(day=day) for day in {report.day for report in reports}])


def _reports(count: int, days: int) -> Iterator[Report]:
    end = datetime.now(UTC)
    for number in range(count):
        at = end - timedelta(days=days) * number / count
        refused = number % _REFUSED_EVERY == 0
        name = "the-only-one" if number == count // 2 else f"folder/recording-{number:06}"
        yield Report(
            bucket=BUCKET,
            key=f"{name}.wav",
            version=f"version-{number}",
            day=at.strftime("%Y-%m-%d"),
            size=1_000_000,
            last_modified=at,
            probe=Probe(kind=_KINDS[number % len(_KINDS)], container="wav", codec="pcm"),
            verdict=Verdict.REJECTED if refused else Verdict.VALID,
            reasons=(Reason(rule="sample_rate", found=44100, wanted=48000),) if refused else (),
            outcome=Outcome.REJECTED if refused else Outcome.INDEXED,
            judged_at=at,
        )


def asset_of(report: Report) -> Asset:
    return Asset(
        bucket=report.bucket,
        file=report.key,
        version=report.version,
        day=report.day,
        last_modified=report.judged_at,
        judged_at=report.judged_at,
        deleted_at=report.judged_at if report.outcome is Outcome.REJECTED else None,
    )


def preview_of(report: Report) -> Preview:
    return Preview(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        kind=report.probe.kind if report.probe else Kind.OTHER,
        preview_bucket="ingest-renditions",
        preview_key=f"previews/{report.key}.png",
        content_type="image/png",
        made_at=report.judged_at,
    )
