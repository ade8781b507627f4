import json

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.records.tables import PREVIEWS, report_key
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import enrich_objects, executed, requests
from ingest_pipeline_tests.world import World, bodies


def no_time_left(*_: object) -> None:
    raise InterruptedError("as if the process had been killed")


def test_answers_of_another_run_are_what_is_on_record(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)
    ref = our_world.put("a.wav", wavs.valid())
    our_world.ingest([ref])
    queue = our_world.system.queues.enrichment.queue
    queue.send(ingest_body(ref))
    (request,) = requests(instance, "enrich_objects_sensor")
    tags = {**request.tags, "dagster/partition": str(request.partition_key)}
    with monkeypatch.context() as dying:
        dying.setattr(LastStep, "acknowledge", no_time_left)
        died = executed(enrich_objects, instance, request.run_config, tags)
    assert not died.success

    key = report_key(ref.uri, ref.row_version)
    preview = our_world.tables.get(PREVIEWS, key)
    assert preview is not None
    our_world.tables.delete(PREVIEWS, key)
    lacking = executed(enrich_objects, instance, request.run_config, tags, died.run_id)
    assert not lacking.success, "its preview is not on record"
    assert [json.loads(body) for body in bodies(queue)] == [json.loads(ingest_body(ref))]

    queue.send(ingest_body(ref))
    our_world.tables.put(PREVIEWS, [preview])
    again = executed(enrich_objects, instance, request.run_config, tags, died.run_id)
    assert again.success
    assert again.asset_materializations_for_node("previews") == []
