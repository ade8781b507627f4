"""Speech to text by Amazon Transcribe, which reads the recordings from S3 itself.

A job's name is made of what it is asked for, so asking again finds the job that is there. Whoever
asks waits a little: most recordings are short. A job that takes longer goes on by itself, and is
found by whoever asks next.

Checked against botocore's model of the service and a recorded exchange; it was not run against AWS.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.aws.objects.versions import delete_all
from ingest_pipeline.errors import TransientError
from ingest_pipeline.media.model import Reason, Spoken
from ingest_pipeline.media.speech.transcriber import Heard, Recording, too_long
from ingest_pipeline.records.places import job_folder

MOST_BYTES = 2 * 2**30  # of a recording
# What the service calls the containers that it takes.
FORMATS = {
    "wav": "wav",
    "mp3": "mp3",
    "flac": "flac",
    "ogg": "ogg",
    "amr": "amr",
    "webm": "webm",
    "mp4": "mp4",
    "m4a": "m4a",
}
_REVISION = 1  # another number makes all recordings be transcribed again
_WANTED = "a recording that Amazon Transcribe takes"
_GOES_ON = {"QUEUED", "IN_PROGRESS"}

# The service's words where a recording is at fault, by its model's list of reasons. A bucket that
# it may not read, or a language that there is not, is no recording's fault.
_FAULT = re.compile(
    r"media ?format|file size|sample rate|channels|media ?file|audio", re.IGNORECASE
)
_NO_FAULT = re.compile(r"access|permission|denied|internal", re.IGNORECASE)

_ENDS_OF_SENTENCES = tuple(".?!。？！।")  # noqa: RUF001 - those of Chinese and Japanese
_PAUSE = 2.0  # seconds without a word, behind which another segment begins
_LONGEST = 30.0  # seconds of a segment, where nothing else ends it
_WITHOUT_SPACES = {"ja", "th", "zh"}


class JobGoesOnError(TransientError):
    """A job has not ended yet; whoever asks later finds how it went."""


class JobLostError(TransientError):
    """A job gave nothing that can be used, by no fault of the recording; it was forgotten."""


@dataclass(frozen=True)
class TranscribeTranscriber:
    """Has the service transcribe; what it writes lies in a folder of the job's until it is read."""

    clients: Clients
    bucket: str  # where the service writes
    language: str | None = "en-US"  # None: the service finds it out
    longest_seconds: float = 3600
    patience_seconds: float = 60  # that is waited for a job before its recording comes again
    poll_seconds: float = 5
    checksum: None = None
    at_once: int = 50  # a waiting thread costs nothing, and the service takes 250 jobs at a time

    @property
    def model(self) -> str:
        """The service, which tells no version of its own, and the language."""
        return f"transcribe/{self.language or 'any'}/{_REVISION}"

    def transcribe(self, recording: Recording) -> Heard:
        """Have a recording transcribed, by the job that is there or by one of its own.

        Raises:
            JobGoesOnError: the job takes longer; ask again.
            JobLostError: it failed, or its result is gone; asking again starts another.
            ClientError: the service or S3 gave no proper answer; try again later.
        """
        if (answer := too_long(recording, self.longest_seconds)) is not None:
            return answer
        name = job_name(recording, self.model)
        if (reason := _unsupported(recording) or self._start(name, recording)) is not None:
            return Heard(audio_seconds=recording.seconds, reason=reason)
        return self._outcome(name, recording)

    def _start(self, name: str, recording: Recording) -> Reason | None:
        """Start a job unless it is there; why the service does not take the recording."""
        try:
            self.clients.transcribe.start_transcription_job(
                **job_request(name, recording, self.bucket, self.language)
            )
        except ClientError as error:
            code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code == "ConflictException":
                return None
            if code == "BadRequestException" and _is_fault(words):
                return Reason(rule="format", found=words, wanted=_WANTED)
            raise
        return None

    def _outcome(self, name: str, recording: Recording) -> Heard:
        job = self._ended(name)
        if job["TranscriptionJobStatus"] == "FAILED":
            words = job.get("FailureReason") or "no reason told"
            self._forget(name)
            if not _is_fault(words):
                raise JobLostError(f"Amazon Transcribe, job {name} failed: {words}")
            reason = Reason(rule="format", found=words, wanted=_WANTED)
            return Heard(audio_seconds=recording.seconds, reason=reason)
        language = str(job["LanguageCode"]).partition("-")[0]
        segments = self._segments(name, language)
        self._forget(name)
        nothing = Reason(rule="speech", found="no voice", wanted="speech")
        return Heard(
            segments=segments,
            language=language,
            audio_seconds=recording.seconds,
            work_seconds=_seconds_taken(job),
            reason=None if segments else nothing,
        )

    def _ended(self, name: str) -> Any:  # noqa: ANN401 - boto3's shapes
        """A job that has ended, waited for as long as patience lasts."""
        give_up = time.monotonic() + self.patience_seconds
        while (job := self._job(name))["TranscriptionJobStatus"] in _GOES_ON:
            if time.monotonic() + self.poll_seconds > give_up:
                raise JobGoesOnError(f"Amazon Transcribe, job {name} goes on")
            time.sleep(self.poll_seconds)
        return job

    def _job(self, name: str) -> Any:  # noqa: ANN401 - as above
        answer = self.clients.transcribe.get_transcription_job(TranscriptionJobName=name)
        return answer["TranscriptionJob"]

    def _segments(self, name: str, language: str) -> tuple[Spoken, ...]:
        """What a job wrote. Where that is gone or no result, the job is of no use any more."""
        try:
            written = self.clients.s3.get_object(Bucket=self.bucket, Key=_result_place(name))
            return parse_result(written["Body"].read(), language)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            problem = "its result is gone"
        except ValidationError as error:
            problem = f"its result is none: {error.errors()[0]['msg']}"
        self._forget(name)
        raise JobLostError(f"Amazon Transcribe, job {name}: {problem}")

    def _forget(self, name: str) -> None:
        """Delete what a job wrote, then the job: the other way round the file would stay."""
        delete_all(self.clients.s3, self.bucket, [_result_place(name)])
        self.clients.transcribe.delete_transcription_job(TranscriptionJobName=name)


def job_name(recording: Recording, model: str) -> str:
    """The name of a recording's job: the same whenever the same is asked for."""
    asked = f"{recording.uri}\n{recording.version}\n{model}"
    return f"ingest-{sha256(asked.encode()).hexdigest()}"


def job_request(
    name: str, recording: Recording, bucket: str, language: str | None
) -> dict[str, Any]:
    """The StartTranscriptionJob request. The service takes a key and no version."""
    spoken = {"LanguageCode": language} if language else {"IdentifyLanguage": True}
    return {
        "TranscriptionJobName": name,
        "Media": {"MediaFileUri": recording.uri},
        "MediaFormat": FORMATS[str(recording.container)],
        "OutputBucketName": bucket,
        "OutputKey": _result_place(name),
        **spoken,
    }


class _Alternative(BaseModel):
    content: str
    confidence: float = 0.0  # of 1


class _Item(BaseModel):
    """A word, or a punctuation mark, which has no times."""

    type: str
    alternatives: tuple[_Alternative, ...]
    start_time: float | None = None
    end_time: float | None = None


class _Results(BaseModel):
    items: tuple[_Item, ...]


class _Result(BaseModel):
    """What the service writes, as far as it is read."""

    results: _Results


def parse_result(body: bytes, language: str) -> tuple[Spoken, ...]:
    """What is said, a sentence a segment, by what the service wrote.

    Raises:
        ValidationError: it is no result of the service.
    """
    items = _Result.model_validate_json(body).results.items
    space = "" if language in _WITHOUT_SPACES else " "
    return tuple(_spoken(sentence, space) for sentence in _sentences(items))


def _sentences(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    """The items in groups, each of which begins with a word."""
    group: list[_Item] = []
    for item in items:
        if item.start_time is None and not group:
            continue  # a mark behind nothing
        if group and item.start_time is not None and _begins_another(group, item.start_time):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _begins_another(group: Sequence[_Item], start: float) -> bool:
    end = max(each.end_time or 0.0 for each in group)
    is_whole = _said(group[-1]).endswith(_ENDS_OF_SENTENCES)
    return is_whole or start - end > _PAUSE or start - (group[0].start_time or 0.0) > _LONGEST


def _spoken(items: Sequence[_Item], space: str) -> Spoken:
    words = [each for each in items if each.start_time is not None]
    parts = [_said(each) if each.start_time is None else space + _said(each) for each in items]
    confidences = [each.alternatives[0].confidence for each in words if each.alternatives]
    return Spoken(
        start=words[0].start_time or 0.0,
        end=max(each.end_time or 0.0 for each in words),
        text="".join(parts).strip(),
        confidence=round(100 * sum(confidences) / max(1, len(confidences)), 1),
    )


def _said(item: _Item) -> str:
    return item.alternatives[0].content if item.alternatives else ""


def _unsupported(recording: Recording) -> Reason | None:
    if recording.container not in FORMATS:
        found, wanted = str(recording.container), ", ".join(FORMATS)
        return Reason(rule="format", found=found, wanted=f"one of {wanted}")
    if recording.size > MOST_BYTES:
        return Reason(rule="size", found=recording.size, wanted=f"at most {MOST_BYTES} bytes")
    return None


def _is_fault(words: str) -> bool:
    """Whether the service's words are about the recording."""
    return _FAULT.search(words) is not None and _NO_FAULT.search(words) is None


def _seconds_taken(job: Any) -> float:  # noqa: ANN401 - as above
    began: datetime | None = job.get("StartTime")
    ended: datetime | None = job.get("CompletionTime")
    return round((ended - began).total_seconds(), 3) if began and ended else 0.0


def _result_place(name: str) -> str:
    return f"{job_folder(name)}transcript.json"
