import dagster as dg

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline_tests.defs.runs import requests, tick
from ingest_pipeline_tests.world import World, some_ref

SENSOR = "enrich_objects_sensor"


def test_all_steps_of_a_run_are_told_its_objects_and_it_gives_way_to_arrivals(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = [some_ref(our_world.bucket, f"{number}.wav", version="v1") for number in range(3)]
    our_world.system.queues.enrichment.queue.send_all(map(ingest_body, refs))
    (request,) = requests(instance, SENSOR)
    told = {step: config["config"]["objects"] for step, config in request.run_config["ops"].items()}
    assert told.keys() == {"previews", "image_labels", "transcripts"}
    assert told["previews"] == told["image_labels"] == told["transcripts"]
    assert sorted(each["key"] for each in told["previews"]) == [ref.key for ref in refs]
    assert request.partition_key == refs[0].day
    assert request.tags["ingest/lane"] == "later"


def test_arrivals_are_another_queues(our_world: World, instance: dg.DagsterInstance) -> None:
    our_world.send(some_ref(our_world.bucket, "a.wav"))
    assert tick(instance, SENSOR).skip_message == "no messages"
