from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.rekognition import MOST_BYTES, RekognitionLabeler
from ingest_pipeline.media.labels.labeler import (
    Answer,
    Seen,
    Wanted,
)
from ingest_pipeline.media.model import Label, Reason
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.rekognition import StandIn, stand_in

CAT = Label(name="Cat", confidence=98.77, parents=("Animal", "Mammal", "Pet"))
PET = Label(name="Pet", confidence=98.0, parents=("Animal",))


@dataclass(frozen=True)
class InS3:
    key: str
    container: str | None = "jpeg"
    size: int = 1000
    version_id: str | None = "v-1"
    bucket: str = "photos"

    def content(self) -> bytes:
        raise AssertionError("the service reads the object itself")


@pytest.fixture
def service() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


def labeler_at(endpoint: str, **changes: object) -> RekognitionLabeler:
    config = Settings(rekognition_endpoint=endpoint, region="us-east-1", endpoint_url=None)
    return RekognitionLabeler(connect(config.model_copy(update=changes)))


@pytest.fixture
def labeler(service: StandIn) -> RekognitionLabeler:
    return labeler_at(service.endpoint)


def answers(
    labeler: RekognitionLabeler, *images: InS3, wanted: Wanted | None = None
) -> list[Answer]:
    return list(labeler.label(images, wanted or Wanted()))


def test_the_service_is_asked_for_five_labels_of_75_percent_of_the_version_in_s3(
    service: StandIn, labeler: RekognitionLabeler
) -> None:
    (answer,) = answers(labeler, InS3("a b/ä.jpg"))
    assert answer == Seen(labels=(CAT, PET), top=(CAT, PET))
    assert service.requests == [
        {
            "Image": {"S3Object": {"Bucket": "photos", "Name": "a b/ä.jpg", "Version": "v-1"}},
            "MaxLabels": 5,
            "MinConfidence": 75.0,
        }
    ]
    assert "/us-east-1/rekognition/aws4_request" in service.credentials[0]


def test_of_an_unversioned_bucket_no_version_is_named(
    service: StandIn, labeler: RekognitionLabeler
) -> None:
    answers(labeler, InS3("a.png", container="png", version_id=None))
    assert "Version" not in service.requests[0]["Image"]["S3Object"]


def test_the_thresholds_of_the_settings_are_asked_for(
    service: StandIn, labeler: RekognitionLabeler
) -> None:
    answers(labeler, InS3("a.jpg"), wanted=Wanted(most=2, least_confidence=90.5))
    assert (service.requests[0]["MaxLabels"], service.requests[0]["MinConfidence"]) == (2, 90.5)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("InvalidImageFormatException", "format"),
        ("ImageTooLargeException", "size"),
    ],
)
def test_what_the_service_finds_wrong_with_an_image_is_a_reason(
    service: StandIn, labeler: RekognitionLabeler, code: str, rule: str
) -> None:
    service.in_line["bad.jpg"] = [code]
    bad, good = answers(labeler, InS3("bad.jpg"), InS3("good.jpg"))
    assert isinstance(bad, Reason)
    assert bad.rule == rule
    assert bad.found == f"the service says {code}"
    assert isinstance(good, Seen)
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"],
)
def test_what_passes_is_repeated(service: StandIn, code: str) -> None:
    service.in_line["a.jpg"] = [code]
    (answer,) = answers(labeler_at(service.endpoint), InS3("a.jpg"))
    assert isinstance(answer, Seen)
    assert len(service.requests) == 2


def test_what_does_not_pass_in_all_attempts_fails_and_spares_the_neighbours(
    service: StandIn,
) -> None:
    service.in_line["a.jpg"] = ["ThrottlingException"] * 3
    labeler = labeler_at(service.endpoint, aws_attempts=2)
    throttled, good = answers(labeler, InS3("a.jpg"), InS3("b.jpg"))
    assert isinstance(throttled, ClientError)
    assert "ThrottlingException" in str(throttled)
    assert isinstance(good, Seen)
    assert len(service.requests) == 4  # boto3 counts repetitions


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "InvalidS3ObjectException", "UnrecognizedClientException"],
)
def test_a_missing_right_or_a_wrong_region_is_no_fault_of_the_image(
    service: StandIn, labeler: RekognitionLabeler, code: str
) -> None:
    service.in_line["a.jpg"] = [code]
    (answer,) = answers(labeler, InS3("a.jpg"))
    assert isinstance(answer, ClientError)
    assert code in str(answer)
    assert len(service.requests) == 1


def test_a_service_that_cannot_be_reached_is_a_failure() -> None:
    labeler = labeler_at(f"http://127.0.0.1:{free_port()}", aws_attempts=1)
    (answer,) = answers(labeler, InS3("a.jpg"))
    assert isinstance(answer, EndpointConnectionError)


def test_what_the_service_does_not_take_is_not_sent(
    service: StandIn, labeler: RekognitionLabeler
) -> None:
    webp, large = answers(
        labeler, InS3("a.webp", container="webp"), InS3("a.jpg", size=MOST_BYTES + 1)
    )
    assert str(webp) == "format webp, wanted jpeg or png"
    assert str(large) == f"size {MOST_BYTES + 1}, wanted at most {MOST_BYTES} bytes"
    assert service.requests == []


def test_the_embedded_aws_has_no_rekognition() -> None:
    with pytest.raises(ValueError, match="INGEST_LABELER is 'rekognition' while INGEST_AWS"):
        Settings(labeler="rekognition", rekognition_endpoint=None)
    assert Settings(labeler="rekognition", aws="real").labeler == "rekognition"


def test_the_endpoint_comes_from_awss_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", "http://127.0.0.1:9")
    client = connect(Settings()).rekognition
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
