from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.pipeline.queue.queues import Queues
from ingest_pipeline_tests.world import World


def test_every_queue_of_the_settings_is_one_with_its_dead_letters(world: World) -> None:
    table = world.settings.queues
    queues = Queues(world.clients.sqs, table)
    found = [(each.queue.name, each.dead_letters.name, each.visibility_seconds) for each in queues]
    assert found == [(row.queue, row.dead_letters, row.visibility_seconds) for row in table]
    assert len({name for pair in found for name in pair[:2]}) == 2 * len(table)


def test_every_queue_has_the_name_of_what_its_messages_ask_for(world: World) -> None:
    table = world.settings.queues
    queues = Queues(world.clients.sqs, table)
    for name, row in table._asdict().items():
        assert getattr(queues, name).queue.name == row.queue
        assert getattr(queues, name) is getattr(queues, name), "its address is asked for once"


def test_a_queue_is_that_of_sqs(world: World) -> None:
    queues = Queues(world.clients.sqs, world.settings.queues)
    queues.delete.queue.send("a message")
    assert world.system.queues.delete.queue.depth() == Depth(waiting=1, in_flight=0)
    assert queues.delete.dead_letters.depth() == queues.ingest.queue.depth() == Depth(0, 0)
