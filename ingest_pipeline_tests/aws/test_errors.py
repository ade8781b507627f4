import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError

from ingest_pipeline.aws.errors import AWS_ERRORS


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1:9"),
        NoCredentialsError(),
        S3UploadFailedError("it broke"),
    ],
)
def test_whatever_boto3_raises_has_one_name(error: Exception) -> None:
    assert isinstance(error, AWS_ERRORS)


def test_mistakes_of_ours_have_not() -> None:
    assert not isinstance(ValueError("ours"), AWS_ERRORS)
