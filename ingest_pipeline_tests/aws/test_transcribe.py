import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.validate import validate_parameters
from pydantic import ValidationError

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.transcribe import (
    FORMATS,
    MOST_BYTES,
    JobGoesOnError,
    JobLostError,
    TranscribeTranscriber,
    job_name,
    job_request,
    parse_result,
)
from ingest_pipeline.media.model import Reason, Spoken
from ingest_pipeline_tests.embedded import EmbeddedAws, free_port
from ingest_pipeline_tests.media.speech.voices import Held
from ingest_pipeline_tests.transcribe import EXCHANGE, SERVICE, StandIn, stand_in

BUCKET = "ingest-renditions"
SENTENCES = (
    Spoken(start=0.64, end=2.56, text="Welcome to Amazon Transcribe.", confidence=98.5),
    Spoken(start=3.0, end=4.0, text="Front center", confidence=85.0),
)


@pytest.fixture
def service() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


def transcriber_at(aws: EmbeddedAws, endpoint: str, **changes: Any) -> TranscribeTranscriber:
    update = {"transcribe_endpoint": endpoint, "aws_attempts": 1}
    clients = connect(aws.settings.model_copy(update=update))
    quick = TranscribeTranscriber(clients, BUCKET, patience_seconds=0.05, poll_seconds=0.02)
    return replace(quick, **changes)


@pytest.fixture
def transcriber(embedded_aws: EmbeddedAws, service: StandIn) -> TranscribeTranscriber:
    return transcriber_at(embedded_aws, service.endpoint)


@pytest.fixture
def recording(tmp_path: Path, request: pytest.FixtureRequest) -> Held:
    """One of a name of its own: jobs and results of other tests are none of this one's."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    return Held(path, seconds=4.2, uri=f"s3://sessions/a b/{request.node.name}/ä.wav")


def results_left(transcriber: TranscribeTranscriber, recording: Held) -> list[str]:
    folder = f"transcoding/{job_name(recording, transcriber.model)}/"
    found = transcriber.clients.s3.list_objects_v2(Bucket=BUCKET, Prefix=folder)
    return [each["Key"] for each in found.get("Contents", [])]


def test_a_job_names_the_recording_and_where_its_result_goes(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    with pytest.raises(JobGoesOnError, match="goes on"):
        transcriber.transcribe(recording)
    name = job_name(recording, "transcribe/en-US/1")
    assert service.requests == [
        {
            "TranscriptionJobName": name,
            "Media": {"MediaFileUri": recording.uri},
            "MediaFormat": "wav",
            "LanguageCode": "en-US",
            "OutputBucketName": BUCKET,
            "OutputKey": f"transcoding/{name}/transcript.json",
        }
    ]


def test_a_job_that_takes_long_is_found_again_and_no_other_is_started(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    assert service.calls.count("GetTranscriptionJob") > 1, "it is waited for a little"
    service.complete(transcriber.clients)
    heard = transcriber.transcribe(recording)
    assert (heard.segments, heard.language, heard.reason) == (SENTENCES, "en", None)
    assert (heard.audio_seconds, heard.work_seconds) == (4.2, 12.5)
    assert len({each["TranscriptionJobName"] for each in service.requests}) == 1


def test_nothing_stays_of_a_job_that_was_read(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    service.complete(transcriber.clients)
    assert len(results_left(transcriber, recording)) == 1
    transcriber.transcribe(recording)
    assert (service.jobs, results_left(transcriber, recording)) == ({}, [])


def test_a_recording_of_another_version_or_language_is_another_job(recording: Held) -> None:
    names = {
        job_name(recording, "transcribe/en-US/1"),
        job_name(recording, "transcribe/de-DE/1"),
        job_name(replace(recording, version="v-2"), "transcribe/en-US/1"),
        job_name(replace(recording, uri="s3://ingest/b.wav"), "transcribe/en-US/1"),
    }
    assert len(names) == 4
    assert job_name(recording, "transcribe/en-US/1") in names


def test_without_a_language_the_service_finds_it_out(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    open_minded = replace(transcriber, language=None)
    with pytest.raises(JobGoesOnError):
        open_minded.transcribe(recording)
    assert service.requests[0]["IdentifyLanguage"] is True
    assert "LanguageCode" not in service.requests[0]
    assert open_minded.model != transcriber.model


@pytest.mark.parametrize("container", FORMATS)
def test_each_format_is_one_that_the_service_names(recording: Held, container: str) -> None:
    request = job_request("a-job", replace(recording, container=container), BUCKET, "en-US")
    validate_parameters(request, SERVICE.shape_for("StartTranscriptionJobRequest"))
    formats, languages = SERVICE.shape_for("MediaFormat"), SERVICE.shape_for("LanguageCode")
    assert request["MediaFormat"] in formats.metadata["enum"]
    assert request["LanguageCode"] in languages.metadata["enum"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({"container": "rf64"}, "format"), ({"container": None}, "format"), ({}, "length")],
)
def test_what_the_service_does_not_take_is_refused_without_a_call(
    service: StandIn,
    transcriber: TranscribeTranscriber,
    recording: Held,
    changes: Any,
    rule: str,
) -> None:
    strict = replace(transcriber, longest_seconds=4.0 if rule == "length" else 3600)
    heard = strict.transcribe(replace(recording, **changes))
    assert heard.reason is not None
    assert (heard.reason.rule, service.calls) == (rule, [])


def test_a_recording_that_is_too_large_is_refused_without_a_call(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    with recording.path.open("r+b") as file:
        file.truncate(MOST_BYTES + 1)
    reason = transcriber.transcribe(recording).reason
    assert (reason and reason.rule, service.calls) == ("size", [])


def test_what_the_service_says_against_a_recording_is_a_reason(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    service.errors.append("format")
    heard = transcriber.transcribe(recording)
    assert heard.reason == Reason(
        rule="format",
        found="The media format that you specified doesn't match the detected media format.",
        wanted="a recording that Amazon Transcribe takes",
    )
    assert (heard.segments, heard.audio_seconds) == ((), 4.2)


# All that the service's model lists.
FAULTS = (
    "Unsupported media format.",
    "The media format provided does not match the detected media format.",
    "Invalid sample rate for audio file.",
    "The sample rate provided does not match the detected sample rate.",
    "Invalid file size: file size too large.",
    "Invalid number of channels: number of channels too large.",
)


@pytest.mark.parametrize("words", FAULTS)
def test_a_job_that_failed_by_the_recordings_fault_is_a_reason(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held, words: str
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    service.fail(FailureReason=words)
    reason = transcriber.transcribe(recording).reason
    assert reason is not None
    assert (reason.found, service.jobs) == (words, {})


@pytest.mark.parametrize(
    "words",
    [
        "Internal failure while reading the media file.",
        "The audio file can't be accessed.",
        "Something else.",
        None,
    ],
)
def test_a_job_that_failed_otherwise_is_forgotten_and_started_again(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held, words: str | None
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    service.fail(FailureReason=words)
    with pytest.raises(JobLostError, match=words or "no reason told"):
        transcriber.transcribe(recording)
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    assert [each["TranscriptionJobStatus"] for each in service.jobs.values()] == ["IN_PROGRESS"]


@pytest.mark.parametrize(
    "name", ["limit", "throttled", "internal", "denied", "unreadable", "language"]
)
def test_what_is_not_the_recordings_fault_is_for_later(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held, name: str
) -> None:
    service.errors.extend([name] * 2)
    with pytest.raises(ClientError) as caught:
        transcriber.transcribe(recording)
    assert caught.value.response["Error"]["Code"] == EXCHANGE["errors"][name][1]
    service.errors.clear()
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)


def test_a_service_that_does_not_answer_is_for_later(
    embedded_aws: EmbeddedAws, recording: Held
) -> None:
    nowhere = transcriber_at(embedded_aws, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(EndpointConnectionError):
        nowhere.transcribe(recording)


def test_where_nothing_is_said_there_is_a_reason(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    silent = {"results": {"transcripts": [{"transcript": ""}], "items": []}}
    service.complete(transcriber.clients, json.dumps(silent).encode())
    heard = transcriber.transcribe(recording)
    assert heard.reason == Reason(rule="speech", found="no voice", wanted="speech")


@pytest.mark.parametrize("result", [b"<html>", b'{"results": {}}'])
def test_a_result_that_is_none_is_forgotten(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held, result: bytes
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    service.complete(transcriber.clients, result)
    with pytest.raises(JobLostError, match="its result is none"):
        transcriber.transcribe(recording)
    assert (service.jobs, results_left(transcriber, recording)) == ({}, [])


def test_a_result_that_is_gone_has_the_job_started_again(
    service: StandIn, transcriber: TranscribeTranscriber, recording: Held
) -> None:
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    service.complete(transcriber.clients)
    (key,) = results_left(transcriber, recording)
    transcriber.clients.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(JobLostError, match="its result is gone"):
        transcriber.transcribe(recording)
    with pytest.raises(JobGoesOnError):
        transcriber.transcribe(recording)
    service.complete(transcriber.clients)
    assert transcriber.transcribe(recording).segments == SENTENCES


def changed(change: Any) -> bytes:
    result = deepcopy(EXCHANGE["result"])
    change(result["results"]["items"])
    return json.dumps(result).encode()


def test_a_segment_is_a_sentence_with_the_mean_confidence_of_its_words() -> None:
    assert parse_result(json.dumps(EXCHANGE["result"]).encode(), "en") == SENTENCES


def test_a_pause_ends_a_segment_where_no_mark_does() -> None:
    def pause(items: list[dict[str, Any]]) -> None:
        items[6] |= {"start_time": "5.5", "end_time": "6.0"}

    assert [each.text for each in parse_result(changed(pause), "en")] == [
        "Welcome to Amazon Transcribe.",
        "Front",
        "center",
    ]


def test_a_segment_without_an_end_is_cut_after_half_a_minute() -> None:
    words = [
        {
            "type": "pronunciation",
            "alternatives": [{"confidence": "1.0", "content": "on"}],
            "start_time": str(n),
            "end_time": str(n + 0.9),
        }
        for n in range(70)
    ]
    body = json.dumps({"results": {"items": words}}).encode()
    assert [round(each.end - each.start) for each in parse_result(body, "en")] == [31, 31, 8]


def test_chinese_is_written_without_spaces() -> None:
    body = json.dumps(EXCHANGE["result"]).encode()
    assert parse_result(body, "zh")[0].text == "WelcometoAmazonTranscribe."


def test_a_mark_before_all_words_is_passed_over() -> None:
    def mark(items: list[dict[str, Any]]) -> None:
        items.insert(0, items[4])

    assert parse_result(changed(mark), "en") == SENTENCES


def test_what_the_service_would_not_write_is_no_result() -> None:
    with pytest.raises(ValidationError):
        parse_result(b"[]", "en")
