from collections.abc import Callable
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.aws.resources import (
    BucketSettings,
    bucket_settings,
    check_bucket,
    check_table,
    is_missing,
    queue_settings,
    queue_url,
    table_settings,
)
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.world import World


@pytest.fixture
def clients(embedded_aws: EmbeddedAws) -> Clients:
    return embedded_aws.clients


def test_what_the_stack_made_answers(clients: Clients) -> None:
    check_bucket(clients.s3, "ingest")
    check_table(clients.dynamodb, "assets")
    assert queue_url(clients.sqs, "s3-ingest-messages").endswith("/s3-ingest-messages")


@pytest.mark.parametrize(
    "ask",
    [
        lambda clients: check_bucket(clients.s3, "no-such-bucket"),
        lambda clients: bucket_settings(clients.s3, "no-such-bucket"),
        lambda clients: check_table(clients.dynamodb, "no_such_table"),
        lambda clients: table_settings(clients.dynamodb, "no_such_table"),
        lambda clients: queue_url(clients.sqs, "no-such-queue"),
        lambda clients: queue_settings(clients.sqs, "no-such-queue"),
    ],
)
def test_what_does_not_exist_is_told_from_other_errors(
    clients: Clients, ask: Callable[[Clients], object]
) -> None:
    with pytest.raises(ClientError) as caught:
        ask(clients)
    assert is_missing(caught.value)


def test_a_missing_object_does_not_mean_that_its_bucket_is(clients: Clients) -> None:
    with pytest.raises(ClientError) as caught:
        clients.s3.get_object(Bucket="ingest", Key="no such key")
    assert not is_missing(caught.value)


def test_the_settings_of_a_bucket(clients: Clients, world: World) -> None:
    found = bucket_settings(clients.s3, "ingest")
    assert found.versioning == "Enabled"
    assert found.notifications == [("s3:ObjectCreated:*", "s3-ingest-messages")]
    assert found.cors
    bare = world.make_bucket(f"{world.bucket}-bare", is_versioned=False)
    assert bucket_settings(clients.s3, bare) == BucketSettings(None, [], [])


def test_the_settings_of_a_queue(clients: Clients) -> None:
    found = queue_settings(clients.sqs, "s3-ingest-messages")
    assert found.attributes["MessageRetentionPeriod"] == str(4 * 24 * 3600)
    assert found.dead_letter_queue == "s3-ingest-messages-dead"
    assert str(found.max_receive_count) == "5"
    bare = f"bare-{uuid4().hex}"
    clients.sqs.create_queue(QueueName=bare)
    found = queue_settings(clients.sqs, bare)
    assert (found.dead_letter_queue, found.max_receive_count) == ("", None)


def test_the_settings_of_a_table(clients: Clients) -> None:
    found = table_settings(clients.dynamodb, "responses")
    assert [part["AttributeName"] for part in found.key] == ["ProjectStep", "Mail"]
    assert {
        name: [part["AttributeName"] for part in key] for name, key in found.indexes.items()
    } == {"by_mail": ["Mail", "ProjectStep"]}
