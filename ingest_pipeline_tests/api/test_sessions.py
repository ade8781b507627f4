"""The routes and pages of sessions, of a bucket and a database of each test's own."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ingest_pipeline.pipeline.sessions import SessionIngest
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.sessions.tree import FoundSession, Timeframe, find_sessions
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.world import World

STARTED = datetime(2024, 2, 1, 10)  # noqa: DTZ001 - the vehicle's clock
DAYS = Timeframe(start=STARTED, end=STARTED + timedelta(days=30))
HTML = {"Accept": "text/html"}


def sample(number: int, vehicle: str = "V236", **fields: Any) -> SampleSession:
    return SampleSession(vehicle, STARTED + timedelta(days=number), number, **fields)


def put(world: World, session: SampleSession, without: str = "nothing", folder: str = "") -> None:
    for key, body in session.objects():
        if not key.endswith(without):
            own = key.replace(session.vehicle, folder, 1) if folder else key
            world.clients.s3.put_object(Bucket=world.session_bucket, Key=own, Body=body)


def take_in(world: World) -> None:
    with world.system.event_db() as database:
        step = SessionIngest(world.clients.s3, world.tables, database, world.ingest)
        found = find_sessions(world.clients.s3, world.session_bucket, DAYS)
        step.ingest((each for each in found if isinstance(each, FoundSession)), DAYS)


@pytest.fixture
def api(world: World) -> Iterator[httpx.Client]:
    """Five sessions: complete, half, without report, without events, in another's folder."""
    put(world, sample(1))
    put(world, sample(2), without=sample(2).audio_tags[0])
    put(world, sample(3, "V237"), without="Report.json")
    put(world, sample(4, "V237", tags=0))
    put(world, sample(5), folder="V9")
    take_in(world)
    with serving(world.system) as client:
        yield client


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["session_id"] for each in answer.json()["sessions"]]


def numbers(answer: httpx.Response) -> str:
    return "".join(each[-1] for each in ids(answer))


def test_sessions_are_listed_newest_first_and_narrowed(api: httpx.Client) -> None:
    for query, found in {
        "": "54321",
        "vehicle=V237": "43",
        "vehicle=V23": "",
        "from=2024-02-03&to=2024-02-04": "32",
        "to=9999-12-31": "54321",
        "from=0001-01-01": "54321",
        "from=2024-02-06": "5",
        "from=2025-01-01": "",
        "state=skipped": "4",
        "state=awaited&vehicle=V237": "3",
        "incomplete=true": "32",
        "incomplete=false": "541",
    }.items():
        assert numbers(api.get(f"/sessions?{query}")) == found, query


@pytest.mark.parametrize("query", ["", "&vehicle=V236", "&incomplete=true"])
def test_pages_of_any_size_give_the_same_sessions(api: httpx.Client, query: str) -> None:
    whole = ids(api.get(f"/sessions?{query}"))
    for limit in (1, 2, 3):
        found: list[str] = []
        rest: str | None = ""
        while rest is not None:
            answer = api.get(f"/sessions?limit={limit}{query}{rest}")
            found += ids(answer)
            assert len(ids(answer)) <= limit
            cursor = answer.json()["cursor"]
            rest = f"&cursor={quote(cursor)}" if cursor else None
        assert found == whole


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=yesterday", 422),
        ("from=0", 422),
        ("to=2024-02-30", 422),
        ("state=lost", 422),
        ("vehicle=V236/240201", 422),
        ("limit=0", 422),
        ("incomplete=perhaps", 422),
        ("cursor=x", 400),
        ("cursor=WyIyMDI0Il0=", 400),
        ("from=2024-02-02&to=2024-02-01", 400),
    ],
)
def test_what_cannot_be_asked_is_refused(api: httpx.Client, query: str, status: int) -> None:
    answer = api.get(f"/sessions?{query}")
    assert answer.status_code == status
    shape = "detail" if status == 422 else "message"
    assert list(answer.json()) == [shape]


def test_a_session_tells_all_with_its_events(api: httpx.Client, world: World) -> None:
    half = sample(2)
    answer = api.get(f"/sessions/{half.session_id}").json()
    missing = f"{half.audio_tags[0]}: the report lists it, but it is not in the bucket"
    known = {
        "session_id": half.session_id,
        "vehicle": "V236",
        "started": "2024-02-03T10:00:00",
        "folder": f"s3://{world.session_bucket}/{half.prefix}",
        "state": "processed",
        "is_complete": False,
        "lacking": [missing],
        "event_count": 2,
    }
    assert {name: answer[name] for name in known} == known
    assert [event["audio_tag"] for event in answer["events"]] == half.audio_tags[1:]


def test_an_id_may_hold_a_slash_and_a_folder_is_an_id_too(api: httpx.Client) -> None:
    other = f"V9/{sample(5).session_id}"
    folder = sample(5).prefix.replace("V236", "V9", 1)
    for asked in (other, quote(other, safe=""), folder, folder.rstrip("/")):
        answer = api.get(f"/sessions/{asked}").json()
        assert (answer["session_id"], len(answer["events"])) == (other, 3), asked


def test_a_session_whose_folder_tells_another_time_is_found_by_its_id(world: World) -> None:
    one = sample(6)
    for key, body in one.objects():
        moved = key.replace("/100000/", "/100001/", 1)
        world.clients.s3.put_object(Bucket=world.session_bucket, Key=moved, Body=body)
    take_in(world)
    with serving(world.system) as api:
        assert api.get(f"/sessions/{one.session_id}").json()["event_count"] == 3


@pytest.mark.parametrize("name", ["never", "AV11_V236_240202_100000_9", "x" * 1024, "é" * 1000])
def test_an_unknown_session_is_told(api: httpx.Client, name: str) -> None:
    answer = api.get(f"/sessions/{name}")
    assert answer.status_code == 404
    assert answer.json() == {"message": "there is no such session on record"}
    page = api.get(f"/browse/sessions/{name}", headers=HTML)
    assert (page.status_code, "Nothing here" in page.text) == (404, True)


def test_the_pages_show_what_is_on_record(api: httpx.Client, world: World) -> None:
    shown = api.get("/browse/sessions", headers=HTML).text
    assert all(sample(number).session_id in shown for number in (1, 2, 5))
    assert "Still to come: its upload report" in shown
    assert sample(1).session_id not in api.get("/browse/sessions?show=incomplete").text
    assert "Nothing matches" in api.get("/browse/sessions?vehicle=never").text
    page = api.get(f"/browse/sessions/{sample(1).session_id}").text
    assert page.count("<audio") == 3
    assert api.get("/browse/sessions?show=lost").status_code == 400
    one = sample(1)
    with world.system.event_db() as database:
        assert database.session_exists(one.session_id)
    start = page.index('src="/content/') + len('src="')
    source = page[start : page.index('"', start)].replace("&amp;", "&")
    recording = httpx.get(api.get(source).headers["Location"])
    assert (recording.status_code, recording.content[:4]) == (200, b"RIFF")
