"""Everything that Dagster loads: what the folders of `defs/` hold, and the resources they use."""

from functools import lru_cache
from pathlib import Path

import dagster as dg

from ingest_pipeline.logs import replace_dagsters
from ingest_pipeline.settings import Settings, settings
from ingest_pipeline.workers.run_log import silence_console


@dg.definitions
def defs() -> dg.Definitions:
    """The code location `ingest_pipeline`."""
    replace_dagsters(settings(), "code")
    silence_console()
    return _made_once(settings())


@lru_cache(maxsize=1)
def _made_once(config: Settings) -> dg.Definitions:
    """Dagster asks for them again with each run of another job than the last: 0.35 s each time."""
    from ingest_pipeline.defs.common.wiring import resources  # noqa: PLC0415 - 1 s others spare

    found = dg.load_from_defs_folder(path_within_project=Path(__file__))
    return dg.Definitions(
        assets=dg.with_source_code_references(list(found.assets or [])),
        asset_checks=found.asset_checks,
        jobs=found.jobs,
        schedules=found.schedules,
        sensors=found.sensors,
        resources=resources(config).by_name(),
        # A batch's steps are short and hand rows on: a process for each would cost 9 CPU s more.
        executor=dg.in_process_executor,
    )
