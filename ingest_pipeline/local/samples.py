"""Files into a bucket, and what became of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects.content import upload_file, write_object
from ingest_pipeline.media.model import Kind
from ingest_pipeline.records.model import (
    ImageLabels,
    Rendition,
    Report,
    is_settled,
)
from ingest_pipeline.records.tables import (
    IMAGE_LABELS,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    REPORTS,
    REPORTS_BY_OBJECT,
    image_labels_key,
    report_key,
)
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.model import ND
from ingest_pipeline.sessions.sample import sample_sessions
from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline.system import System
from ingest_pipeline.values import object_uri

if TYPE_CHECKING:
    from ingest_pipeline.defs.common.wiring import Resources

SAMPLES = PROJECT_ROOT / "media"
_SAMPLE_SUFFIXES = {".wav", ".flac", ".webm", ".jpg"}
_VOICE = SAMPLES / "voices" / "front_center.wav"
_SESSION_DAY = date(2024, 7, 17)
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Upload:
    """A file on its way to a key."""

    path: Path
    bucket: str
    key: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Uploaded:
    """A version of a key that was written."""

    bucket: str
    key: str
    version: str  # versionId, else eTag

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return object_uri(self.bucket, self.key)


def plan_uploads(paths: Iterable[Path], bucket: str, prefix: str) -> Iterator[Upload]:
    """The files, and the files below the folders, under keys relative to what was named."""
    for path in paths:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                key = file.relative_to(path.parent).as_posix()
                yield Upload(file, bucket, prefix + key)
        else:
            yield Upload(path, bucket, prefix + path.name)


def sample_uploads(bucket: str) -> list[Upload]:
    """The samples of `media/`."""
    files = sorted(path for path in SAMPLES.iterdir() if path.suffix in _SAMPLE_SUFFIXES)
    return list(plan_uploads(files, bucket, ""))


def put(system: System, upload: Upload, on_bytes: Callable[[int], None] | None = None) -> Uploaded:
    """Upload one file, in parts where it is large; `on_bytes` is told of each piece sent."""
    written = upload_file(system.clients.s3, upload.path, upload.bucket, upload.key, on_bytes)
    return Uploaded(upload.bucket, upload.key, written.row_version)


def unseen(system: System, uploads: Iterable[Upload]) -> list[Upload]:
    """The uploads of which no version was ever recorded."""
    return [
        upload
        for upload in uploads
        if not system.tables.page(
            REPORTS, REPORTS_BY_OBJECT, object_uri(upload.bucket, upload.key), limit=1
        ).rows
    ]


def outcomes(system: System, uploaded: Sequence[Uploaded], timeout: float) -> list[Report]:
    """The settled reports of these versions, waiting up to `timeout` seconds for all of them."""
    keys = [report_key(each.uri, each.version) for each in uploaded]
    deadline = time.monotonic() + timeout
    while True:
        reports = [r for r in system.tables.get_many(REPORTS, keys) if is_settled(r)]
        if len(reports) == len(keys) or time.monotonic() > deadline:
            return sorted(reports, key=lambda report: report.uri)
        time.sleep(_POLL_SECONDS)


def videos(reports: Iterable[Report]) -> list[Report]:
    """Those of videos, whatever became of them."""
    return [each for each in reports if each.probe and each.probe.kind is Kind.VIDEO]


def renditions(system: System, reports: Iterable[Report], timeout: float) -> list[Rendition]:
    """What was made of the indexed videos among these, waiting until none of it is missing."""
    indexed = videos(reports)
    deadline = time.monotonic() + timeout
    transcoder = _resources(system).transcoder.transcoder()
    while transcoder.missing(indexed) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return [
        rendition
        for report in indexed
        for rendition in system.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, report.uri)
        if rendition.version == report.version
    ]


def image_labels(system: System, reports: Iterable[Report], timeout: float) -> list[ImageLabels]:
    """What is seen on the indexed images among these, waiting until none of it is missing."""
    labelling = _resources(system).labeler.labelling()
    indexed = list(reports)
    deadline = time.monotonic() + timeout
    while labelling.missing(indexed) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    keys = [image_labels_key(each.uri, each.version, labelling.labeler.model) for each in indexed]
    return system.tables.get_many(IMAGE_LABELS, keys)


def _resources(system: System) -> "Resources":
    """What the runs work with."""
    from ingest_pipeline.defs.common.wiring import (  # noqa: PLC0415 - Dagster costs a second
        resources,
    )

    return resources(system.config)


def put_sample_sessions(system: System) -> list[str]:
    """Put four made-up driving sessions of two days into the session bucket; their ids.

    In the first recording of the first one a real voice speaks, the others are silent.
    """
    sessions = list(sample_sessions(4, first_day=_SESSION_DAY, days=2))
    spoken = sessions[0].prefix + sessions[0].audio_tags[0]
    for session in sessions:
        for key, body in session.objects():
            content = _VOICE.read_bytes() if key == spoken else body
            write_object(system.clients.s3, system.config.session_bucket, key, content)
    return [session.session_id for session in sessions]


def comments(system: System, session_ids: Sequence[str], timeout: float) -> dict[str, str]:
    """What is said in the sessions' recordings, by session, waiting until anything is."""
    deadline = time.monotonic() + timeout
    database = open_event_db(system.config.event_db_url, system.clients.dynamodb)
    try:
        while True:
            table = database.table()
            mine = table[table["session_id"].isin(session_ids) & (table["comment"] != ND)]
            if len(mine) or time.monotonic() > deadline:
                return dict(zip(mine["session_id"], mine["comment"], strict=True))
            time.sleep(_POLL_SECONDS)
    finally:
        database.close()


def event_counts(system: System, session_ids: Sequence[str], timeout: float) -> dict[str, int]:
    """The events in the database of the sessions that are complete, waiting for all of them."""
    deadline = time.monotonic() + timeout
    database = open_event_db(
        system.config.event_db_url,
        system.clients.dynamodb,
        catalogue_url=system.config.catalogue_link,
    )
    try:
        while True:
            complete = database.complete_sessions(session_ids)
            if len(complete) == len(session_ids) or time.monotonic() > deadline:
                return database.event_counts(complete)
            time.sleep(_POLL_SECONDS)
    finally:
        database.close()
