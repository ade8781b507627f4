"""What Dagster says of itself: its code, its daemon, its sensors, and whether workers take runs."""

import time
from collections.abc import Iterator
from typing import Any

import httpx

from ingest_pipeline.api.models import Part
from ingest_pipeline.workers.reach import BROKER

_SILENT_SECONDS = 90  # a daemon tells every 30 s that it lives
_WAITING_SECONDS = 30  # a worker takes a run within a tenth of a second
_QUERY = """
{
  version
  workspaceOrError { ... on Workspace { locationEntries {
    locationOrLoadError { __typename ... on PythonError { message } }
  } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
  sensorsOrError(repositorySelector: {
    repositoryLocationName: "ingest_pipeline", repositoryName: "__repository__"
  }) { ... on Sensors { results { sensorState {
    ticks(limit: 1, statuses: [SUCCESS, SKIPPED, FAILURE]) { status skipReason error { message } }
  } } } }
  runsOrError(filter: {statuses: [STARTING]}, limit: 100) { ... on Runs { results { updateTime } } }
}
"""


def dagster_part(ui_url: str, seconds: float) -> Part:
    """Ask the webserver; not ok with the first thing that is wrong.

    Raises:
        httpx.HTTPError: the webserver does not answer.
    """
    answer = httpx.post(
        f"{ui_url}/graphql", json={"query": _QUERY}, timeout=seconds, trust_env=False
    )
    told = answer.raise_for_status().json()["data"]
    wrong = next(_faults(told), None)
    return Part(ok=wrong is None, detail=wrong or f"Dagster {told['version']}")


def _faults(told: dict[str, Any]) -> Iterator[str]:
    yield from _code_faults(told["workspaceOrError"].get("locationEntries", []))
    yield from _daemon_faults(told["instance"]["daemonHealth"]["allDaemonStatuses"])
    yield from _sensor_faults((told["sensorsOrError"] or {}).get("results", []))
    yield from _worker_faults((told["runsOrError"] or {}).get("results", []))


def _code_faults(entries: list[dict[str, Any]]) -> Iterator[str]:
    if not entries:
        yield "no code location is loaded: nothing is ingested"
    for entry in entries:
        found = entry["locationOrLoadError"] or {}
        if found.get("__typename") != "RepositoryLocation":
            why = str(found.get("message", "")).partition("\n")[0]
            yield f"the code location is not loaded, so that nothing is ingested: {why}"


def _daemon_faults(statuses: list[dict[str, Any]]) -> Iterator[str]:
    now = time.time()
    for status in statuses:
        if not status["required"]:
            continue
        heard = status["lastHeartbeatTime"]
        if heard is None:
            yield f"the daemon's {status['daemonType']} has not begun yet"
        elif now - heard > _SILENT_SECONDS:
            silent = f"{now - heard:.0f} s"
            yield f"the daemon's {status['daemonType']} has not been heard of for {silent}"


def _sensor_faults(sensors: list[dict[str, Any]]) -> Iterator[str]:
    ticks = [tick for each in sensors for tick in each["sensorState"]["ticks"]]
    failed = [tick for tick in ticks if tick["status"] == "FAILURE"]
    if failed and len(failed) == len(ticks):
        why = str((failed[0]["error"] or {}).get("message", "")).strip().partition("\n")[0]
        yield f"every sensor fails, so that messages wait in SQS: {why}"
    reasons = [str(tick["skipReason"] or "") for tick in ticks]
    yield from (reason for reason in reasons if reason.startswith(BROKER))


def _worker_faults(starting: list[dict[str, Any]]) -> Iterator[str]:
    now = time.time()
    waiting = [now - run["updateTime"] for run in starting if run["updateTime"]]
    if waiting and max(waiting) > _WAITING_SECONDS:
        yield f"{len(waiting)} runs wait for a worker, the first for {max(waiting):.0f} s"
