import boto3
import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.mediaconvert.service import (
    JobRefusedError,
    MediaConvert,
    describe_end,
    is_passing,
)
from ingest_pipeline.records.model import JobEnd
from ingest_pipeline_tests.aws.mediaconvert.jobs import ROLE, TOKEN, request
from ingest_pipeline_tests.mediaconvert import EXCHANGE, StandIn, recorded


def test_what_goes_over_the_wire_is_what_was_recorded(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    mediaconvert.submit(request())
    assert service.requests == [EXCHANGE["request"]]


def test_the_queue_is_named_where_there_is_one(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    queue = "arn:aws:mediaconvert:us-east-1:111122223333:queues/videos"
    MediaConvert(mediaconvert.clients, ROLE, queue).submit(request())
    assert service.requests[0]["queue"] == queue


def test_a_submission_is_answered_with_the_jobs_name_and_repeated_it_is_one_job(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    first, again = mediaconvert.submit(request()), mediaconvert.submit(request())
    assert first == again
    assert first in service.jobs
    assert [asked["clientRequestToken"] for asked in service.requests] == [TOKEN, TOKEN]


@pytest.mark.parametrize("passing", ["throttled", "failing"])
def test_a_passing_answer_is_asked_again(
    service: StandIn, mediaconvert: MediaConvert, passing: str
) -> None:
    service.answers.append(passing)
    assert mediaconvert.submit(request()) in service.jobs
    assert len(service.requests) == 2


def test_what_the_service_refuses_is_told_with_its_words(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    service.answers.append("refused")
    with pytest.raises(JobRefusedError, match=r"^/outputGroups/0/outputs/0: Invalid combination"):
        mediaconvert.submit(request())
    service.answers.append("forbidden")  # not the video's doing
    with pytest.raises(ClientError, match="ForbiddenException"):
        mediaconvert.submit(request())


def test_a_job_is_asked_how_it_ended(service: StandIn, mediaconvert: MediaConvert) -> None:
    job_id = mediaconvert.submit(request())
    assert mediaconvert.end_of(job_id) is None
    service.end(job_id, "ERROR", errorCode=1010, errorMessage="no parser")
    assert mediaconvert.end_of(job_id) == JobEnd(status="ERROR", code=1010, message="no parser")
    unknown = mediaconvert.end_of("1-none")
    assert unknown is not None
    assert unknown.status == "CANCELED"


@pytest.mark.parametrize(
    ("code", "passing"),
    [(1010, False), (1040, False), (1404, False), (1432, False), (3450, False), (1999, True)],
)
def test_only_the_services_own_failures_pass(code: int, *, passing: bool) -> None:
    assert is_passing(JobEnd(status="ERROR", code=code)) is passing


def test_a_failure_without_a_code_passes_and_a_canceled_job_stays_so() -> None:
    assert is_passing(JobEnd(status="ERROR"))
    assert not is_passing(JobEnd(status="CANCELED"))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            JobEnd(status="ERROR", code=1010, message="Unable to open input file [x]"),
            "MediaConvert ERROR 1010, the file cannot be opened: Unable to open input file [x]",
        ),
        (JobEnd(status="ERROR", code=3450, message="no"), "MediaConvert ERROR 3450, no"),
        (JobEnd(status="ERROR"), "MediaConvert ERROR"),
        (JobEnd(status="CANCELED", message="gone"), "MediaConvert CANCELED, gone"),
    ],
)
def test_an_end_is_described(end: JobEnd, words: str) -> None:
    assert describe_end(end) == words


def test_the_recorded_answers_are_ones_by_botocores_model() -> None:
    client = boto3.client("mediaconvert", region_name="us-east-1")
    errors = client.meta.service_model.operation_model("CreateJob").error_shapes
    statuses = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in errors}
    for name in ("throttled", "failing", "refused", "forbidden", "unknown"):
        answer = recorded(name)
        assert statuses[answer["headers"]["x-amzn-ErrorType"]] == answer["status"]
    job = client.meta.service_model.shape_for("Job").members
    wire = {shape.serialization.get("name", name) for name, shape in job.items()}
    assert recorded("submitted")["body"]["job"].keys() <= wire
