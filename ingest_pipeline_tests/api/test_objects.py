import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from ingest_pipeline.media.model import Kind, Probe, Reason
from ingest_pipeline.records.model import (
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import REPORTS
from ingest_pipeline.system import System

NOW = datetime.now(UTC)
TOO_SLOW = Reason(rule="sample_rate", found=44100, wanted=48000)


def rejected(bucket: str, key: str, judged_at: datetime) -> Report:
    return Report(
        bucket=bucket,
        key=key,
        version="v1",
        day="2026-11-24",
        etag="abc",
        size=1234,
        last_modified=NOW,
        probe=Probe(kind=Kind.AUDIO, container="wav"),
        verdict=Verdict.REJECTED,
        reasons=(TOO_SLOW,),
        outcome=Outcome.REJECTED,
        judged_at=judged_at,
        deleted_at=NOW,
        run_id="run-1",
    )


@pytest.fixture
def bucket() -> str:
    """A name of a bucket that no other test writes reports of."""
    return f"test-{uuid4().hex}"


def test_rejections_come_newest_first(api: httpx.Client, system: System, bucket: str) -> None:
    keys = [f"{number}\n+%.wav" for number in range(25)]
    system.tables.put(
        REPORTS,
        [rejected(bucket, key, NOW + timedelta(seconds=n)) for n, key in enumerate(keys)],
    )
    found: list[str] = []
    query: dict[str, str | int] | None = {"bucket": bucket, "limit": 10}
    while query:
        page = api.get("/rejections", params=query).json()
        found += [rejection["key"] for rejection in page["rejections"]]
        cursor = page["cursor"]
        query = {"bucket": bucket, "limit": 10, "cursor": cursor} if cursor else None
    assert found == keys[::-1]


def test_a_rejection_says_why(api: httpx.Client, system: System, bucket: str) -> None:
    report = rejected(bucket, "x.wav", NOW)
    system.tables.put(REPORTS, [report])
    (rejection,) = api.get("/rejections", params={"bucket": bucket}).json()["rejections"]
    assert rejection == {
        "uri": f"s3://{bucket}/x.wav",
        "bucket": bucket,
        "key": "x.wav",
        "version": "v1",
        "reasons": [{"rule": "sample_rate", "found": 44100, "wanted": 48000}],
        "kind": "audio",
        "outcome": "rejected",
        "size": 1234,
        "judged_at": report.model_dump(mode="json")["judged_at"],
        "deleted_at": report.model_dump(mode="json")["deleted_at"],
        "run_id": "run-1",
        "run_url": f"{system.config.ui_url}/runs/run-1",
    }


def test_only_rejections_are_listed(api: httpx.Client, system: System, bucket: str) -> None:
    system.tables.put(REPORTS, [rejected(bucket, "x.wav", NOW).becomes(Outcome.KEPT)])
    assert api.get("/rejections", params={"bucket": bucket}).json() == {
        "rejections": [],
        "cursor": None,
    }


@pytest.mark.parametrize(
    "key",
    [
        b"rubbish",
        b'{"rejected_bucket": {"S": "other"}}',
        b'{"rejected_bucket": {"S": "ingest"}}',
        b'{"rejected_bucket": {"S": "ingest"}, "judged_at": 1}',
    ],
)
def test_a_tampered_cursor_is_refused(api: httpx.Client, key: bytes) -> None:
    cursor = base64.urlsafe_b64encode(key).decode()
    response = api.get("/rejections", params={"cursor": cursor})
    assert response.status_code == 400
    assert "cursor" in response.json()["message"]


@pytest.mark.parametrize("name", ["", "ab", "UPPER", "a/b", "sp ace", "x" * 64])
def test_a_bucket_that_cannot_be_is_refused(api: httpx.Client, name: str) -> None:
    assert api.get("/rejections", params={"bucket": name}).status_code == 422
    assert api.get(f"/object/{quote(name)}/x.wav/history").status_code in {404, 422}


@pytest.mark.parametrize(
    "name",
    [
        *["plain", "/slash//", "a b+c%2F", "line\n", "history", "x/history", "日本", "../up"],
        *["..", "a/../b", "nul\x00", "\x01\x1f\x7f", "\u202e", "k" * 1024, "ü" * 512],
    ],
)
def test_the_history_of_any_key(api: httpx.Client, system: System, bucket: str, name: str) -> None:
    system.tables.put(REPORTS, [rejected(bucket, name, NOW)])
    path = quote(name).replace(".", "%2E")
    response = api.get(f"/object/{bucket}/{path}/history")
    assert response.status_code == 200
    story = response.json()
    assert (story["bucket"], story["key"], story["outcome"]) == (bucket, name, "rejected")
    assert [version["version"] for version in story["history"]] == ["v1"]


def test_an_object_that_was_never_met(api: httpx.Client) -> None:
    response = api.get(f"/object/ingest/{uuid4().hex}/history")
    assert response.status_code == 404
    story = response.json()
    assert story["outcome"] == "unknown"
    assert story["reasons"][0]["found"] == "nothing on record, and nothing in the bucket"
    assert story["history"] == []


def test_an_object_on_its_way(api: httpx.Client, system: System) -> None:
    key = f"{uuid4().hex} ä+.wav"
    system.clients.s3.put_object(Bucket="ingest", Key=key, Body=b"RIFF")
    response = api.get(f"/object/ingest/{quote(key)}/history")
    assert response.status_code == 200
    assert response.json()["outcome"] == "waiting"
    assert "s3-ingest-messages has" in response.json()["reasons"][0]["found"]


def test_a_key_too_long_for_s3(api: httpx.Client) -> None:
    assert api.get(f"/object/ingest/{'x' * 1025}/history").status_code == 422
