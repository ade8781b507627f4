"""From before the PUT of a single file until its row is in the index.

Against the plain worker loop that sits at the queue and does nothing else: a single quiet file is
where a worker that never sleeps is at its best, and where the tick and the events of a run cost
most.
"""

import time
from collections.abc import Sequence
from statistics import quantiles

from benchmarks.harness import (
    BUCKET,
    SMALL,
    Figure,
    Sizes,
    embedded_aws,
    in_child,
    running_api,
    running_system,
    wait_until,
    wav,
)
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.system import System

_PHASES = 5  # the files come at other moments of the sensors' looks
_POLL_SECONDS = 0.02
_GOALS = {50: 0.8, 95: 3.0}  # seconds


def measure(sizes: Sizes) -> list[Figure]:
    with embedded_aws() as config, running_api(config):
        old = in_child(config, "old_worker:latencies", sizes.singles, SMALL)
    with running_system() as config:
        ours = [_latency(System(config), number) for number in range(sizes.singles)]
    return [_figure(ours, old, percent) for percent in (50, 95)]


def _latency(system: System, number: int) -> float:
    time.sleep(1 + number % _PHASES + number / 20)
    key = f"single-{number}.wav"
    body = wav(SMALL, number)
    begun = time.monotonic()
    system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    row = {"bucket": BUCKET, "file": key}
    wait_until(lambda: system.tables.get(ASSETS, row) is not None, 120, _POLL_SECONDS)
    return time.monotonic() - begun


def _figure(ours: Sequence[float], old: Sequence[float], percent: int) -> Figure:
    us, them = _percentile(ours, percent), _percentile(old, percent)
    return Figure(
        f"{len(ours)} single files, upload to indexed, p{percent}: times as long",
        f"{us:.2f} s",
        f"{them:.3f} s",
        us / them,
        f"at most {_GOALS[percent]:g} s",
        us <= _GOALS[percent],
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]
