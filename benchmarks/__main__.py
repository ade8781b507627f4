"""`python -m benchmarks [--quick] [NAME]...`: measure, print, and write results.md."""

import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.harness import QUICK, Figure, Sizes, forget_surroundings

SUBJECTS = (
    "throughput",
    "run_per_object",
    "calls",
    "reading",
    "cpu",
    "latency",
    "fleet",
    "photos",
    "idle",
    "sessions",
    "video",
    "clips",
    "labels",
    "speech",
    "catalogue",
    "days",
)
RESULTS = Path(__file__).with_name("results.md")

_COLUMNS = ("measured", "ours", "baseline", "ratio", "goal", "")
_PACKAGES = ("dagster", "boto3", "ministack", "wavinfo", "pydantic")
_console = Console(width=max(120, Console().width))
_HEAD = """# What was measured

Written by `make bench`. Every figure stands beside a baseline measured in the same run, on the
same machine, against the same embedded AWS; compare the ratios, not the seconds. A ratio below 1
in "times as fast" means that ours is slower.
"""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(SUBJECTS))
@click.option("--quick", is_flag=True, help="Small sizes, to try whether it works.")
def main(names: tuple[str, ...], quick: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Measure the subjects named, or all; only all at full size are written down."""
    forget_surroundings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running
    sizes = QUICK if quick else Sizes()
    begun = time.monotonic()
    measured = {name: _measured(name, sizes) for name in names or SUBJECTS}
    if not names and not quick:
        RESULTS.write_text(_document(measured, time.monotonic() - begun))
    if not all(measured.values()):
        sys.exit(1)


def _measured(name: str, sizes: Sizes) -> list[Figure]:
    """The figures of a subject; none where it failed, for 40 minutes of others are not lost."""
    try:
        figures: list[Figure] = import_module(f"benchmarks.{name}").measure(sizes)
    except Exception:  # noqa: BLE001 - whatever it was, it is shown
        _console.print_exception()
        return []
    table = Table(*_COLUMNS, title=name, title_justify="left")
    for figure in figures:
        table.add_row(*_cells(figure))
    for printed in (table, *_notes(figures)):
        _console.print(printed, markup=False)
    return figures


def _document(measured: dict[str, list[Figure]], seconds: float) -> str:
    parts = [_HEAD, *_machine(seconds)]
    for name, figures in measured.items():
        parts += ["", f"## {name}", "", str(import_module(f"benchmarks.{name}").__doc__).strip()]
        parts += ["", *(_markdown(figures) if figures else ["It failed, and has no figures."])]
        for note in _notes(figures):
            parts += ["", note]
    return "\n".join(parts) + "\n"


def _markdown(figures: Iterable[Figure]) -> list[str]:
    rows: list[Sequence[str]] = [_COLUMNS, ["---"] * len(_COLUMNS), *map(_cells, figures)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _cells(figure: Figure) -> tuple[str, ...]:
    ratio = f"{figure.ratio:.2f}" if figure.ratio < 10 else f"{figure.ratio:.0f}"
    return figure.what, figure.ours, figure.baseline, ratio, figure.goal, figure.verdict


def _notes(figures: Iterable[Figure]) -> list[str]:
    return [f"{figure.what}: {figure.note}." for figure in figures if figure.note]


def _machine(seconds: float) -> list[str]:
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    load = " ".join(f"{each:.1f}" for each in psutil.getloadavg())
    taken = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, in {seconds / 60:.0f} minutes"
    machine = f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GB"
    return [
        f"- {taken}; load of the machine at the end {load}",
        f"- {machine}; {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, {packages}; commit {_commit()}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
