"""Launching a Dagster backfill through the UI's API, and watching it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx

from ingest_pipeline.errors import MistakeError

_POLL_SECONDS = 2
_LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}"""
_STATUS = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill { status runs { runId status } }
    ... on Error { message }
  }
}"""
_ENDED = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


class BackfillError(MistakeError):
    """The backfill could not be launched or watched; the message says why."""


@dataclass(frozen=True)
class BackfillStatus:
    """How far a backfill is."""

    id: str
    status: str
    runs: dict[str, str]  # run id -> status

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _ENDED

    @property
    def succeeded(self) -> bool:
        """Whether every run did."""
        return self.status == "COMPLETED_SUCCESS"


def launch_backfill(
    ui_url: str,
    assets: list[str],
    first: date,
    last: date,
    run_config: Mapping[str, Any] | None = None,
) -> str:
    """Launch a backfill of Dagster assets over days, both included; its id.

    Raises:
        BackfillError: Dagster does not answer, or refused.
    """
    days = [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    params = {
        "assetSelection": [{"path": [name]} for name in assets],
        "partitionNames": days,
        "tags": [{"key": "dagster/from_cli", "value": "true"}],
        "runConfigData": run_config or {},
    }
    launched = _ask(ui_url, _LAUNCH, {"params": params})["launchPartitionBackfill"]
    if launched["__typename"] != "LaunchBackfillSuccess":
        raise BackfillError(launched.get("message") or launched["__typename"])
    backfill: str = launched["backfillId"]
    return backfill


def watch_backfill(ui_url: str, backfill: str) -> Iterator[BackfillStatus]:
    """How far it is, every two seconds until it has ended.

    Raises:
        BackfillError: Dagster does not answer, or knows no such backfill.
    """
    while True:
        found = _ask(ui_url, _STATUS, {"id": backfill})["partitionBackfillOrError"]
        if found["__typename"] != "PartitionBackfill":
            raise BackfillError(found.get("message") or found["__typename"])
        runs = {run["runId"]: run["status"] for run in found["runs"]}
        status = BackfillStatus(backfill, found["status"], runs)
        yield status
        if status.has_ended:
            return
        time.sleep(_POLL_SECONDS)


def _ask(ui_url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    try:
        response = httpx.post(
            f"{ui_url}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
    except httpx.TransportError as error:
        raise BackfillError(f"Dagster at {ui_url}: {error}; is `make dev` running?") from error
    try:
        answer = response.json()  # what Dagster refuses comes with status 500, and says why
    except ValueError as error:
        raise BackfillError(
            f"{ui_url} answers {response.status_code} {response.reason_phrase}: it is no Dagster"
        ) from error
    if "errors" in answer:
        raise BackfillError(str(answer["errors"][0]["message"]))
    data: dict[str, Any] = answer["data"]
    return data
