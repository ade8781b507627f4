"""One boto3 client of each service a process, shared by its threads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from ingest_pipeline.settings import Settings

if TYPE_CHECKING:  # stubs are installed for development only
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

_CONNECTIONS = 50  # the API answers in 40 threads


@dataclass(frozen=True)
class Clients:
    """The clients; make them once a process with `connect` and never across a fork."""

    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    cloudformation: "CloudFormationClient"


def connect(config: Settings) -> Clients:
    """Clients for the embedded or the real AWS, as the settings say.

    The embedded one gets LocalStack's credentials; the real one boto3's ordinary chain.
    """
    word = "test" if config.aws == "embedded" else None
    session = boto3.session.Session(
        region_name=config.region, aws_access_key_id=word, aws_secret_access_key=word
    )
    options = Config(
        max_pool_connections=max(_CONNECTIONS, config.probe_threads),
        retries={"mode": "standard", "max_attempts": config.aws_attempts},
        signature_version="s3v4",  # boto3 presigns with SigV2 otherwise
        s3={"addressing_style": "path"} if config.aws == "embedded" else {},
        connect_timeout=5,
        read_timeout=30,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    endpoint = config.aws_endpoint
    return Clients(
        s3=session.client("s3", endpoint_url=endpoint, config=options),
        sqs=session.client("sqs", endpoint_url=endpoint, config=options),
        dynamodb=session.client("dynamodb", endpoint_url=endpoint, config=options),
        cloudformation=session.client("cloudformation", endpoint_url=endpoint, config=options),
    )
