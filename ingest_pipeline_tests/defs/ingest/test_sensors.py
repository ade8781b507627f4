import dagster as dg

from ingest_pipeline.aws.events import delete_order_body
from ingest_pipeline_tests.defs.runs import tick
from ingest_pipeline_tests.world import World


def test_an_order_for_a_foreign_bucket_is_refused(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    our_world.system.queues.delete.queue.send(delete_order_body("foreign-bucket", "a.wav"))
    assert tick(instance, "delete_objects_sensor").skip_message == "no messages"
    assert our_world.system.queues.delete.dead_letters.depth().waiting == 1
