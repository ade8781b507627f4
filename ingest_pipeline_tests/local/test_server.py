"""When the embedded AWS writes its state, and what it does about one that it cannot repair."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.local.server import stopped_cleanly
from ingest_pipeline.settings import PROJECT_ROOT, child_environment
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.local.test_embedded_aws import BUCKET, body, eventually, row, url


def saves(aws: EmbeddedAws) -> dict[str, int]:
    """When each file was written."""
    return {file.name: file.stat().st_mtime_ns for file in (aws.folder / "state").glob("*.json")}


def poll_for(aws: EmbeddedAws, seconds: float) -> None:
    """Ask as idle sensors do."""
    queue = url(aws.clients, "s3-ingest-messages")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        aws.clients.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        aws.clients.dynamodb.get_item(TableName="assets", Key=row(BUCKET, "nothing"))


def settled_saves(aws: EmbeddedAws) -> dict[str, int]:
    """The saves once what the first polls changed is among them: later on a busy machine."""
    before: dict[str, int] = {}
    for _ in range(6):
        poll_for(aws, 6)
        if saves(aws) == before:
            return before
        before = saves(aws)
    raise TimeoutError("saved again and again")


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    aws = EmbeddedAws(tmp_path)
    aws.start()
    try:
        aws.wait_ready()
        eventually(lambda: "dynamodb.json" in saves(aws))
        assert "rows and messages are in memory" in aws.log.read_text()
        before = settled_saves(aws)
        poll_for(aws, 11)  # two saves
        assert saves(aws) == before

        aws.clients.dynamodb.put_item(TableName="assets", Item=row(BUCKET, "a.wav"))
        eventually(lambda: saves(aws) != before)
        after = saves(aws)
        assert {name for name, at in after.items() if at != before[name]} == {"dynamodb.json"}

        aws.clients.s3.put_object(Bucket=BUCKET, Key="a.wav", Body=b"x")
        eventually(lambda: "a.wav" in (aws.folder / "state" / "sqs.json").read_text())
        assert aws.stop() == 0
        assert stopped_cleanly(aws.settings)
    finally:
        aws.stop()


def with_an_older_states_key(home: Path, key: str) -> EmbeddedAws:
    """Stopped by a kill, with an object whose key was taken before such keys were refused."""
    aws = EmbeddedAws(home)
    aws.start()
    try:
        aws.wait_ready()
        aws.clients.s3.put_object(Bucket=BUCKET, Key="fine.wav", Body=b"x")
    finally:
        aws.kill()
    folder = aws.folder / "s3" / "000000000000" / BUCKET
    (folder / "fine.wav").rename(folder / key)
    sidecar = folder / "fine.wav.meta.json"
    known = json.loads(sidecar.read_text()) | {"key": key}
    (folder / f"{key}.meta.json").write_text(json.dumps(known))
    sidecar.unlink()
    return aws


def test_a_repair_that_fails_is_tried_later_while_it_serves(tmp_path: Path) -> None:
    key = "ctrl\x01.wav"
    aws = with_an_older_states_key(tmp_path, key)
    log = tmp_path / "command.log"
    with log.open("wb") as output:
        command = subprocess.Popen(
            [sys.executable, "-m", "ingest_pipeline.cli.main", "aws"],
            cwd=PROJECT_ROOT,
            env=child_environment(aws.settings),
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: "the next try is in 2 s" in log.read_text(), 60)
        assert "Traceback" not in log.read_text()
        s3 = aws.clients.s3
        s3.put_object(Bucket=BUCKET, Key="served.wav", Body=b"served")
        assert body(aws.clients, "served.wav") == b"served"
        with pytest.raises(ClientError):
            s3.list_object_versions(Bucket=BUCKET)

        version = s3.head_object(Bucket=BUCKET, Key=key)["VersionId"]
        s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
        eventually(lambda: "1 objects sent through the queue again" in log.read_text(), 60)
    finally:
        command.terminate()
        assert command.wait(60) == 0
    assert stopped_cleanly(aws.settings)


def test_a_repair_that_is_still_owed_at_the_stop_comes_with_the_next_start(tmp_path: Path) -> None:
    config = EmbeddedAws(tmp_path).settings
    program = (
        "import os, signal\n"
        "from ingest_pipeline.local.server import serve\n"
        "from ingest_pipeline.settings import settings\n"
        "def repair():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    raise LookupError('not today')\n"
        "serve(settings(), lambda: None, repair)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environment(config),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "failed, the next try is in 1 s: not today" in done.stderr
    assert not stopped_cleanly(config)
