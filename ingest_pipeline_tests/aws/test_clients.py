from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests.embedded import EmbeddedAws


def test_every_service_of_the_embedded_aws_answers(embedded_aws: EmbeddedAws) -> None:
    clients = connect(embedded_aws.settings)
    assert "ingest" in {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}
    assert clients.sqs.list_queues(QueueNamePrefix="s3-ingest-messages")["QueueUrls"]
    assert "assets" in clients.dynamodb.list_tables()["TableNames"]
    assert clients.cloudformation.describe_stacks(StackName="ingest-data")["Stacks"]


def test_a_client_is_made_once(embedded_aws: EmbeddedAws) -> None:
    clients = connect(embedded_aws.settings)
    assert clients.s3 is clients.s3
    assert clients.mediaconvert is clients.mediaconvert


def test_the_embedded_aws_is_called_with_its_own_credentials(
    embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-a-real-account")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    link = connect(embedded_aws.settings).s3.generate_presigned_url(
        "get_object", Params={"Bucket": "ingest", "Key": "a.wav"}
    )
    url = urlsplit(link)
    assert (url.netloc, url.path) == (
        f"localhost:{embedded_aws.settings.aws_port}",
        "/ingest/a.wav",
    )
    query = parse_qs(url.query)
    assert query["X-Amz-Credential"][0].startswith("test/")
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_the_real_aws_is_called_with_the_accounts_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-a-real-account")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    settings = Settings(aws="real", region="eu-central-1", endpoint_url=None)
    link = connect(settings).s3.generate_presigned_url(
        "get_object", Params={"Bucket": "ingest", "Key": "a.wav"}
    )
    assert urlsplit(link).netloc.endswith("amazonaws.com")
    assert parse_qs(urlsplit(link).query)["X-Amz-Credential"][0].startswith("of-a-real-account/")


def test_calls_carry_our_name_and_are_repeated_as_the_settings_say(
    embedded_aws: EmbeddedAws,
) -> None:
    settings = embedded_aws.settings.model_copy(update={"aws_attempts": 3, "probe_threads": 70})
    config: Any = connect(settings).s3.meta.config
    assert config.user_agent.startswith("ingest_pipeline ")
    assert config.retries["total_max_attempts"] == 1 + 3  # botocore counts the first one apart
    assert config.max_pool_connections == 70
