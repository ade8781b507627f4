"""AWS Elemental MediaConvert: what a job is asked for, how it went, and what its errors mean.

Checked against botocore's model of the service and a recorded exchange; it was not run against AWS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.errors import RefusedError
from ingest_pipeline.records.model import (
    JobEnd,
)


class JobRefusedError(RefusedError):
    """The service does not take a job as it is asked for; the message has its words."""


@dataclass(frozen=True)
class MediaConvert:
    """The service, as the account has set it up."""

    clients: Clients
    role: str  # ARN
    queue: str | None = None  # ARN; None: the account's default queue

    def submit(self, request: Mapping[str, Any]) -> str:
        """Submit a job and give the service's name for it.

        A token makes repeated requests one job for a minute, as the service promises; whoever
        may come later than that has to remember what was submitted.

        Raises:
            JobRefusedError: the request is not one that the service carries out.
            ClientError: it gave another answer, after the usual attempts; try again later.
        """
        account = {"Role": self.role} | ({"Queue": self.queue} if self.queue else {})
        try:
            answer = self.clients.mediaconvert.create_job(**request, **account)
        except ClientError as error:
            if error.response["Error"]["Code"] == "BadRequestException":
                raise JobRefusedError(error.response["Error"]["Message"]) from error
            raise
        return str(answer["Job"]["Id"])

    def end_of(self, job_id: str) -> JobEnd | None:
        """How a job ended; None: it goes on.

        The service forgets its jobs after 90 days; one that it does not know counts as canceled.
        """
        try:
            job = self.clients.mediaconvert.get_job(Id=job_id)["Job"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFoundException":
                return JobEnd(status="CANCELED", message="the service does not know the job")
            raise
        if job["Status"] in {"SUBMITTED", "PROGRESSING"}:
            return None
        return JobEnd(
            status=job["Status"], code=job.get("ErrorCode"), message=job.get("ErrorMessage")
        )

    def cancel(self, job_id: str) -> None:
        """Have a job end; one that has ended, or that the service does not know, is let be."""
        try:
            self.clients.mediaconvert.cancel_job(Id=job_id)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"NotFoundException", "ConflictException"}:
                raise


# What the codes mean by the service's user guide, "Error codes", in our words.
_MEANINGS: Mapping[int, str] = {
    1010: "the file cannot be opened",
    1020: "there is no video in it",
    1021: "there is no audio in it",
    1030: "its codec or container is not supported",
    1040: "the settings do not go together, or not with this file",
    1056: "a file cannot be opened or written",
    1060: "the clip is not within the file",
    1075: "the file cannot be taken apart",
    1076: "the file cannot be read to its end",
    1092: "its audio cannot be decoded",
    1401: "S3 refuses the role a file or bucket",
    1404: "a file or bucket is not there",
    1432: "the role lacks a right",
    1433: "the role does not exist",
    1434: "the role lacks a right, or does not trust the service",
    1515: "the role lacks a right, or is malformed",
    1550: "accelerated transcoding failed unexpectedly",
    1999: "an unexpected error of the service",
}


# The service's own failures, where another job may go well. Its advice for all others is to change
# the file, the settings or the role first.
_PASSING = frozenset({1550, 1999})


def is_passing(end: JobEnd) -> bool:
    """Whether a job that failed is worth another one: the service failed, or does not say why."""
    return end.status == "ERROR" and (end.code is None or end.code in _PASSING)


def describe_end(end: JobEnd) -> str:
    """Why a job gave nothing: `MediaConvert ERROR 1010, the file cannot be opened: ...`."""
    code = "" if end.code is None else f" {end.code}"
    meaning = _MEANINGS.get(end.code or 0, "")
    told = ": ".join(filter(None, (meaning, end.message)))
    return f"MediaConvert {end.status}{code}" + (f", {told}" if told else "")
