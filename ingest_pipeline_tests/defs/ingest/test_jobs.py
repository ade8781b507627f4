import dagster as dg

from ingest_pipeline.aws.events import delete_order_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.records.model import Outcome
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import requests, run_as_requested
from ingest_pipeline_tests.world import World


def test_a_delete_order_is_carried_out_and_answered(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    ref = our_world.put("new\nline.wav", wavs.valid())
    our_world.ingest([ref])
    our_world.system.queues.delete.queue.send_all(
        [delete_order_body(our_world.bucket, key) for key in (ref.key, "never.wav")]
    )
    (request,) = requests(instance, "delete_objects_sensor")
    assert request.partition_key is None
    assert run_as_requested(instance, "delete_objects", request).success
    assert our_world.content(ref.key) is None
    assert not our_world.is_indexed(ref.key)
    assert our_world.report(ref).outcome is Outcome.DELETED
    assert our_world.system.queues.delete.queue.depth() == Depth(waiting=0, in_flight=0)
    assert run_as_requested(instance, "delete_objects", request).success
