"""A system with nothing to do: what it costs all the same.

AWS is behind a proxy that counts its requests. The price is that of us-east-1 for SQS (0.40 USD a
million requests) and DynamoDB on demand (0.125 USD a million small reads) in a month of 30 days,
were the same asked of the real one. CPU and bytes written are those of all the system's processes
but the embedded AWS, as the kernel counts them; the growth is that of the home, Dagster's database
included.

The baseline is a plain loop that waits at the same queues, 20 s a call, one after another.
"""

import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.harness import Figure, Sizes, distant_system

_MINUTE = 60
_MONTH = 30 * 24 * 60  # minutes
_PRICES = {"sqs": 0.40e-6, "dynamodb": 0.125e-6, "s3": 0.40e-6}  # USD a request
_QUEUES = 6
_PLAIN_CALLS = _QUEUES * 3  # a minute
_MOST_CPU = 5.0  # percent of a core


def measure(sizes: Sizes) -> list[Figure]:
    with distant_system(waits=False) as far:
        home = far.config.state
        time.sleep(sizes.settling)
        before = far.calls(), _spent(home), _bytes_below(home)
        time.sleep(sizes.idle)
        after = far.calls(), _spent(home), _bytes_below(home)
    minutes = sizes.idle / _MINUTE
    calls = after[0] - before[0]
    a_minute = sum(calls.values()) / minutes
    month = sum(count / minutes * _MONTH * _PRICES[name] for name, count in calls.items())
    plain = _PLAIN_CALLS * _MONTH * _PRICES["sqs"]
    cpu, written = (new - old for new, old in zip(after[1], before[1], strict=True))
    grown = after[2] - before[2]
    return [
        Figure(
            "idle: AWS requests a minute, times as many",
            f"{a_minute:.0f}",
            f"{_PLAIN_CALLS}",
            a_minute / _PLAIN_CALLS,
            note=f"{month:.2f} USD a month against {plain:.2f}: "
            + ", ".join(f"{count / minutes:.1f} {name}" for name, count in calls.items()),
        ),
        Figure(
            "idle: CPU of all processes, times 1 % of a core",
            f"{100 * cpu / sizes.idle:.1f} %",
            "1 %",
            100 * cpu / sizes.idle,
            f"at most {_MOST_CPU:g} %",
            100 * cpu / sizes.idle <= _MOST_CPU,
            note=f"{written / minutes / 1e6:.2f} MB written a minute, the home grew by "
            f"{grown / minutes / 1e6:.2f} MB a minute",
        ),
    ]


def _spent(home: Path) -> tuple[float, int]:
    """CPU seconds and bytes written of this home's processes, so far."""
    seconds, written = 0.0, 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("INGEST_HOME") != str(home.resolve()):
                continue
            if "benchmarks.distance" in process.cmdline():
                continue
            times = process.cpu_times()
            seconds += times.user + times.system
            written += process.io_counters().write_bytes
    return seconds, written


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
