import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.aws.resources import queue_settings, queue_url
from ingest_pipeline.aws.stack import Existing, Stack, StackError
from ingest_pipeline_tests.embedded import EmbeddedAws


@pytest.fixture
def clients(embedded_aws: EmbeddedAws) -> Clients:
    return embedded_aws.clients


@pytest.fixture
def stack(clients: Clients) -> Iterator[Stack]:
    made = Stack(clients.cloudformation, f"stack-{uuid4().hex[:12]}")
    yield made
    made.forget()


def template(*queues: str, **properties: Any) -> str:
    """Queues that outlive their stack; the parameter says how long each keeps its messages."""
    resources = {
        f"Queue{n}": {
            "Type": "AWS::SQS::Queue",
            "DeletionPolicy": "Retain",
            "Properties": {
                "QueueName": name,
                "MessageRetentionPeriod": {"Ref": "Seconds"},
                **properties,
            },
        }
        for n, name in enumerate(queues)
    }
    parameters = {"Seconds": {"Type": "Number"}}
    return json.dumps({"Parameters": parameters, "Resources": resources})


def retention(clients: Clients, queue: str) -> str:
    return queue_settings(clients.sqs, queue).attributes["MessageRetentionPeriod"]


def test_a_stack_is_made_changed_and_forgotten(clients: Clients, stack: Stack) -> None:
    queues = [f"{stack.name}-{n}" for n in range(2)]
    assert stack.status() is None
    stack.apply(template(queues[0]), {"Seconds": "60"})
    assert stack.status() == "CREATE_COMPLETE"
    stack.apply(template(*queues), {"Seconds": "120"})
    assert stack.status() == "UPDATE_COMPLETE"
    assert stack.resource_ids() == {"Queue0", "Queue1"}
    assert [retention(clients, queue) for queue in queues] == ["120", "120"]
    stack.forget()
    assert stack.status() is None
    assert queue_url(clients.sqs, queues[0])


def test_what_is_as_wanted_already_is_no_error(stack: Stack) -> None:
    for _ in range(2):
        stack.apply(template(stack.name), {"Seconds": "60"})
    assert stack.resource_ids() == {"Queue0"}


def test_there_may_be_nothing_to_forget(stack: Stack) -> None:
    stack.forget()
    assert stack.status() is None


def test_what_exists_becomes_a_part_of_a_stack(clients: Clients, stack: Stack) -> None:
    url = clients.sqs.create_queue(QueueName=stack.name)["QueueUrl"]
    clients.sqs.send_message(QueueUrl=url, MessageBody="kept")
    bare = {
        "Type": "AWS::SQS::Queue",
        "DeletionPolicy": "Retain",
        "Properties": {"QueueName": stack.name},
    }
    existing = Existing("Queue0", "AWS::SQS::Queue", {"QueueUrl": url})
    stack.take_over([existing], json.dumps({"Resources": {"Queue0": bare}}))
    assert stack.resource_ids() == {"Queue0"}
    stack.apply(template(stack.name), {"Seconds": "90"})
    assert retention(clients, stack.name) == "90"
    (message,) = clients.sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "kept"


def test_a_change_that_fails_is_told_with_its_reason(stack: Stack) -> None:
    stack.apply(template(stack.name), {"Seconds": "60"})
    wrong = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:x", "maxReceiveCount": 5000}
    with pytest.raises(StackError, match=r"stack_update_complete never came: .*maxReceiveCount"):
        stack.apply(template(stack.name, RedrivePolicy=wrong), {"Seconds": "60"})


def test_a_template_that_is_refused_is_told(stack: Stack) -> None:
    with pytest.raises(ClientError, match="Nothing"):
        stack.apply(template(stack.name).replace("SQS::Queue", "SQS::Nothing"), {"Seconds": "60"})
