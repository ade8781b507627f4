"""One boto3 client of each service a process, shared by its threads."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from ingest_pipeline.settings import Settings

if TYPE_CHECKING:  # boto3 takes 0.15 s, which a look at the definitions does without
    from boto3.session import Session
    from botocore.config import Config
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

_CONNECTIONS = 50  # the API answers in 40 threads


class Clients:
    """The clients, each made when first used; none used before a fork may be used after it."""

    def __init__(
        self,
        session: "Session",
        endpoint: str | None,
        config: "Config",
        *,
        mediaconvert_endpoint: str | None = None,
        rekognition_endpoint: str | None = None,
        transcribe_endpoint: str | None = None,
    ) -> None:
        self._session = session
        self._mediaconvert_endpoint = mediaconvert_endpoint
        self._rekognition_endpoint = rekognition_endpoint
        self._transcribe_endpoint = transcribe_endpoint
        self._options: Any = {"endpoint_url": endpoint, "config": config}

    @cached_property
    def s3(self) -> "S3Client":
        """S3."""
        return self._session.client("s3", **self._options)

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS."""
        return self._session.client("sqs", **self._options)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB."""
        return self._session.client("dynamodb", **self._options)

    @cached_property
    def mediaconvert(self) -> Any:  # noqa: ANN401 - its stubs are 1 MB, for two calls
        """MediaConvert, which the embedded AWS has not."""
        config = self._signed_by_v4()
        return self._session.client(
            "mediaconvert", endpoint_url=self._mediaconvert_endpoint, config=config
        )

    @cached_property
    def rekognition(self) -> Any:  # noqa: ANN401 - as above, for one call
        """Rekognition, which the embedded AWS has not either."""
        config = self._signed_by_v4()
        return self._session.client(
            "rekognition", endpoint_url=self._rekognition_endpoint, config=config
        )

    @cached_property
    def transcribe(self) -> Any:  # noqa: ANN401 - as above, for three calls
        """Transcribe, which the embedded AWS has not either."""
        config = self._signed_by_v4()
        return self._session.client(
            "transcribe", endpoint_url=self._transcribe_endpoint, config=config
        )

    def _signed_by_v4(self) -> "Config":
        from botocore.config import Config  # noqa: PLC0415

        config: Config = self._options["config"]
        return config.merge(Config(signature_version="v4"))

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """CloudFormation."""
        return self._session.client("cloudformation", **self._options)


@dataclass(frozen=True)
class Connection:
    """Where AWS is, and how it is called."""

    is_embedded: bool
    endpoint_url: str | None  # None: the real one
    region: str
    attempts: int  # of a call, with growing pauses
    connections: int  # kept open to a service, at most
    mediaconvert_endpoint: str | None = None
    rekognition_endpoint: str | None = None
    transcribe_endpoint: str | None = None

    @classmethod
    def of(cls, config: Settings) -> Self:
        """The connection that the settings describe."""
        return cls(
            is_embedded=config.aws == "embedded",
            endpoint_url=config.aws_endpoint,
            region=config.region,
            attempts=config.aws_attempts,
            connections=max(_CONNECTIONS, config.probe_threads),
            mediaconvert_endpoint=config.mediaconvert_endpoint,
            rekognition_endpoint=config.rekognition_endpoint,
            transcribe_endpoint=config.transcribe_endpoint,
        )


def connect(config: Settings) -> Clients:
    """Clients of one's own, as the settings say."""
    return open_clients(Connection.of(config))


@cache
def shared_clients(connection: Connection) -> Clients:
    """The clients of a connection, one set a process: making them costs 0.2 s."""
    return open_clients(connection)


def open_clients(connection: Connection) -> Clients:
    """Clients that connect when used.

    The embedded AWS gets LocalStack's credentials; the real one boto3's ordinary chain.
    """
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    word = "test" if connection.is_embedded else None
    session = boto3.session.Session(
        region_name=connection.region, aws_access_key_id=word, aws_secret_access_key=word
    )
    options = Config(
        max_pool_connections=connection.connections,
        retries={"mode": "standard", "max_attempts": connection.attempts},
        signature_version="s3v4",  # boto3 presigns with SigV2 otherwise
        s3={"addressing_style": "path"} if connection.is_embedded else {},
        parameter_validation=False,  # a quarter of the time of a batch of rows; types are checked
        user_agent="ingest_pipeline",  # botocore puts its own together for every call, 0.1 ms each
        connect_timeout=5,
        read_timeout=30,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return Clients(
        session,
        connection.endpoint_url,
        options,
        mediaconvert_endpoint=connection.mediaconvert_endpoint,
        rekognition_endpoint=connection.rekognition_endpoint,
        transcribe_endpoint=connection.transcribe_endpoint,
    )
