"""Session trees in a bucket of a test's own, and what they say, read without our code."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.sessions.tree import FolderProblem, FoundSession, Timeframe, find_sessions
from ingest_pipeline_tests.embedded import EmbeddedAws

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ALWAYS = Timeframe(start=datetime(1970, 1, 1), end=datetime(2068, 12, 31))  # noqa: DTZ001
CATALOGUE = "https://media.example"
REPORT = "logged_Upload_Report.json"


class Tree:
    """A bucket, and a client that counts its calls by their names."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.s3: S3Client = connect(aws.settings).s3
        self.bucket = f"sessions-test-{uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, objects: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
        """Upload; what was uploaded."""
        contents = dict(objects)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.put_one, contents, contents.values()))
        return contents

    def put_one(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_session(
        self, session: SampleSession, changes: Mapping[str, bytes | None] | None = None
    ) -> dict[str, bytes]:
        """Upload a session with some of its files, by their ends, replaced or left out (None)."""
        return self.put(changed(session.objects(), changes or {}))

    def find(self, timeframe: Timeframe = ALWAYS) -> list[FoundSession | FolderProblem]:
        return list(find_sessions(self.s3, self.bucket, timeframe))

    def found(self, timeframe: Timeframe = ALWAYS) -> list[FoundSession]:
        """The sessions, of which each must be well."""
        sessions = [each for each in self.find(timeframe) if isinstance(each, FoundSession)]
        assert len(sessions) == len(self.find(timeframe))
        return sessions

    def only(self) -> FoundSession:
        (session,) = self.found()
        return session

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The names of the calls made meanwhile, in their order."""
        calls: list[str] = []

        def count(model: Any, **_: object) -> None:
            calls.append(model.name)

        self.s3.meta.events.register("before-call.s3", count)
        try:
            yield calls
        finally:
            self.s3.meta.events.unregister("before-call.s3", count)


def changed(
    objects: Iterable[tuple[str, bytes]], changes: Mapping[str, bytes | None]
) -> Iterator[tuple[str, bytes]]:
    for key, content in objects:
        end = next((end for end in changes if key.endswith(end)), None)
        replacement = content if end is None else changes[end]
        if replacement is not None:
            yield key, replacement


def expected_rows(objects: Mapping[str, bytes], bucket: str) -> list[dict[str, Any]]:
    """The rows of `sds` that whole sessions must give, worked out the plainest way."""
    rows = []
    for report_key in filter(lambda key: key.endswith(REPORT), objects):
        folder = report_key.rpartition("/")[0]
        session_id = folder.rpartition("/")[2]
        release, vehicle, day, clock, *_ = session_id.split("_")
        report = json.loads(objects[report_key])
        base, info = (report["drive_info"][name] for name in ("Base_Data", "Data_Info"))
        for path in (entry["file"] for entry in report["FileList"]):
            if not path.endswith(".wav"):
                continue
            frame, *_, annotation = path.rpartition("/")[2].removesuffix(".wav").split("_")
            logged = plain_moment(objects, folder, frame)
            link = quote(f"{folder}/{path}")
            rows.append(
                {
                    "vehicle": vehicle,
                    "country": info["country"],
                    "city": "ND",
                    "timestamp": logged or datetime.strptime(day + clock, "%y%m%d%H%M%S"),  # noqa: DTZ007
                    "comment": "ND",
                    "annotation": annotation,
                    "sds_provider_id": path.rpartition("/")[2],
                    "sw_release": release,
                    "session_id": session_id,
                    "map_version": "ND",
                    "driver": base["driver"],
                    "codriver": base["co_pilot"],
                    "log_slice_link": f"{CATALOGUE}/content/{bucket}?key={link}",
                    "mission": info["driver_comment"],
                    "mission_segment": "ND",
                    "timestamp_source": "log" if logged else "session",
                }
            )
    return sorted(rows, key=str)


def plain_moment(objects: Mapping[str, bytes], folder: str, frame: str) -> datetime | None:
    session_id = folder.rpartition("/")[2]
    place = f"{folder}/nv0/{session_id}/AV_logs/DisplayLogs/"
    logs = sorted(key for key in objects if key.startswith(place))
    for line in (line for key in logs for line in objects[key].decode().splitlines()):
        if f"frame: {frame}," in line:
            moment = line.split(",")[1].strip()
            return datetime.strptime(moment, "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007
    return None
