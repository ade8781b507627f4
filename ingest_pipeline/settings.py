"""Every setting, from the environment; the defaults run the whole system on a laptop."""

import os
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """`INGEST_*` and the standard `AWS_*` variables; see the README's table."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True, populate_by_name=True)

    home: Path = Path(".local")  # state of the embedded AWS and of Dagster
    aws: Literal["embedded", "real"] = "embedded"
    aws_port: int = Field(4566, ge=1, le=65535)
    ui_port: int = Field(3000, ge=1, le=65535)
    api_port: int = Field(8000, ge=1, le=65535)
    sources: Path = Path(__file__).resolve().parent / "sources.toml"

    tick_seconds: int = Field(5, ge=1)  # how often the sensors look at their queues
    max_objects_per_run: int = Field(500, ge=1, le=1000)
    max_queued_runs: int = Field(2, ge=1)  # above it the sensor leaves messages in SQS
    visibility_seconds: int = Field(180, ge=10)  # how soon a dead run's messages come again
    probe_threads: int = Field(16, ge=1)
    quarantine_bucket: str = "ingest-quarantine"

    upload_bucket: str = "ingest-videos"  # where the forms of /presignedurl put videos
    photo_bucket: str = "ingest-photos"  # where the photo clients put images
    rendition_bucket: str = "ingest-renditions"  # of previews, too
    max_upload_bytes: int = Field(2 * 2**30, ge=1, le=5 * 2**30)  # S3 takes 5 GiB in one request
    basic_users: Path | None = None  # a file of `user:hash` lines; None: nobody is let in

    region: str = Field(
        "us-east-1", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    aws_attempts: int = Field(5, ge=1)  # of a call, with growing pauses: about 16 s in all
    endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")

    ingest_queue: str = "s3-ingest-messages"
    ingest_dead_letter_queue: str = "s3-ingest-messages-dead"
    delete_queue: str = "s3-delete-messages"
    delete_dead_letter_queue: str = "s3-delete-messages-dead"

    rendition_queue: str = "s3-rendition-messages"
    rendition_dead_letter_queue: str = "s3-rendition-messages-dead"
    presets: Path = Path(__file__).resolve().parent / "media" / "presets.toml"
    enrichment_queue: str = "s3-enrichment-messages"
    enrichment_dead_letter_queue: str = "s3-enrichment-messages-dead"
    session_bucket: str = "sessions"
    session_queue: str = "s3-session-messages"
    session_dead_letter_queue: str = "s3-session-messages-dead"
    event_db: SecretStr | None = None  # a URL; default: SQLite under `home`
    event_db_file: Path | None = None  # a file that holds the URL, for secrets that are mounted

    @model_validator(mode="after")
    def _distinct_ports(self) -> Self:
        ports = [self.aws_port, self.ui_port, self.api_port]
        if len(set(ports)) < len(ports):
            raise ValueError(
                f"INGEST_AWS_PORT, INGEST_UI_PORT and INGEST_API_PORT must differ, found {ports}"
            )
        return self

    @property
    def aws_endpoint(self) -> str | None:
        """Where AWS answers; None is the real one."""
        if self.endpoint_url:
            return self.endpoint_url
        return f"http://localhost:{self.aws_port}" if self.aws == "embedded" else None

    @property
    def ui_url(self) -> str:
        """The Dagster UI."""
        return f"http://localhost:{self.ui_port}"

    @property
    def api_url(self) -> str:
        """The HTTP API."""
        return f"http://localhost:{self.api_port}"

    @property
    def event_db_url(self) -> str:
        """Where session events go; may hold a password: never log it."""
        if self.event_db_file:
            return self.event_db_file.read_text(encoding="utf-8").strip()
        if self.event_db:
            return self.event_db.get_secret_value()
        return f"sqlite:///{self.state / 'events.db'}"

    @property
    def state(self) -> Path:
        """`home`, absolute: relative paths would follow each process's own folder."""
        return self.home.resolve()


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable, the value found and why."""


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: with every mistake, one a line.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_mistake, error.errors()))) from None


def _mistake(details: ErrorDetails) -> str:
    if not details["loc"]:
        return details["msg"]
    name = str(details["loc"][0])
    variable = name if name.isupper() else f"INGEST_{name.upper()}"
    return f"{variable} is {details['input']!r}: {details['msg']}"


def child_environment(config: Settings) -> dict[str, str]:
    """The environment under which our other processes see the same settings."""
    return {
        **os.environ,
        "INGEST_HOME": str(config.state),
        "INGEST_AWS": config.aws,
        "INGEST_AWS_PORT": str(config.aws_port),
        "INGEST_UI_PORT": str(config.ui_port),
        "INGEST_API_PORT": str(config.api_port),
        "DAGSTER_HOME": str(config.state / "dagster"),
    }
