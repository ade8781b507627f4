"""The bodies that the API takes and gives."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingest_pipeline.api.keys import ObjectKey
from ingest_pipeline.catalogue.history import run_url
from ingest_pipeline.media.model import Kind, Reason
from ingest_pipeline.records.model import (
    Asset,
    Outcome,
    PhotoStatus,
    Report,
)
from ingest_pipeline.values import Timestamp

BUCKET = "ingest"  # as the contract has it; another name is a setting

_EXAMPLE: dict[str, Any] = {
    "bucket": BUCKET,
    "file": "interviews/monday.wav",
    "channel_count": 2,
    "frame_count": 2880000,
    "sample_rate": 48000,
    "bits_per_sample": 24,
    "duration": "60.0",
}


class Message(BaseModel):
    """What there is to say in words."""

    message: str


class Hello(BaseModel):
    """A sign of life."""

    hello: str = "world"


class PublicAsset(BaseModel):
    """A valid recording."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    bucket: str
    file: str = Field(description="The object's key.")
    channel_count: int
    frame_count: int | None = Field(description="null where the file does not tell it")
    sample_rate: int = Field(description="Hz")
    bits_per_sample: int | None = Field(description="null for a codec that has none, as MP3")
    duration: str | None = Field(description="Seconds: `str(frame_count / sample_rate)`.")

    @classmethod
    def of(cls, asset: Asset) -> "PublicAsset":
        """Show a row of the index."""
        return cls.model_validate(asset)


_Count = Annotated[int, Field(ge=0, lt=2**63, strict=True)]  # `false` is no number


class NewAsset(BaseModel):
    """An asset that a client knows of before the pipeline does."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    bucket: str
    file: Annotated[ObjectKey, Field(min_length=1)]
    channel_count: _Count
    frame_count: _Count
    sample_rate: _Count
    bits_per_sample: _Count
    duration: Annotated[str, Field(max_length=64)]


class Rejection(BaseModel):
    """A version that broke its source's rules."""

    uri: str = Field(examples=["s3://ingest/podcast.wav"])
    bucket: str
    key: str
    version: str
    reasons: tuple[Reason, ...] = Field(
        examples=[[{"rule": "sample_rate", "found": 44100, "wanted": 48000}]]
    )
    kind: Kind | None
    outcome: Outcome
    size: int | None = Field(description="Bytes.")
    judged_at: Timestamp
    deleted_at: Timestamp | None
    run_id: str | None
    run_url: str | None = Field(description="The run in the Dagster UI.")

    @classmethod
    def of(cls, report: Report, ui_url: str) -> "Rejection":
        """Show a report."""
        return cls(
            uri=report.uri,
            bucket=report.bucket,
            key=report.key,
            version=report.version,
            reasons=report.reasons,
            kind=report.probe.kind if report.probe else None,
            outcome=report.outcome,
            size=report.size,
            judged_at=report.judged_at,
            deleted_at=report.deleted_at,
            run_id=report.run_id,
            run_url=run_url(ui_url, report.run_id),
        )


class Rejections(BaseModel):
    """A page of rejections, newest first."""

    rejections: list[Rejection]
    cursor: str | None = Field(
        description="Where the next page starts; null when this is the last."
    )


class Video(BaseModel):
    """A person's answer to a step of a project."""

    ProjectStep: str = Field(examples=["holidays-1"])
    Mail: str
    video: str | None = Field(
        description="The upload's key, whether or not it has come yet; null where a row names none."
    )
    renditions: list[str] = Field(description="Links to what was made of it, valid for an hour.")


class NewPost(BaseModel):
    """What a user shares: 63,000 bytes at most, however its characters are escaped in JSON."""

    title: str = Field(max_length=250, examples=["Monday"])
    body: str = Field(max_length=5000, examples=["The first coffee of the week."])


class PublicPost(BaseModel):
    """What a user shared."""

    user: str = Field(description="`USER#` and the name.", examples=["USER#alice"])
    id: str = Field(description="`POST#` and the id that the other routes take.")
    title: str
    body: str
    image: str | None = Field(description="A link, valid for an hour; null while there is none.")
    labels: list[str] | None = Field(
        description="What is seen on the image; null while there is none, which is how clients "
        "tell a post that waits for its image."
    )
    label: list[str] | None = Field(description="The same, as the written contract names it.")
    status: PhotoStatus = Field(
        description="Of the photo uploaded last: `awaiting` (none has come so far), `valid`, "
        "`refused`."
    )
    reason: str | None = Field(description="Why it was refused; null where it was not.")


class NewPhoto(BaseModel):
    """A photo that a user wants to upload; the names are the contract's."""

    filename: str = Field(max_length=1024, examples=["coffee.jpg"])
    filetype: str = Field(
        pattern="^image/[A-Za-z0-9][A-Za-z0-9.-]{0,63}$",
        description="The Content-Type of the upload; no SVG, which is a page.",
        examples=["image/jpeg"],
    )
    postId: str = Field(max_length=64, description="Of the post that it is for.")  # noqa: N815


class InvalidPost(BaseModel):
    """What is wrong with a request, as the photo clients know it."""

    status_code: Literal[10422] = 10422
    message: str = Field(examples=["body.title: Field required"])
    data: None = None


class QueueDepth(BaseModel):
    """Approximate numbers of messages."""

    waiting: int
    in_flight: int = Field(description="Received, and not yet deleted.")


class Part(BaseModel):
    """Whether something that we need answers."""

    ok: bool
    detail: str


class Alive(BaseModel):
    """Whether the API lives, or is ready, for who starts and stops it."""

    ok: bool


class Health(BaseModel):
    """What answers, and how much there is to do."""

    aws: Part
    dagster: Part
    ffmpeg: Part = Field(description="The program that is used; not ok where it lacks something.")
    queues: dict[str, QueueDepth] = Field(description="By queue name; empty while AWS is away.")
