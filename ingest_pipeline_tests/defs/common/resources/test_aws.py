import pytest

from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.media.rules.sources import RulesError
from ingest_pipeline_tests.world import World


def test_all_resources_of_a_process_share_one_client_a_service(world: World) -> None:
    aws = world.wired.aws
    assert aws.clients is world.wired.validator.aws.clients
    assert aws.s3 is aws.clients.s3


def test_another_place_has_clients_of_its_own(world: World) -> None:
    elsewhere = world.wired.aws.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    assert elsewhere.clients is not world.wired.aws.clients
    assert elsewhere.s3.meta.endpoint_url == "http://127.0.0.1:9"
    assert world.wired.aws.s3.meta.endpoint_url == world.settings.aws_endpoint


def test_a_queue_is_found_by_its_name(world: World) -> None:
    names = world.settings.queues.ingest
    assert world.wired.aws.queue(names.queue).depth() == Depth(waiting=0, in_flight=0)


def test_the_rules_are_those_that_the_file_has_now(world: World) -> None:
    rules = world.wired.rules
    assert rules.sources.for_object(world.bucket, "a.wav") is not None
    text = world.settings.sources.read_text(encoding="utf-8")
    world.settings.sources.write_text(text.replace(world.bucket, "another"), encoding="utf-8")
    assert rules.sources.for_object(world.bucket, "a.wav") is None
    world.settings.sources.write_text("[[source]", encoding="utf-8")
    with pytest.raises(RulesError):
        _ = rules.sources
