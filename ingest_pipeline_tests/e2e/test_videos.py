"""Videos through the running system: uploaded, indexed, rendered, deleted."""

import contextlib
import io
from pathlib import Path

import av
import httpx
import psutil
import pytest

from ingest_pipeline.aws.events import delete_order_body
from ingest_pipeline.records.model import Outcome, Rendition
from ingest_pipeline.records.tables import RENDITIONS, RENDITIONS_BY_OBJECT
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip, run_plain_ffmpeg
from ingest_pipeline_tests.system import RunningSystem, wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in 1920x1080 at 60 frames a second, with sound."""
    return make_clip(
        tmp_path_factory.mktemp("clips") / "clip.webm",
        *("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
        size="1920x1080",
        rate="60",
        seconds=2,
    )


def renditions(running: RunningSystem, bucket: str, key: str) -> list[Rendition]:
    rows = running.system.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, f"s3://{bucket}/{key}")
    return list(rows)


def content(running: RunningSystem, key: str) -> bytes:
    stored = running.system.clients.s3.get_object(Bucket="ingest-renditions", Key=key)
    return stored["Body"].read()


def test_a_video_is_indexed_rendered_and_deleted_with_all_that_was_made_of_it(
    running: RunningSystem, clip: Path
) -> None:
    key = "-films/ein Stück.webm"
    version = running.put(key, clip.read_bytes())
    assert running.outcome(key, version).outcome is Outcome.INDEXED
    wait_for(lambda: renditions(running, "ingest", key), 120, "the rendition")
    (rendition,) = renditions(running, "ingest", key)
    assert rendition.rendition_key == f"output/web/{key}"

    with av.open(io.BytesIO(content(running, rendition.rendition_key)), "r") as rendered:
        video = rendered.streams.video[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 1280, 720)
        assert rendered.streams.audio[0].codec_context.name == "aac"
        assert rendered.duration is not None
        assert abs(rendered.duration / 1_000_000 - 2) < 1
    made = [rendition.rendition_key, str(rendition.poster_key), *rendition.thumbnail_keys]
    assert all(running.stands(each, "ingest-renditions") for each in made)

    api = running.settings.api_url
    assert key not in httpx.get(f"{api}/assets").json()  # the contract's assets are recordings
    assert httpx.delete(f"{api}/asset/-films/ein%20St%C3%BCck.webm").status_code == 404
    running.system.queues.delete.queue.send(delete_order_body("ingest", key))
    wait_for(lambda: not renditions(running, "ingest", key), 60, "the deletion")
    assert not any(running.stands(each, "ingest-renditions") for each in made)
    assert not running.stands(key)


def test_a_form_upload_is_rendered(running: RunningSystem, clip: Path) -> None:
    api = running.settings.api_url
    form = httpx.get(f"{api}/presignedurl/study/1", params={"mail": "ada@example.org"}).json()
    posted = httpx.post(
        form["url"],
        data=form["fields"],
        files={"file": ("clip.webm", clip.read_bytes(), "video/webm")},
        timeout=60,
    )
    assert posted.is_success, posted.text
    key = form["fields"]["key"]
    wait_for(lambda: renditions(running, "ingest-videos", key), 120, "the rendition")


def test_what_is_no_video_is_rejected_there_with_a_reason(running: RunningSystem) -> None:
    playlist = b"ffconcat version 1.0\nfile /etc/passwd\n"
    s3 = running.system.clients.s3
    version = s3.put_object(Bucket="ingest-videos", Key="a/playlist.mp4", Body=playlist)[
        "VersionId"
    ]

    def settled() -> bool:
        reports = running.reports("a/playlist.mp4", "ingest-videos")
        return any(r.version == version and r.outcome is Outcome.REJECTED for r in reports)

    wait_for(settled, 60, "the rejection")
    (report,) = running.reports("a/playlist.mp4", "ingest-videos")
    assert [str(reason) for reason in report.reasons] == ["kind other (text), wanted video"]


TERMINATE = """
mutation ($runs: [String!]!) {
  terminateRuns(runIds: $runs, terminatePolicy: SAFE_TERMINATE) {
    __typename
    ... on TerminateRunsResult {
      terminateRunResults { __typename ... on TerminateRunFailure { message } }
    }
  }
}"""
RUNS = """
{ runsOrError(filter: {pipelineName: "transcode_videos"}) {
  ... on Runs { results { runId status tags { key value } } } } }"""


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of noise, looped: about 10 s of work on two free cores."""
    folder = tmp_path_factory.mktemp("clips")
    noise = ("-vf", "noise=alls=40:allf=t", "-b:v", "4M")
    piece = make_clip(
        folder / "piece.mp4", *H264, *AAC, *noise, size="1280x720", rate="30", seconds=2
    )
    path = folder / "long.mp4"
    run_plain_ffmpeg("-stream_loop", "29", "-i", piece, "-c", "copy", path)
    return path


def runs_of(running: RunningSystem, name: str) -> dict[str, str]:
    """The runs that transcode a file: their states by their ids."""
    return {
        run["runId"]: run["status"]
        for run in running.graphql(RUNS)["runsOrError"]["results"]
        if {"key": "ingest/files", "value": name} in run["tags"]
    }


def transcodings(running: RunningSystem) -> list[psutil.Process]:
    """The ffmpegs that transcode: children of runs, with nothing of the system's environment."""
    found = []
    for process in running.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child for child in process.children() if _transcodes(child)]
    return found


def _transcodes(process: psutil.Process) -> bool:
    return "ffmpeg" in process.name() and "/transcode-" in process.cwd()


def test_a_run_terminated_in_the_ui_leaves_nothing_and_its_video_comes_again(
    running: RunningSystem, long_clip: Path
) -> None:
    wait_for(lambda: renditions(running, "ingest", "video.webm"), 120, "the sample's rendition")
    version = running.put("long.mp4", long_clip.read_bytes())
    wait_for(lambda: "STARTED" in runs_of(running, "long.mp4").values(), 120, "the run")
    wait_for(lambda: transcodings(running), 30, "the transcoding")
    [ffmpeg] = transcodings(running)
    [first] = runs_of(running, "long.mp4")
    folder = Path(ffmpeg.cwd())
    wait_for(lambda: any(f.stat().st_size for f in folder.glob("video.mp4")), 30, "the first bytes")

    answer = running.graphql(TERMINATE, runs=[first])["terminateRuns"]["terminateRunResults"]
    assert answer == [{"__typename": "TerminateRunSuccess"}]
    ffmpeg.wait(timeout=10)
    wait_for(lambda: runs_of(running, "long.mp4")[first] == "CANCELED", 30, "the end of the run")
    assert not folder.parent.exists()
    assert not running.stands("output/web/long.mp4", "ingest-renditions")
    assert renditions(running, "ingest", "long.mp4") == []

    wait_for(lambda: renditions(running, "ingest", "long.mp4"), 180, "the second attempt")
    assert running.stands("output/web/long.mp4", "ingest-renditions")
    report = running.outcome("long.mp4", version)
    assert (report.outcome, report.reasons) == (Outcome.INDEXED, ())
    wait_for(lambda: sorted(runs_of(running, "long.mp4").values()) == ["CANCELED", "SUCCESS"], 30)
