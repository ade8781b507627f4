import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.defs.renditions.sensors import _job_has_ended
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.settings import settings
from ingest_pipeline_tests.defs.runs import requests
from ingest_pipeline_tests.world import World, some_ref


def test_each_video_has_a_run_of_its_own_which_gives_way_to_arrivals(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = [some_ref(our_world.bucket, f"{number}.mp4", version="v1") for number in range(2)]
    our_world.system.queues.rendition.queue.send_all(map(ingest_body, refs))
    found = requests(instance, "transcode_videos_sensor")
    assert len(found) == 2
    for request in found:
        assert request.run_config["ops"].keys() == {"renditions", "previews"}
        assert request.tags["ingest/objects"] == "1"
        assert request.tags["ingest/lane"] == "transcode"
        assert not request.run_config["resources"], "its messages are where the job looks anyway"


@pytest.mark.usefixtures("our_world")
def test_the_end_of_a_job_is_answered_on_the_queue_that_told_it() -> None:
    ref = some_ref("ingest", "a.mp4", version="v1")
    config = _job_has_ended(Batch(id="b", group=ref.day, objects=(ref,), receipts=()))
    (name,) = config.resources
    told = config.resources[name]["config"]
    names = settings().queues.transcode
    assert told == {"queue": names.queue, "visibility_seconds": names.visibility_seconds}
    leases = resources(settings()).by_name()[name]
    assert leases.queue == settings().queues.rendition.queue, "where nobody says otherwise"
    assert set(told) <= type(leases).model_fields.keys()
