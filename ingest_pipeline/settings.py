"""Every setting, from the environment; the defaults run the whole system on a laptop."""

import os
import re
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest_pipeline.errors import MistakeError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def _no_closed_service(name: object) -> object:
    if name == "elastictranscoder":
        raise ValueError(
            "Amazon Elastic Transcoder was closed on 2025-11-13 and answers nobody any more; set "
            "mediaconvert, the service that succeeds it, or ffmpeg"
        )
    return name


def _no_bare_name(url: str) -> str:
    """Without a slash at the end: paths are put behind it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"found {url!r}, wanted an address as https://name/path")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_no_bare_name)]


class QueueNames(NamedTuple):
    """A queue, where its messages end that are given up on, and the job that its messages start."""

    queue: str
    dead_letters: str
    consumer: str
    visibility_seconds: int  # how long a message is hidden once it was received


class QueueTable(NamedTuple):
    """All queues, by what their messages ask for or tell."""

    ingest: QueueNames  # an object has arrived
    delete: QueueNames  # a client asks for a deletion
    rendition: QueueNames  # an indexed video lacks a rendition
    transcode: QueueNames  # a job of MediaConvert has ended
    enrichment: QueueNames  # an indexed object lacks a preview or labels
    session: QueueNames  # a session's upload report has landed


class Settings(BaseSettings):
    """`INGEST_*` and the standard `AWS_*` variables; see the README's table."""

    model_config = SettingsConfigDict(
        env_prefix="INGEST_",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # the whole of it, secrets included, where settings contradict
    )

    home: Path = Path(".local")  # state of the embedded AWS and of Dagster
    aws: Literal["embedded", "real"] = "embedded"
    aws_port: int = Field(4566, ge=1, le=65535)
    min_free_bytes: int = Field(256 * 2**20, ge=0)  # on the embedded AWS's disk; no PUT below it
    ui_port: int = Field(3000, ge=1, le=65535)
    api_port: int = Field(8000, ge=1, le=65535)
    api_host: str = "127.0.0.1"  # the address that the API listens on
    # Further names that it is called by, with commas between: `api.example.org, *.example.net`.
    api_hosts: str = Field("", pattern=r"^( *(\*\.)?[A-Za-z0-9.-]+ *(,|$))*$")
    # Where people find the catalogue and Dagster's UI, and where our processes ask that UI; without
    # them all are at this machine.
    public_url: Address | None = None
    dagster_public_url: Address | None = None
    dagster_url: Address | None = None
    sources: Path = Path(__file__).resolve().parent / "sources.toml"

    log_format: Literal["plain", "json"] = "plain"  # json: a line of ECS fields each
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_file_bytes: int = Field(10 * 2**20, ge=1024)  # of a log under `home`; then it is put aside

    wait_seconds: int = Field(19, ge=0, le=20)  # that a sensor waits at its empty queue
    max_objects_per_run: int = Field(500, ge=1, le=1000)
    max_queued_runs: int = Field(4, ge=1)  # above it the sensor leaves messages in SQS
    visibility_seconds: int = Field(180, ge=10)  # how soon a dead run's messages come again
    probe_threads: int = Field(16, ge=1)

    # Where runs are sent to: `embedded` (folders under `home`), redis://, rediss://, amqp://,
    # amqps:// or `sqs`.
    workers: str = Field("embedded", pattern=r"^(embedded|sqs|(rediss?|amqps?)://.+)$")
    worker_results: SecretStr | None = None  # URL of Celery's result backend
    worker_processes: int = Field(0, ge=0)  # of a worker, each does a run; 0: the cores and three
    max_concurrent_runs: int = Field(0, ge=0)  # of all workers; 0: what one has processes
    worker_runs: int = Field(500, ge=1)  # that a process does before another takes its place
    # Of a process: above it after a run, another takes its place; at twice as much the run ends.
    worker_memory_bytes: int = Field(1024 * 2**20, ge=256 * 2**20)
    dagster_db: SecretStr | None = None  # a PostgreSQL URL; default: SQLite under `home`
    dagster_db_file: Path | None = None  # a file that holds the URL, for secrets that are mounted

    quarantine_bucket: str = "ingest-quarantine"

    bucket: str = "ingest"  # which /assets and /asset speak of, and samples go to
    upload_bucket: str = "ingest-videos"  # where the forms of /presignedurl put videos
    photo_bucket: str = "ingest-photos"  # where the photo clients put images
    rendition_bucket: str = "ingest-renditions"  # of previews, too
    max_upload_bytes: int = Field(2 * 2**30, ge=1, le=5 * 2**30)  # S3 takes 5 GiB in one request
    basic_users: Path | None = None  # a file of `user:hash` lines; None: nobody is let in

    auth: Literal["header", "jwt"] = "header"  # how those who post say who they are
    jwt_key: SecretStr | None = None  # a PEM public key, or a secret of 32 bytes or more
    jwt_key_file: Path | None = None  # a file that holds the key, for secrets that are mounted
    jwks_url: str | None = None  # where the issuer publishes its keys, instead of one key
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    jwt_leeway_seconds: int = Field(30, ge=0, le=300)  # that clocks may differ by

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
    presets: Path = Path(__file__).resolve().parent / "media" / "video" / "presets.toml"

    transcoder: Annotated[
        Literal["ffmpeg", "mediaconvert"], BeforeValidator(_no_closed_service)
    ] = "ffmpeg"
    ffmpeg: Path | None = None  # the program; None: the better of the PATH's and the package's
    mediaconvert_role: str | None = None  # ARN of the role that MediaConvert takes on
    mediaconvert_queue: str | None = None  # ARN; None: the account's default queue
    mediaconvert_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices(
            "INGEST_MEDIACONVERT_ENDPOINT", "AWS_ENDPOINT_URL_MEDIACONVERT"
        ),
    )
    transcode_queue: str = "s3-transcode-messages"  # where MediaConvert's jobs are told to end
    transcode_dead_letter_queue: str = "s3-transcode-messages-dead"

    enrichment_queue: str = "s3-enrichment-messages"
    enrichment_dead_letter_queue: str = "s3-enrichment-messages-dead"
    labeler: Literal["local", "rekognition"] = "local"  # what says what an image shows
    max_labels: int = Field(5, ge=1, le=100)  # of an image
    min_confidence: float = Field(75, ge=0, le=100)  # percent
    labeler_threads: int = Field(0, ge=0)  # of the local one; 0: one a core
    rekognition_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices(
            "INGEST_REKOGNITION_ENDPOINT", "AWS_ENDPOINT_URL_REKOGNITION"
        ),
    )
    # What says what is said in recordings.
    transcriber: Literal["local", "transcribe", "none"] = "local"
    transcriber_model: Path | None = None  # a folder with one for CTranslate2; None: tiny.en
    # As ISO 639-1 has it; empty: the model finds it out, which tiny.en cannot.
    transcriber_language: str = Field("en", pattern=r"^([a-z]{2,3})?$")
    transcriber_threads: int = Field(0, ge=0)  # 0: one a core
    max_transcribed_seconds: float = Field(3600, gt=0, le=14400)  # of a recording
    # As Amazon Transcribe names it; empty: the service finds it out.
    transcribe_language: str = Field("en-US", pattern=r"^([a-z]{2,3}-[A-Z]{2})?$")
    transcribe_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("INGEST_TRANSCRIBE_ENDPOINT", "AWS_ENDPOINT_URL_TRANSCRIBE"),
    )
    session_bucket: str = "sessions"
    session_queue: str = "s3-session-messages"
    session_dead_letter_queue: str = "s3-session-messages-dead"
    event_db: SecretStr | None = None  # a URL; default: SQLite under `home`
    event_db_file: Path | None = None  # a file that holds the URL, for secrets that are mounted
    event_sink: SecretStr | None = None  # a URL: where session events go beside the database
    event_sink_file: Path | None = None  # a file that holds the URL, for secrets that are mounted

    @model_validator(mode="after")
    def _distinct_ports(self) -> Self:
        ports = [self.aws_port, self.ui_port, self.api_port]
        if len(set(ports)) < len(ports):
            raise ValueError(
                f"INGEST_AWS_PORT, INGEST_UI_PORT and INGEST_API_PORT must differ, found {ports}"
            )
        return self

    @model_validator(mode="after")
    def _endpoint_of_http(self) -> Self:
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError(
                f"AWS_ENDPOINT_URL is {self.endpoint_url!r}: wanted http://... or https://..."
            )
        return self

    @model_validator(mode="after")
    def _tokens_off_loopback(self) -> Self:
        if self.auth == "header" and not self.is_loopback:
            raise ValueError(
                f"INGEST_API_HOST is {self.api_host!r} while INGEST_AUTH is 'header': anyone could "
                "post in anyone's name; set INGEST_AUTH=jwt, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _key_for_tokens(self) -> Self:
        keys = (self.jwt_key, self.jwt_key_file, self.jwks_url)
        if self.auth == "jwt" and sum(map(bool, keys)) != 1:
            raise ValueError(
                "INGEST_AUTH is 'jwt': set one of INGEST_JWT_KEY, INGEST_JWT_KEY_FILE and "
                f"INGEST_JWKS_URL, found {sum(map(bool, keys))}"
            )
        url = urlsplit(self.jwks_url or "https://")
        is_local = url.scheme == "http" and is_loopback(url.hostname or "")
        if url.scheme != "https" and not is_local:
            raise ValueError(
                f"INGEST_JWKS_URL is {self.jwks_url!r}: keys are taken over https only"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether the API is out of the reach of other machines."""
        return is_loopback(self.api_host)

    @model_validator(mode="after")
    def _reachable_transcoder(self) -> Self:
        if self.transcoder == "ffmpeg":
            return self
        if not self.mediaconvert_role:
            raise ValueError(
                "INGEST_MEDIACONVERT_ROLE is not set while INGEST_TRANSCODER is 'mediaconvert': "
                "give the ARN of the role that MediaConvert takes on to read videos and write "
                "renditions (the stack's output MediaConvertRoleArn)"
            )
        if self.aws == "embedded" and not self.mediaconvert_endpoint:
            raise ValueError(
                "INGEST_TRANSCODER is 'mediaconvert' while INGEST_AWS is 'embedded', which has no "
                "MediaConvert: set INGEST_AWS=real, or INGEST_TRANSCODER=ffmpeg"
            )
        return self

    @model_validator(mode="after")
    def _reachable_labeler(self) -> Self:
        is_lacking = self.aws == "embedded" and not self.rekognition_endpoint
        if self.labeler == "rekognition" and is_lacking:
            raise ValueError(
                "INGEST_LABELER is 'rekognition' while INGEST_AWS is 'embedded', which has no "
                "Rekognition: set INGEST_AWS=real, or INGEST_LABELER=local"
            )
        return self

    @model_validator(mode="after")
    def _reachable_transcriber(self) -> Self:
        is_lacking = self.aws == "embedded" and not self.transcribe_endpoint
        if self.transcriber == "transcribe" and is_lacking:
            raise ValueError(
                "INGEST_TRANSCRIBER is 'transcribe' while INGEST_AWS is 'embedded', which has no "
                "Transcribe: set INGEST_AWS=real, or INGEST_TRANSCRIBER=local"
            )
        return self

    @property
    def queues(self) -> QueueTable:
        """The one table of queues: the stack, the sensors, the page and the tests read it."""

        def row(queue: str, dead_letters: str, consumer: str) -> QueueNames:
            return QueueNames(queue, dead_letters, consumer, self.visibility_seconds)

        return QueueTable(
            ingest=row(self.ingest_queue, self.ingest_dead_letter_queue, "ingest_objects"),
            delete=row(self.delete_queue, self.delete_dead_letter_queue, "delete_objects"),
            rendition=row(
                self.rendition_queue, self.rendition_dead_letter_queue, "transcode_videos"
            ),
            transcode=row(
                self.transcode_queue, self.transcode_dead_letter_queue, "transcode_videos"
            ),
            enrichment=row(
                self.enrichment_queue, self.enrichment_dead_letter_queue, "enrich_objects"
            ),
            session=row(self.session_queue, self.session_dead_letter_queue, "ingest_sessions"),
        )

    @model_validator(mode="after")
    def _reachable_results(self) -> Self:
        if not self.worker_results and self.workers.startswith(("amqp", "sqs")):
            raise ValueError(
                f"INGEST_WORKERS is {self.workers.partition(':')[0]!r}, which keeps no results: "
                "set INGEST_WORKER_RESULTS to redis://..., db+postgresql+psycopg2://... or "
                "dynamodb://@REGION/TABLE"
            )
        return self

    @model_validator(mode="after")
    def _postgresql(self) -> Self:
        url = self.dagster_db.get_secret_value() if self.dagster_db else "postgresql://"
        if not url.startswith(("postgresql://", "postgresql+psycopg2://")):
            raise ValueError("INGEST_DAGSTER_DB is no URL that begins with postgresql://")
        return self

    @property
    def dagster_db_url(self) -> str | None:
        """Dagster's PostgreSQL, if it has one; may hold a password: never log it."""
        url = self.dagster_db.get_secret_value() if self.dagster_db else None
        if self.dagster_db_file:
            url = self.dagster_db_file.read_text(encoding="utf-8").strip()
        # Dagster has psycopg2; SQLAlchemy 2.1 takes another driver where none is named.
        return url and re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url)

    @property
    def concurrent_runs(self) -> int:
        """How many runs are done at a time by all workers together."""
        return self.max_concurrent_runs or self.processes

    @property
    def processes(self) -> int:
        """How many runs a worker does at a time.

        Not less than five: two for videos, one each for backfills and pictures, and one that fresh
        uploads always find.
        """
        return self.worker_processes or max(5, (os.cpu_count() or 1) + 3)

    @property
    def aws_endpoint(self) -> str | None:
        """Where AWS answers; None is the real one."""
        if self.endpoint_url:
            return self.endpoint_url
        return f"http://localhost:{self.aws_port}" if self.aws == "embedded" else None

    @property
    def ui_url(self) -> str:
        """Dagster's web server, where we ask it."""
        return self.dagster_url or f"http://localhost:{self.ui_port}"

    @property
    def dagster_link(self) -> str:
        """Dagster's UI, where people find it."""
        return self.dagster_public_url or self.ui_url

    @property
    def catalogue_link(self) -> str:
        """The catalogue, where people find it."""
        return self.public_url or self.api_url

    @property
    def api_url(self) -> str:
        """The HTTP API."""
        return f"http://localhost:{self.api_port}"

    @property
    def event_db_url(self) -> str:
        """Where session events go; may hold a password: never log it.

        Raises:
            SettingsError: the file that says it cannot be read.
        """
        if self.event_db_file:
            return _content("INGEST_EVENT_DB_FILE", self.event_db_file)
        if self.event_db:
            return self.event_db.get_secret_value()
        return f"sqlite:///{self.state / 'events.db'}"

    @property
    def event_sink_url(self) -> str | None:
        """Where session events go beside the database; may hold a password: never log it.

        Raises:
            SettingsError: the file that says it cannot be read.
        """
        if self.event_sink_file:
            return _content("INGEST_EVENT_SINK_FILE", self.event_sink_file)
        return self.event_sink.get_secret_value() if self.event_sink else None

    @property
    def state(self) -> Path:
        """`home`, absolute: relative paths would follow each process's own folder."""
        return self.home.resolve()

    def folder(self, *names: str) -> Path:
        """A folder below `home`, made where it is missing.

        `home` is its owner's alone: what lies there are people's files, and keys to them.
        """
        folder = self.state.joinpath(*names)
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.state.stat().st_mode & 0o077:
            self.state.chmod(0o700)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class SettingsError(MistakeError):
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


def _content(variable: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{variable}: {error}") from error


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's own: `localhost`, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
        **_database(config),
    }


def _database(config: Settings) -> dict[str, str]:
    """For dagster.yaml, which holds no password; PostgreSQL takes events by the hundred."""
    if config.dagster_db_url is None:
        return {}
    return {"INGEST_DAGSTER_DB_URL": config.dagster_db_url, "DAGSTER_EVENT_BATCH_SIZE": "1000"}
