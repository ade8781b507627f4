import json
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern, EventPatternParser

from ingest_pipeline.aws.mediaconvert.job_event import JobEvent, JobEventError, parse_job_event
from ingest_pipeline.local.server import TEMPLATE
from ingest_pipeline.records.model import JobEnd
from ingest_pipeline_tests.aws.mediaconvert.jobs import JOB, JOB_ID
from ingest_pipeline_tests.mediaconvert import EXCHANGE


def event(status: str, **detail: Any) -> Any:
    """A recorded event of the recorded job."""
    message = json.loads(json.dumps(EXCHANGE["events"][status]))
    message["detail"] |= {"userMetadata": EXCHANGE["request"]["userMetadata"], **detail}
    return message


def test_the_end_of_a_job_names_its_version_and_preset() -> None:
    ended = JobEvent(
        bucket=JOB.bucket,
        key=JOB.key,
        version=JOB.version,
        preset=JOB.preset,
        token=JOB.token,
        job_id=JOB_ID,
        end=JobEnd(status="COMPLETE"),
    )
    assert parse_job_event(json.dumps(event("COMPLETE"))) == ended
    failed = parse_job_event(json.dumps(event("ERROR")))
    assert failed is not None
    assert failed.end == JobEnd(status="ERROR", code=1040, message="Example error message")
    canceled = parse_job_event(json.dumps(event("CANCELED")))
    assert canceled is not None
    assert canceled.end == JobEnd(status="CANCELED")


def test_a_job_that_goes_on_is_none() -> None:
    assert parse_job_event(json.dumps(event("PROGRESSING"))) is None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "Expecting property name"),
        ("[]", "body: Input should be a valid dictionary"),
        (json.dumps({"Records": []}), "detail-type: Field required"),
        (json.dumps(event("COMPLETE", userMetadata={})), "detail.userMetadata.bucket: Field requ"),
        (json.dumps(event("ERROR", jobId="")), "detail.jobId: String should have at least 1"),
        ("[" * 100_000, "no event of our jobs"),
    ],
)
def test_what_is_no_event_of_our_jobs_is_told(body: str, problem: str) -> None:
    with pytest.raises(JobEventError) as caught:
        parse_job_event(body)
    assert problem in str(caught.value)


def test_the_stacks_rule_takes_the_ends_of_our_jobs_and_nothing_else() -> None:
    rule = yaml.safe_load(TEMPLATE.read_text())["Resources"]["TranscodeRule"]["Properties"]
    filled = json.dumps(rule["EventPattern"]).replace(
        json.dumps({"Fn::Sub": "${BucketName}-renditions"}), json.dumps("ingest-renditions")
    )
    pattern = EventPattern(filled, EventPatternParser(filled).parse())
    others = EXCHANGE["request"]["userMetadata"] | {"rendition_bucket": "others-renditions"}
    taken = [
        pattern.matches_event(each)
        for each in (
            event("COMPLETE"),
            event("ERROR"),
            event("CANCELED"),
            event("PROGRESSING"),
            event("COMPLETE", userMetadata={}),
            event("COMPLETE", userMetadata=others),
            event("COMPLETE") | {"source": "others"},
        )
    ]
    assert taken == [True, True, True, False, False, False, False]
