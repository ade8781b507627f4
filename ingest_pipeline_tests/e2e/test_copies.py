"""Two copies of the system on one machine, and what may become of one while the other works.

One has everything embedded; the other keeps Dagster's state in PostgreSQL and sends its runs
through a Redis that can go away.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ingest_pipeline.records.model import Outcome
from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests.audit import Put, given_up, wait_until_well
from ingest_pipeline_tests.forwarder import Forwarder
from ingest_pipeline_tests.media.riff import data, fmt, riff
from ingest_pipeline_tests.sessions.servers import Server, server
from ingest_pipeline_tests.system import RunningSystem, settled_outcomes, wait_for
from ingest_pipeline_tests.world import some_ref

pytestmark = pytest.mark.timeout(600)

REDIS_PORT = 6379
VALID = riff(fmt(), data())


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server("postgresql") as made:
        yield made


@pytest.fixture(scope="module")
def redis() -> Iterator[Forwarder]:
    forwarder = Forwarder(REDIS_PORT)
    forwarder.open()
    yield forwarder
    forwarder.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    yield from started(RunningSystem(tmp_path_factory.mktemp("embedded")))


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, database: Server, redis: Forwarder
) -> Iterator[RunningSystem]:
    variables = {
        "INGEST_DAGSTER_DB": database.url.replace("postgresql+psycopg2", "postgresql"),
        "INGEST_WORKERS": f"redis://127.0.0.1:{redis.port}/10",
    }
    yield from started(RunningSystem(tmp_path_factory.mktemp("served"), variables))


def started(system: RunningSystem) -> Iterator[RunningSystem]:
    system.start()
    try:
        yield system
    finally:
        assert system.stop() == 0, system.log.read_text()
        assert not system.processes()


def test_two_copies_side_by_side_know_nothing_of_each_other(
    embedded: RunningSystem, served: RunningSystem
) -> None:
    ours, theirs = names("ours", 60), names("theirs", 60)
    puts = put_all(embedded, ours), put_all(served, theirs)
    for system, versions in zip((embedded, served), puts, strict=True):
        for key, version in versions.items():
            assert system.outcome(key, version).outcome is Outcome.INDEXED
        wait_for(system.queue_is_empty, 60)
    assert not any(map(embedded.reports, theirs))
    assert not any(map(served.reports, ours))
    assert served.runs("SUCCESS"), "PostgreSQL holds its runs"
    assert not list((served.settings.state / "dagster").rglob("*.db")), "and no file does"


def test_a_second_daemon_by_mistake_makes_no_outcome_twice(embedded: RunningSystem) -> None:
    (daemon,) = embedded.processes("ingest_pipeline.workers.daemon")
    second = subprocess.Popen(daemon.cmdline(), cwd=PROJECT_ROOT, env=daemon.environ())
    try:
        versions: dict[str, str] = {}
        for turn in range(5):
            versions |= put_all(embedded, names(f"two-daemons-{turn}", 20))
        for key, version in versions.items():
            assert embedded.outcome(key, version).outcome is Outcome.INDEXED
        wait_for(embedded.queue_is_empty, 60)
    finally:
        second.kill()
        second.wait()
    assert all(len(embedded.reports(key)) == 1 for key in versions)
    batches = [batch_of(run["tags"]) for run in embedded.runs()]
    assert len(batches) == len(set(batches)), "no batch is ingested by two runs"


def test_the_supervisor_is_killed_in_the_middle_of_200_objects(embedded: RunningSystem) -> None:
    before = given_up(embedded.system)
    versions = put_all(embedded, names("supervisor", 200))
    embedded.kill()
    assert embedded.processes("ingest_pipeline.cli.main worker"), "what it started goes on"
    embedded.start()
    assert_ingested(embedded, versions, "supervisor/", before)


def test_the_broker_s_files_are_lost_in_the_middle_of_200_objects(embedded: RunningSystem) -> None:
    before = given_up(embedded.system)
    versions = put_all(embedded, names("files", 200))
    wait_for(lambda: embedded.runs("STARTING", "STARTED"), 30, "a run")
    for folder in ("queue", "results"):
        for file in (embedded.settings.state / "workers" / folder).iterdir():
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    assert_ingested(embedded, versions, "files/", before)


def test_a_broker_that_is_away_is_told_and_nothing_is_lost(
    served: RunningSystem, redis: Forwarder
) -> None:
    before = given_up(served.system)
    redis.close()
    versions = put_all(served, names("away", 20))
    wait_for(lambda: "broker" in dagster_told(served), 60, "/health")
    assert f"127.0.0.1:{redis.port}" in dagster_told(served)
    assert "messages stay in SQS meanwhile" in dagster_told(served)
    page = httpx.get(served.settings.api_url, headers={"Accept": "text/html"}).text
    assert "the workers&#39; broker" in page
    redis.open()
    assert_ingested(served, versions, "away/", before)
    wait_for(lambda: "broker" not in dagster_told(served), 60, "/health")


def names(folder: str, count: int) -> list[str]:
    return [f"{folder}/{number:03}.wav" for number in range(count)]


def put_all(system: RunningSystem, keys: Iterable[str]) -> dict[str, str]:
    """Put valid recordings; their versions by key."""
    keys = list(keys)
    with ThreadPoolExecutor(8) as pool:
        versions = pool.map(lambda key: system.put(key, VALID), keys)
        return dict(zip(keys, versions, strict=True))


def assert_ingested(
    system: RunningSystem, versions: Mapping[str, str], below: str, given_up_before: dict[str, int]
) -> None:
    """Each has one outcome, and whatever else should stand does."""
    for key, version in versions.items():
        system.outcome(key, version, seconds=300)
    wait_for(system.queue_is_empty, 120, "the queue")
    for key in versions:
        assert settled_outcomes(system.reports(key)) == [Outcome.INDEXED], key
    wait_until_well(
        system.system,
        [
            Put(some_ref("ingest", key, version=version), Outcome.INDEXED)
            for key, version in versions.items()
        ],
        below=below,
        given_up_before=given_up_before,
        runs_were_killed=True,
        seconds=200,
    )


def batch_of(tags: list[dict[str, str]]) -> str:
    return next(tag["value"] for tag in tags if tag["key"] == "ingest/batch")


def dagster_told(system: RunningSystem) -> str:
    """What /health says of Dagster."""
    return str(httpx.get(f"{system.settings.api_url}/health").json()["dagster"]["detail"])
