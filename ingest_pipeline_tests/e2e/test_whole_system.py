"""What a user sees: files in, outcomes out, through every door of the running system."""

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Verdict,
)
from ingest_pipeline_tests.audit import Put, given_up, wait_until_well
from ingest_pipeline_tests.media.pictures import encoded, photo
from ingest_pipeline_tests.media.riff import chunk, data, fmt, riff
from ingest_pipeline_tests.system import RunningSystem, settled_outcomes, wait_for
from ingest_pipeline_tests.world import some_ref

pytestmark = pytest.mark.timeout(300)

VALID = riff(fmt(), data())
INVALID = riff(fmt(rate=44100, bits=16), data(frame_bytes=4))
BROKEN_AVI = b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(24)
FLAC = b"fLaC\x00\x00\x00\x22" + bytes(200)
AMR = b"#!AMR\n" + bytes(200)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + bytes(200)
JPEG_XL = b"\xff\x0a" + bytes(200)


def test_the_samples_have_the_outcomes_that_the_contract_names(running: RunningSystem) -> None:
    def done() -> bool:
        return len(running.reports("audio_5.wav")) > 0 and running.queue_is_empty()

    wait_for(done, 120, "the samples")
    verdicts = {n: running.reports(f"audio_{n}.wav")[0].verdict for n in range(1, 6)}
    assert [n for n, verdict in verdicts.items() if verdict is Verdict.VALID] == [1, 3, 5]
    assert [n for n, verdict in verdicts.items() if verdict is Verdict.REJECTED] == [2, 4]
    assets = httpx.get(f"{running.settings.api_url}/assets").json()
    assert {"audio_1.wav", "audio_3.wav", "audio_5.wav"} <= assets.keys()
    assert not {"audio_2.wav", "audio_4.wav"} & assets.keys()
    reasons = [str(reason) for reason in running.reports("audio_2.wav")[0].reasons]
    assert reasons == ["sample_rate 44100, wanted 48000", "bits_per_sample 16, wanted 24"]
    reasons = [str(reason) for reason in running.reports("audio_6.flac")[0].reasons]
    assert reasons == ["container flac, wanted wav, rf64 or bw64", "codec flac, wanted pcm"]
    assert not running.stands("audio_6.flac")
    assert [running.stands(f"audio_{n}.wav") for n in range(1, 6)] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_the_ordinary_aws_cli_puts_a_file_and_why_explains_it(
    running: RunningSystem, tmp_path: Path
) -> None:
    file = tmp_path / "my file+1.WAV"
    file.write_bytes(VALID)
    subprocess.run(
        [
            str(Path(sys.executable).with_name("aws")),
            f"--endpoint-url={running.settings.aws_endpoint}",
            *("s3", "cp", "--quiet", str(file), "s3://ingest/dir/my file+1.WAV"),
        ],
        env=running.environment
        | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        check=True,
        timeout=60,
    )
    wait_for(
        lambda: settled_outcomes(running.reports("dir/my file+1.WAV")), 120, "the file's outcome"
    )
    told = running.run("why", "--json", "s3://ingest/dir/my file+1.WAV")
    assert told.returncode == 0, told.stderr
    story = json.loads(told.stdout)
    assert story["outcome"] == "indexed"
    assert story["kind"] == "audio"
    assert story["report"]["sample_rate"] == 48000
    assert story["run_id"]
    asset = httpx.get(f"{running.settings.api_url}/asset/{quote('dir/my file+1.WAV')}").json()
    assert asset == {
        "bucket": "ingest",
        "file": "dir/my file+1.WAV",
        "channel_count": 2,
        "frame_count": 100,
        "sample_rate": 48000,
        "bits_per_sample": 24,
        "duration": str(100 / 48000),
    }


BAD = {
    "empty.wav": (b"", "size"),
    "truncated.wav": (riff(fmt(), data(100))[:300], "complete"),
    "mp3-tagged.wav": (riff(fmt(0x55), data(100)), "codec"),
    "zero-channels.wav": (riff(fmt(channels=0), data(100)), "channel_count"),
    "chunks.wav": (riff(fmt(), data(4), *[chunk(b"junk", b"")] * 300_000), "chunks"),
    "rf64-bomb.wav": (riff(fmt(), data(4, size=2**31), magic=b"RF64"), "complete"),
    "song.wav": (FLAC, "container"),
    "film.wav": (BROKEN_AVI, "header"),
    "picture.jpg": (JPEG, "decodable"),
    "text.wav": (b"I am no audio at all.\n" * 100, "kind"),
    "new\nline.wav": (INVALID, "sample_rate"),
}


def test_bad_files_are_rejected_with_a_reason_and_others_left_alone(
    running: RunningSystem,
) -> None:
    bad = {key: running.put(f"bad/{key}", body) for key, (body, _rule) in BAD.items()}
    kept = {
        key: running.put(f"bad/{key}", body)
        for key, body in {"voice.wav": AMR, "photo.jpg": JPEG_XL}.items()
    }
    neighbour = running.put("bad/UPPER.WAV", VALID)

    for key, version in bad.items():
        report = running.outcome(f"bad/{key}", version)
        assert report.outcome is Outcome.REJECTED, report
        assert BAD[key][1] in [reason.rule for reason in report.reasons], report.reasons
        assert not running.stands(f"bad/{key}")
    for key, version in kept.items():
        report = running.outcome(f"bad/{key}", version)
        assert report.outcome is Outcome.KEPT
        assert report.reasons[0].rule == "probe"
        assert running.stands(f"bad/{key}")
    assert running.outcome("bad/UPPER.WAV", neighbour).outcome is Outcome.INDEXED


def test_an_overwritten_object_is_judged_anew_and_only_the_last_version_is_indexed(
    running: RunningSystem,
) -> None:
    first = running.put("over/a.wav", VALID)
    second = running.put("over/a.wav", riff(fmt(channels=1), data(50, frame_bytes=3)))
    assert running.outcome("over/a.wav", second).outcome is Outcome.INDEXED
    assert running.outcome("over/a.wav", first).outcome in {Outcome.SUPERSEDED, Outcome.INDEXED}
    third = running.put("over/a.wav", INVALID)
    assert running.outcome("over/a.wav", third).outcome is Outcome.REJECTED
    url = f"{running.settings.api_url}/asset/over/a.wav"
    assert httpx.get(url).status_code == 404  # the key shows nothing: no stale row either


def test_messages_repeated_three_times_and_shuffled_give_one_outcome_each(
    running: RunningSystem,
) -> None:
    versions = {
        f"again/{n}.wav": running.put(f"again/{n}.wav", VALID if n % 2 else INVALID)
        for n in range(20)
    }
    messages = [
        ingest_body(ObjectRef(bucket="ingest", key=key, version=version, arrived=datetime.now(UTC)))
        for key, version in versions.items()
    ] * 3
    random.Random(7).shuffle(messages)  # noqa: S311 - any order will do
    running.system.queues.ingest.queue.send_all(messages)

    for key, version in versions.items():
        running.outcome(key, version)
    wait_for(running.queue_is_empty, 180, "the queue")
    for number, key in enumerate(versions):
        expected = Outcome.INDEXED if number % 2 else Outcome.REJECTED
        assert settled_outcomes(running.reports(key)) == [expected]


def test_junk_ends_in_the_dead_letter_queue_with_the_problem(running: RunningSystem) -> None:
    before = running.system.queues.ingest.dead_letters.depth().waiting
    running.system.queues.ingest.queue.send_all(["no JSON", '{"Records": [{"s3": {}}]}'])
    wait_for(
        lambda: running.system.queues.ingest.dead_letters.depth().waiting == before + 2,
        60,
        "the junk",
    )
    wait_for(running.queue_is_empty, 60, "the queue")


def test_delete_orders_take_object_and_row_and_stay_obeyed(running: RunningSystem) -> None:
    version = running.put("gone/a b.wav", VALID)
    running.outcome("gone/a b.wav", version)
    url = f"{running.settings.api_url}/asset/gone/a%20b.wav"
    assert httpx.delete(url).json() == {"message": "Deleted with Success"}
    wait_for(lambda: not running.stands("gone/a b.wav"), 60, "the deletion")
    wait_for(
        lambda: running.reports("gone/a b.wav")[0].outcome is Outcome.DELETED, 60, "the outcome"
    )
    late = ObjectRef(
        bucket="ingest", key="gone/a b.wav", version=version, arrived=datetime.now(UTC)
    )
    running.system.queues.ingest.queue.send(ingest_body(late))
    time.sleep(1)
    wait_for(running.queue_is_empty, 60, "the late event")
    assert httpx.get(url).status_code == 404
    assert httpx.delete(url).json() == {"message": "File not found"}
    orders = [
        '{"file": {"bucket": "ingest", "key": "gone/a b.wav"}}',  # twice is harmless
        '{"file": {"bucket": "ingest-quarantine", "key": "x"}}',  # no source: refused
        '{"file": 7}',
    ]
    before = running.system.queues.delete.dead_letters.depth().waiting
    running.system.queues.delete.queue.send_all(orders)
    wait_for(
        lambda: running.system.queues.delete.dead_letters.depth().waiting == before + 2,
        60,
        "refusals",
    )


def test_a_rejected_object_is_restored_and_then_left_alone(running: RunningSystem) -> None:
    version = running.put("back/a.wav", INVALID)
    assert running.outcome("back/a.wav", version).outcome is Outcome.REJECTED
    restored = running.run("restore", "s3://ingest/back/a.wav")
    assert restored.returncode == 0, restored.stderr
    assert running.stands("back/a.wav")
    wait_for(running.queue_is_empty, 60, "its message")
    time.sleep(1)
    report = running.outcome("back/a.wav", version)
    assert report.outcome is Outcome.KEPT
    assert report.verdict is Verdict.REJECTED
    assert running.stands("back/a.wav")
    again = running.run("restore", "s3://ingest/back/a.wav")
    assert again.returncode == 1
    assert "nothing was rejected or deleted there" in again.stderr


LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
ASSETS = ["probe_report", "valid_asset_index", "rejected_objects", "ingest_receipts"]


def test_a_run_launched_in_the_ui_takes_in_the_whole_day(running: RunningSystem) -> None:
    version = running.put("ui/a.wav", VALID)
    running.outcome("ui/a.wav", version)
    wait_for(running.queue_is_empty, 60, "the queue")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    before = running.reports("ui/a.wav")[0]
    data_ = running.graphql(
        LAUNCH,
        params={
            "selector": {
                "repositoryLocationName": "ingest_pipeline",
                "repositoryName": "__repository__",
                "jobName": "ingest_objects",
            },
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": today}]},
        },
    )
    assert data_["launchRun"]["__typename"] == "LaunchRunSuccess", data_
    run_id = data_["launchRun"]["run"]["runId"]
    _wait_for_success(running, run_id)
    after = running.reports("ui/a.wav")[0]
    assert after.run_id == run_id
    changed = {"judged_at": after.judged_at, "run_id": after.run_id}
    assert after == before.model_copy(update=changed)


def test_a_backfill_over_three_days_is_one_run(running: RunningSystem) -> None:
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    launched = running.graphql(
        BACKFILL,
        params={
            "assetSelection": [{"path": [name]} for name in ASSETS],
            "partitionNames": days,
            "tags": [],
            "runConfigData": {"ops": {"ingest_batch": {"config": {"list_buckets": True}}}},
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    query = """
    query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
      ... on PartitionBackfill { status runs { id status } } } }"""

    def backfill() -> dict[str, object]:
        answer = running.graphql(query, id=launched["backfillId"])
        found: dict[str, object] = answer["partitionBackfillOrError"]
        return found

    wait_for(lambda: backfill()["status"] == "COMPLETED_SUCCESS", 120, "the backfill")
    runs = backfill()["runs"]
    assert isinstance(runs, list)
    assert [run["status"] for run in runs] == ["SUCCESS"]


def _wait_for_success(running: RunningSystem, run_id: str) -> None:
    query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

    def status() -> str:
        found: str = running.graphql(query, id=run_id)["runOrError"]["status"]
        return found

    wait_for(lambda: status() in {"SUCCESS", "FAILURE", "CANCELED"}, 120, "the run")
    assert status() == "SUCCESS"


def test_reconcile_finds_an_object_whose_message_was_lost(running: RunningSystem) -> None:
    wait_for(running.queue_is_empty, 60, "the queue")
    s3 = running.system.clients.s3
    wiring = s3.get_bucket_notification_configuration(Bucket="ingest")
    s3.put_bucket_notification_configuration(Bucket="ingest", NotificationConfiguration={})
    version = running.put("lost/a.wav", VALID)
    s3.put_bucket_notification_configuration(
        Bucket="ingest",
        NotificationConfiguration={"QueueConfigurations": wiring["QueueConfigurations"]},
    )
    found = running.run("reconcile", "--json")
    assert found.returncode == 0, found.stderr
    assert {"object": "s3://ingest/lost/a.wav", "problem": "in the bucket, without a report"} in (
        json.loads(found.stdout)["differences"]
    )
    assert running.outcome("lost/a.wav", version).outcome is Outcome.INDEXED


def test_a_second_start_on_the_same_ports_is_refused_by_name(running: RunningSystem) -> None:
    refused = running.run("dev")
    assert refused.returncode == 1
    assert f"port {running.settings.aws_port} is in use" in refused.stderr
    assert "INGEST_AWS_PORT" in refused.stderr


def test_an_audit_finds_nothing_lost_nothing_twice_and_nothing_left_over(
    running: RunningSystem,
) -> None:
    before = given_up(running.system)
    picture = encoded(photo(), "JPEG")
    bodies = {"a.wav": VALID, "a.wav/b.wav": VALID, "replaced": picture, "invalid.wav": INVALID}
    versions = {key: running.put(f"audited/{key}", body) for key, body in bodies.items()}
    for key, version in versions.items():
        running.outcome(f"audited/{key}", version)
    newer = running.put("audited/replaced", VALID)
    answer = httpx.delete(f"{running.settings.api_url}/asset/{quote('audited/a.wav')}", timeout=60)
    assert answer.status_code == 200
    outcomes = {
        ("a.wav", versions["a.wav"]): Outcome.DELETED,
        ("a.wav/b.wav", versions["a.wav/b.wav"]): Outcome.INDEXED,
        ("replaced", versions["replaced"]): Outcome.SUPERSEDED,
        ("replaced", newer): Outcome.INDEXED,
        ("invalid.wav", versions["invalid.wav"]): Outcome.REJECTED,
    }
    puts = [
        Put(some_ref("ingest", f"audited/{key}", version=version), outcome)
        for (key, version), outcome in outcomes.items()
    ]
    wait_until_well(running.system, puts, below="audited/", given_up_before=before)


def test_a_foreign_page_stops_no_sensor(running: RunningSystem) -> None:
    url = f"{running.settings.ui_url}/graphql"
    stop = {"query": 'mutation { stopSensor(id: "x") { __typename } }'}
    evil = {"Origin": "https://evil.example"}
    assert httpx.get(url, params=stop).status_code == 405
    assert httpx.post(url, json=stop, headers=evil).status_code == 403
    assert httpx.post(url, json=stop, headers={"Host": "evil.example"}).status_code == 403
    own = {"Origin": running.settings.ui_url}
    assert httpx.post(url, json={"query": "{ version }"}, headers=own).json()["data"]["version"]
