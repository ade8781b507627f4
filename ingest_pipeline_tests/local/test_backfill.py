"""Backfills through a real Dagster UI; the test itself plays the daemon that works them off."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
import httpx
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from ingest_pipeline.local.backfill import BackfillError, launch_backfill, watch_backfill
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.system import wait_for

LOCATION = """
import dagster as dg

class Config(dg.Config):
    thorough: bool = False

@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def daily(config: Config) -> None: ...

defs = dg.Definitions([daily])
"""
FIRST, LAST = date(2026, 2, 27), date(2026, 3, 1)


@dataclass(frozen=True)
class Ui:
    url: str
    instance: dg.DagsterInstance

    def end(self, backfill: str, status: BulkActionStatus) -> None:
        found = self.instance.get_backfill(backfill)
        assert found is not None
        self.instance.update_backfill(found._replace(status=status))

    def add_run(self, backfill: str, status: dg.DagsterRunStatus) -> str:
        run = dg.DagsterRun(
            job_name="__ASSET_JOB", tags={"dagster/backfill": backfill}, status=status
        )
        return self.instance.add_run(run).run_id


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    (home / "location.py").write_text(LOCATION)
    port = free_port()
    log = (home / "log").open("wb")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1"),
            *("--port", str(port), "-f", str(home / "location.py")),
        ],
        cwd=home,
        env=os.environ | {"DAGSTER_HOME": str(home)},
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url) or server.poll() is not None, 60)
        assert server.poll() is None, (home / "log").read_text()
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield Ui(url, instance)
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def launch(ui: Ui) -> str:
    return launch_backfill(ui.url, ["daily"], FIRST, LAST)


def test_both_days_and_those_between_are_asked_for(ui: Ui) -> None:
    query = """
    query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
      ... on PartitionBackfill { partitionNames assetSelection { path } tags { key value } } } }"""
    response = httpx.post(
        f"{ui.url}/graphql", json={"query": query, "variables": {"id": launch(ui)}}, timeout=60
    )
    assert response.json()["data"]["partitionBackfillOrError"] == {
        "partitionNames": ["2026-02-27", "2026-02-28", "2026-03-01"],
        "assetSelection": [{"path": ["daily"]}],
        "tags": [{"key": "dagster/from_cli", "value": "true"}],
    }


def test_its_runs_are_told_their_config(ui: Ui) -> None:
    config = {"ops": {"daily": {"config": {"thorough": True}}}}
    told = ui.instance.get_backfill(launch_backfill(ui.url, ["daily"], FIRST, LAST, config))
    untold = ui.instance.get_backfill(launch(ui))
    assert told is not None
    assert untold is not None
    assert told.run_config == config
    assert not untold.run_config


def test_it_is_watched_until_it_has_succeeded(ui: Ui) -> None:
    backfill = launch(ui)
    watching = watch_backfill(ui.url, backfill)
    begun = next(watching)
    assert (begun.status, begun.runs) == ("REQUESTED", {})
    assert not begun.has_ended
    assert not begun.succeeded
    run = ui.add_run(backfill, dg.DagsterRunStatus.SUCCESS)
    ui.end(backfill, BulkActionStatus.COMPLETED_SUCCESS)
    ended = next(watching)
    assert ended.runs == {run: "SUCCESS"}
    assert ended.has_ended
    assert ended.succeeded
    assert list(watching) == []


@pytest.mark.parametrize(
    "status",
    [BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED, BulkActionStatus.CANCELED],
)
def test_another_end_is_no_success(ui: Ui, status: BulkActionStatus) -> None:
    backfill = launch(ui)
    ui.end(backfill, status)
    (ended,) = watch_backfill(ui.url, backfill)
    assert ended.status == status.name
    assert ended.has_ended
    assert not ended.succeeded


def test_dagsters_refusal_is_told(ui: Ui) -> None:
    with pytest.raises(BackfillError, match="nothing_of_ours"):
        launch_backfill(ui.url, ["nothing_of_ours"], FIRST, LAST)


def test_an_unknown_backfill_is_told(ui: Ui) -> None:
    with pytest.raises(BackfillError, match="nosuch"):
        next(watch_backfill(ui.url, "nosuch"))


def test_where_no_dagster_answers_the_way_to_start_it_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(BackfillError) as caught:
        launch_backfill(url, ["daily"], FIRST, LAST)
    assert str(caught.value).startswith(f"Dagster at {url}: ")
    assert str(caught.value).endswith("; is `make dev` running?")


def test_another_server_on_the_port_is_told(ui: Ui) -> None:
    with pytest.raises(BackfillError, match=r"/nowhere answers 405 .*: it is no Dagster$"):
        launch_backfill(f"{ui.url}/nowhere", ["daily"], FIRST, LAST)
