import json
import os
import re
import subprocess
import sys
from typing import Any

import dagster as dg
import pytest

from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.metadata import COLUMNS
from ingest_pipeline.defs.common.partitions import (
    arrival_days,
    session_days,
)
from ingest_pipeline_tests.embedded import free_port

LOAD = """
import sys
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.metadata import COLUMNS

repository = defs().get_repository_def()
assert repository.get_all_jobs()
assert "pandas" not in sys.modules, "loading takes a second longer with it"
"""


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return defs().get_repository_def()


def test_the_definitions_load_alone_without_a_warning_and_without_aws() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOAD],
        env=os.environ | {"INGEST_AWS_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_asset_says_what_it_is_whose_and_of_what_kind() -> None:
    specs = list(defs().resolve_all_asset_specs())
    assert len(specs) == 15
    for spec in specs:
        assert spec.description, spec.key
        assert spec.owners == ["team:ingest"], spec.key
        assert spec.group_name in {"enrichment", "ingest", "sessions", "video"}, spec.key
        assert spec.kinds, spec.key


def test_every_asset_that_we_make_is_partitioned_by_day_and_backfilled_in_one_run() -> None:
    graph = defs().resolve_asset_graph()
    made = graph.materializable_asset_keys
    assert {key.to_user_string() for key in made} == {
        "probe_report",
        "valid_asset_index",
        "rejected_objects",
        "ingest_receipts",
        "renditions",
        "previews",
        "image_labels",
        "transcripts",
        "enrichment_receipts",
        "transcode_receipts",
        "session_reports",
        "session_events",
        "session_receipts",
    }
    for key in made:
        assert graph.get(key).partitions_def in {arrival_days, session_days}
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run()


def test_assets_that_are_tables_tell_their_columns() -> None:
    told = {
        spec.key.to_user_string(): [column.name for column in schema.columns]
        for spec in defs().resolve_all_asset_specs()
        if (schema := spec.metadata.get(COLUMNS))
    }
    assert told.keys() == {
        "probe_report",
        "valid_asset_index",
        "rejected_objects",
        "renditions",
        "previews",
        "image_labels",
        "transcripts",
        "session_reports",
        "session_events",
    }
    assert told["valid_asset_index"][:2] == ["bucket", "file"]


def test_jobs_sensors_schedules_and_checks_are_described(
    repository: dg.RepositoryDefinition,
) -> None:
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs.keys() == {
        "ingest_objects",
        "delete_objects",
        "enrich_objects",
        "ingest_sessions",
        "check_objects",
        "reconcile",
        "transcode_videos",
    }
    ops = jobs["delete_objects"].all_node_defs
    graph = defs().resolve_asset_graph()
    checks = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(checks) == 12
    described = {
        **{job.name: job.description for job in jobs.values()},
        **{op.name: op.description for op in ops},
        **{sensor.name: sensor.description for sensor in repository.sensor_defs},
        **{schedule.name: schedule.description for schedule in repository.schedule_defs},
        **{check.name: check.description for check in checks},
    }
    assert [name for name, description in described.items() if not description] == []


def test_sensors_and_the_schedule_run_without_anybody_starting_them(
    repository: dg.RepositoryDefinition,
) -> None:
    assert {sensor.default_status for sensor in repository.sensor_defs} == {
        dg.DefaultSensorStatus.RUNNING
    }
    assert {schedule.default_status for schedule in repository.schedule_defs} == {
        dg.DefaultScheduleStatus.RUNNING
    }


def test_a_sensor_or_schedule_is_named_after_the_job_that_it_starts(
    repository: dg.RepositoryDefinition,
) -> None:
    sensors = {sensor.name: sensor.job_name for sensor in repository.sensor_defs}
    # Two queues start the job that transcodes: requests, and ends of a service's jobs.
    assert sensors.pop("transcode_jobs_sensor") == "transcode_videos"
    assert sensors == {f"{job}_sensor": job for job in sensors.values()}
    schedules = {schedule.name: schedule.job_name for schedule in repository.schedule_defs}
    assert schedules == {f"{job}_schedule": job for job in schedules.values()}


def asked_by(job: str) -> dict[str, str]:
    """What the launchpad of a job asks for, by name, and how it is described."""
    nodes: list[Any] = list(defs().resolve_job_def(job).all_node_defs)
    return {
        name: str(told.description)
        for node in nodes
        for name, told in getattr(node.config_schema.config_type, "fields", {}).items()
    }


@pytest.mark.parametrize(
    ("job", "field", "others"),
    [
        ("ingest_objects", "objects", {"list_buckets"}),
        ("delete_objects", "objects", set()),
        ("enrich_objects", "objects", set()),
        ("transcode_videos", "objects", set()),
        ("ingest_sessions", "folders", set()),
    ],
)
def test_whatever_a_launchpad_asks_for_is_described_with_an_example(
    job: str, field: str, others: set[str]
) -> None:
    asked = asked_by(job)
    assert asked.keys() == {field} | others
    assert all(asked.values())
    example = re.search(r"such as `(\[.+?\])`", asked[field])
    assert example, asked[field]
    assert len(json.loads(example[1])) == 1


def test_jobs_that_look_and_mend_ask_for_nothing() -> None:
    assert asked_by("reconcile") == asked_by("check_objects") == {}
