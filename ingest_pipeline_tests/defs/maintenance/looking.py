"""Runs of the jobs that look and mend."""

from datetime import timedelta

import dagster as dg
import pytest

from ingest_pipeline.definitions import defs


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no object to its run, however young."""
    for module in ("checks", "jobs"):
        monkeypatch.setattr(f"ingest_pipeline.defs.maintenance.{module}.GRACE", timedelta(0))


def look(instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    result = defs().resolve_job_def("check_objects").execute_in_process(instance=instance)
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def reconcile(instance: dg.DagsterInstance) -> None:
    assert defs().resolve_job_def("reconcile").execute_in_process(instance=instance).success
