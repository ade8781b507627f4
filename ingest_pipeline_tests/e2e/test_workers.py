"""Warm workers with each broker: objects in, a run ended, a worker killed, its process too."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ingest_pipeline.media.video.program import choose_ffmpeg
from ingest_pipeline.records.model import Outcome
from ingest_pipeline_tests.media.riff import data, fmt, riff
from ingest_pipeline_tests.system import RunningSystem, wait_for

REDIS = "redis://127.0.0.1:6379/7"
BROKERS = {
    "embedded": {},
    "redis": {"INGEST_WORKERS": REDIS},
    "rabbitmq": {
        "INGEST_WORKERS": "amqp://guest:guest@127.0.0.1:5672//",
        "INGEST_WORKER_RESULTS": "redis://127.0.0.1:6379/8",
    },
    "sqs": {"INGEST_WORKERS": "sqs", "INGEST_WORKER_RESULTS": "redis://127.0.0.1:6379/9"},
}
VALID = riff(fmt(), data())


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    """The whole system with this broker."""
    system = RunningSystem(tmp_path_factory.mktemp("workers"), BROKERS[request.param])
    system.start()
    try:
        yield system
    finally:
        assert system.stop() == 0, system.log.read_text()
        assert not system.processes()


every_broker = pytest.mark.parametrize("running", BROKERS, indirect=True)
embedded = pytest.mark.parametrize("running", ["embedded"], indirect=True)


@every_broker
@pytest.mark.timeout(300)
def test_uploads_get_their_outcomes_from_warm_processes(running: RunningSystem) -> None:
    workers = set(running.processes("ingest_pipeline.cli.main worker"))
    versions = {key: running.put(key, VALID) for key in map("warm/{}.wav".format, range(20))}
    for key, version in versions.items():
        assert running.outcome(key, version).outcome is Outcome.INDEXED
    wait_for(running.queue_is_empty, 60)
    assert workers <= set(running.processes("ingest_pipeline.cli.main worker"))
    assert not running.processes("dagster api execute_run"), "no process was started for a run"


@every_broker
@pytest.mark.timeout(600)
def test_a_run_that_is_terminated_ends_at_once_and_its_message_comes_again(
    running: RunningSystem, tmp_path: Path
) -> None:
    wait_for(lambda: no_video_waits(running), 240, "the videos before")
    running.put("clip.mp4", clip(tmp_path, seconds=40))
    run_id = started(running, "clip.mp4")
    wait_for(lambda: ffmpegs(running), 30, "ffmpeg")
    running.graphql("mutation($id: String!) { terminateRun(runId: $id) { __typename } }", id=run_id)
    asked = time.monotonic()
    wait_for(lambda: running.status(run_id) not in {"STARTED", "CANCELING"}, 10)
    assert running.status(run_id) == "CANCELED"
    assert not ffmpegs(running)
    assert time.monotonic() - asked < 5, "2 s on a quiet machine"
    assert not stored(running), "half a rendition"
    wait_for(lambda: stored(running), 200, "the rendition, by another run")


@embedded
@pytest.mark.timeout(600)
def test_a_worker_that_is_killed_is_told_within_seconds_and_another_stands(
    running: RunningSystem, tmp_path: Path
) -> None:
    wait_for(lambda: no_video_waits(running), 240, "the videos before")
    running.put("other.mp4", clip(tmp_path, seconds=41))
    run_id = started(running, "other.mp4")
    victims = running.processes("ingest_pipeline.cli.main worker")
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=10)
    wait_for(lambda: running.status(run_id) == "FAILURE", 45, "Dagster says that the run is lost")
    version = running.put("after.wav", VALID)
    assert running.outcome("after.wav", version).outcome is Outcome.INDEXED


@embedded
@pytest.mark.timeout(600)
def test_one_process_that_is_killed_is_told_within_seconds(
    running: RunningSystem, tmp_path: Path
) -> None:
    wait_for(lambda: no_video_waits(running), 240, "the videos before")
    running.put("third.mp4", clip(tmp_path, seconds=42))
    run_id = started(running, "third.mp4")
    wait_for(lambda: ffmpegs(running), 30, "ffmpeg")
    (ffmpeg,) = ffmpegs(running)
    parent = next(each for each in ffmpeg.parents() if "worker" in command(each))
    parent.kill()
    wait_for(lambda: running.status(run_id) == "FAILURE", 45, "Dagster says that the run is lost")
    wait_for(lambda: not ffmpeg.is_running(), 10, "its child is gone, too")


def no_video_waits(running: RunningSystem) -> bool:
    depth = running.system.queues.rendition.queue.depth()
    return depth.waiting == depth.in_flight == 0


def ffmpegs(running: RunningSystem) -> list[psutil.Process]:
    """Those that encode; they inherit no environment."""
    workers = running.processes("ingest_pipeline.cli.main worker")
    children = {child for each in workers for child in each.children(recursive=True)}
    return [each for each in children if "libx264" in command(each)]


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def started(running: RunningSystem, file: str) -> str:
    """The id of the run that transcodes this file, once it is at work."""

    def found() -> list[str]:
        tag = {"key": "ingest/files", "value": file}
        runs = running.runs("STARTED", job="transcode_videos")
        return [str(run["id"]) for run in runs if tag in run["tags"]]

    wait_for(found, 120, f"a run for {file}")
    return found()[0]


def stored(running: RunningSystem) -> bool:
    return running.stands("output/web/clip.mp4", running.settings.rendition_bucket)


def clip(folder: Path, seconds: int) -> bytes:
    """A video that takes ffmpeg some seconds."""
    made = folder / f"{seconds}.mp4"
    source = f"testsrc2=size=1280x720:rate=30:duration={seconds}"
    program = choose_ffmpeg(None).path
    command = [program, "-v", "error", "-f", "lavfi", "-i", source, "-preset", "ultrafast"]
    subprocess.run([*command, str(made)], check=True)
    return made.read_bytes()
