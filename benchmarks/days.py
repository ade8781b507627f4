"""A day of any size: everything that arrived on it ingested again, by one run in one process.

All objects are valid WAVs of 1,000 bytes that were indexed before, with their previews. The memory
is the most that the run's process ever held, its libraries included. What is compared is the CPU of
that process: the embedded AWS, a process of its own, sorts the whole day anew for each thousand
reports that are asked for, which takes it 8 s where it holds 100,000.
"""

import logging
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from more_itertools import chunked

from benchmarks.catalogue import asset_of, preview_of
from benchmarks.harness import BUCKET, Figure, Sizes, embedded_aws, in_child, wav
from ingest_pipeline.definitions import defs
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.records.model import Outcome, Report, Verdict
from ingest_pipeline.records.tables import ASSETS, PREVIEWS, REPORTS
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System

_DAY = "2026-03-01"
_BYTES = 1_000
_UPLOADERS = 8
_WRITTEN_AT_ONCE = 1_000
_MOST_MB = 400
_LINEAR = 1.3  # times the CPU an object of the smallest day


def measure(sizes: Sizes) -> list[Figure]:
    days = {count: _measured(count) for count in sizes.days}
    smallest, *larger = days
    return [
        figure
        for count in larger
        for figure in _figures(count, days[count], smallest, days[smallest])
    ]


def _figures(
    count: int, found: dict[str, float], smallest: int, least: dict[str, float]
) -> list[Figure]:
    each, least_each = found["cpu"] / count, least["cpu"] / smallest
    return [
        Figure(
            f"a day of {count:,} objects against one of {smallest:,}, CPU an object",
            f"{each * 1000:.1f} ms",
            f"{least_each * 1000:.1f} ms",
            each / least_each,
            f"at most {_LINEAR}",
            each <= _LINEAR * least_each,
            note=f"{found['cpu']:.0f} s CPU of {found['seconds']:.0f} s in all",
        ),
        Figure(
            f"a day of {count:,} objects against one of {smallest:,}, most memory of the run",
            f"{found['mb']:.0f} MB",
            f"{least['mb']:.0f} MB",
            found["mb"] / least["mb"],
            f"under {_MOST_MB} MB",
            found["mb"] < _MOST_MB,
        ),
    ]


def _measured(count: int) -> dict[str, float]:
    with embedded_aws() as config:
        _fill(config, count)
        found: dict[str, float] = in_child(config, "days:ingest_day", count)
        return found


def ingest_day(count: int) -> dict[str, float]:
    """What a run takes that ingests the day's objects again."""
    logging.disable(logging.DEBUG)
    begun, cpu = time.monotonic(), time.process_time()
    result = (
        defs()
        .resolve_job_def("ingest_objects")
        .execute_in_process(partition_key=_DAY, instance=dg.DagsterInstance.get())
    )
    [told] = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("ingest_receipts")
    ]
    if told["outcomes"].value != {"indexed": count}:
        raise RuntimeError(f"of {count} objects the run made {told['outcomes'].value}")
    return {
        "seconds": time.monotonic() - begun,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _fill(config: Settings, count: int) -> None:
    system = System(config)
    s3, tables = system.clients.s3, system.tables
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})
    unconditional = replace(ASSETS, condition=lambda _asset: None)  # nothing else writes
    for reports in chunked(_uploaded(system, count), _WRITTEN_AT_ONCE):
        tables.put(REPORTS, reports)
        tables.put(unconditional, map(asset_of, reports))
        tables.put(PREVIEWS, map(preview_of, reports))


def _uploaded(system: System, count: int) -> Iterator[Report]:
    begun = datetime.now(UTC)

    def upload(number: int) -> Report:
        key = f"recording-{number:06}.wav"
        answer = system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=wav(_BYTES, number))
        return Report(
            bucket=BUCKET,
            key=key,
            version=answer["VersionId"],
            day=_DAY,
            last_modified=begun,
            probe=Probe(kind=Kind.AUDIO),
            verdict=Verdict.VALID,
            outcome=Outcome.INDEXED,
            judged_at=begun + timedelta(microseconds=number),
        )

    with ThreadPoolExecutor(_UPLOADERS) as pool:
        yield from pool.map(upload, range(count))
