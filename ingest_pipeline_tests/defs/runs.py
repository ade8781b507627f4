"""Ticks of the sensors, and runs of the jobs, in process."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.settings import settings

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def objects_config(refs: Iterable[ObjectRef]) -> dict[str, object]:
    config = dg.RunConfig(ops={"ingest_batch": ObjectsConfig.of(tuple(refs))})
    return {"ops": config.to_config_dict()["ops"]}  # type: ignore[no-untyped-call]


def run(
    instance: dg.DagsterInstance,
    day: str | tuple[str, str],
    refs: Sequence[ObjectRef] = (),
    *,
    list_buckets: bool = False,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """A run for a day, or for the days from the first to the last; failing is a result."""
    days = {} if isinstance(day, str) else {RANGE_START: day[0], RANGE_END: day[1]}
    return (
        defs()
        .resolve_job_def("ingest_objects")
        .execute_in_process(
            run_config=objects_config(refs)
            if refs
            else {"ops": {"ingest_batch": {"config": {"list_buckets": list_buckets}}}},
            instance=instance,
            partition_key=day if isinstance(day, str) else None,
            raise_on_error=False,
            tags=days | (tags or {}),
        )
    )


def run_as_requested(
    instance: dg.DagsterInstance, job: str, request: dg.RunRequest
) -> dg.ExecuteInProcessResult:
    """What the daemon makes of a sensor's request."""
    return (
        defs()
        .resolve_job_def(job)
        .execute_in_process(
            run_config=request.run_config,
            instance=instance,
            partition_key=request.partition_key,
            raise_on_error=False,
            tags=request.tags,
        )
    )


def selected_by(job: str) -> set[str]:
    """The assets that a job materializes."""
    keys = defs().resolve_job_def(job).asset_layer.executable_asset_keys
    return {key.to_user_string() for key in keys}


def ingest_objects() -> dg.JobDefinition:
    """The job, for who has to find it again by name, as a re-execution does."""
    return defs().resolve_job_def("ingest_objects")


def enrich_objects() -> dg.JobDefinition:
    """The job, for who has to find it again by name, as a re-execution does."""
    return defs().resolve_job_def("enrich_objects")


def executed(
    job: Callable[[], dg.JobDefinition],
    instance: dg.DagsterInstance,
    run_config: Mapping[str, object],
    tags: Mapping[str, str],
    failed_run: str | None = None,
) -> dg.JobExecutionResult:
    """A run, or the re-execution of a failed one from where it failed; failing is a result."""
    again = dg.ReexecutionOptions.from_failure(failed_run, instance) if failed_run else None
    return dg.execute_job(
        dg.reconstructable(job),
        instance=instance,
        run_config=run_config,
        tags=tags,
        reexecution_options=again,
    )


def materializations(
    result: dg.ExecuteInProcessResult, asset: str
) -> list[dg.AssetMaterialization]:
    """The events of an asset, one a partition, whichever step made it."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return [event for event in events if event.asset_key == dg.AssetKey(asset)]


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """What a run says of an asset that it materialized."""
    (event,) = materializations(result, asset)
    return {
        name: value if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in event.metadata.items()
    }


def passed_checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def records(table: object) -> list[list[object]]:
    """The rows of a table that the UI shows."""
    assert isinstance(table, dg.TableMetadataValue)
    return [list(record.data.values()) for record in table.records]


def tick(instance: dg.DagsterInstance, name: str = "ingest_objects_sensor") -> SensorExecutionData:
    """A tick as the daemon asks for it: partition keys and run config are checked, too."""
    definitions = defs()
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        definitions=definitions,
        sensor_name=name,
        resources=resources(settings()).by_name(),
    ) as context:
        return repository.get_sensor_def(name).evaluate_tick(context)


def requests(
    instance: dg.DagsterInstance, name: str = "ingest_objects_sensor"
) -> list[dg.RunRequest]:
    return list(tick(instance, name).run_requests or [])


def wait_to_start(instance: dg.DagsterInstance, job: str, consumer: str) -> None:
    """Have a run wait that this consumer's sensor asked for."""
    definition = defs().resolve_job_def(job)
    tags = {"ingest/consumer": consumer, BATCH_TAG: "none"}
    instance.create_run_for_job(definition, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
