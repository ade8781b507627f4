"""What EventBridge tells of a MediaConvert job."""

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, Field, ValidationError

from ingest_pipeline.errors import RefusedError
from ingest_pipeline.records.model import (
    JobEnd,
)


class JobEventError(RefusedError):
    """A message that should tell of a job and does not; the message says what is wrong."""


class _Labels(BaseModel):
    bucket: str
    key: str
    version: str
    preset: str
    token: str


class _Detail(BaseModel):
    status: Literal["COMPLETE", "ERROR", "CANCELED"]
    job_id: str = Field(alias="jobId", min_length=1)
    error_code: int | None = Field(None, alias="errorCode")
    error_message: str | None = Field(None, alias="errorMessage")
    labels: _Labels = Field(alias="userMetadata")


class _Event(BaseModel):
    """What EventBridge sends when a job's state changes."""

    detail_type: Literal["MediaConvert Job State Change"] = Field(alias="detail-type")
    detail: _Detail


@dataclass(frozen=True)
class JobEvent:
    """A job has ended: which, of which version and preset, and how."""

    bucket: str
    key: str
    version: str
    preset: str
    token: str
    job_id: str
    end: JobEnd


def parse_job_event(body: str) -> JobEvent | None:
    """The end of a job that a message tells of; None: it is of a job that goes on.

    Raises:
        JobEventError: it is none of our jobs' events.
    """
    try:
        message = json.loads(body)
        if _is_of_a_job_that_goes_on(message):
            return None
        detail = _Event.model_validate(message).detail
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise JobEventError(f"no event of our jobs: {place}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise JobEventError(f"no event of our jobs: {error}") from error
    labels = detail.labels
    return JobEvent(
        bucket=labels.bucket,
        key=unquote(labels.key),
        version=labels.version,
        preset=labels.preset,
        token=labels.token,
        job_id=detail.job_id,
        end=JobEnd(status=detail.status, code=detail.error_code, message=detail.error_message),
    )


def _is_of_a_job_that_goes_on(message: Any) -> bool:  # noqa: ANN401 - any JSON value
    match message:
        case {"detail-type": "MediaConvert Job State Change", "detail": {"status": str(status)}}:
            return status not in {"COMPLETE", "ERROR", "CANCELED"}
    return False
