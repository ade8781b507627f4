"""What the commands say and exit with; those that start the whole system are in e2e/."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest_pipeline.aws.events import parse_ingest_body
from ingest_pipeline.cli.commands import commands
from ingest_pipeline.cli.main import main
from ingest_pipeline.records.model import Outcome
from ingest_pipeline.records.tables import REPORTS
from ingest_pipeline.settings import PROJECT_ROOT, settings
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.wavs import JPEG_XL, valid
from ingest_pipeline_tests.world import World, bodies

COMMANDS = {
    *("dev", "demo", "aws", "put", "status", "why", "redrive", "restore", "reconcile", "worker"),
    *("backfill", "sessions", "ls", "get", "rm", "open"),
}
DATABASES = "sqlite, mysql, mariadb, postgresql"
TODAY, DAY = datetime.now(UTC).date(), timedelta(days=1)


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world that the commands see: they take their settings from the environment."""
    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INGEST_BUCKET", world.bucket)
    settings.cache_clear()
    yield world
    settings.cache_clear()


def run(*arguments: str) -> Result:
    """In this process; an error that nobody made a sentence of is raised."""
    return CliRunner().invoke(main, arguments, prog_name="ingest-pipeline", catch_exceptions=False)


def start(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """As a process of its own, with no AWS of this machine and ports that nothing listens on."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "INGEST_"))
    }
    ports = {f"INGEST_{name}_PORT": str(free_port()) for name in ("AWS", "UI", "API")}
    return subprocess.run(
        [sys.executable, "-m", "ingest_pipeline.cli.main", *arguments],
        cwd=PROJECT_ROOT,
        env=inherited | ports | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def error_of(done: Result) -> str:
    """The one line that a person is told."""
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("Error: ").removesuffix("\n")


# What needs no AWS


def test_help_names_every_command() -> None:
    done = start("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert {line.split()[0] for line in listed if line[2:3] != " "} == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does(name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0
    command = commands.commands[name]
    assert command.help
    assert command.help.split("\n")[0] in " ".join(done.output.split())


def test_an_unknown_command_is_refused() -> None:
    done = run("nonsense")
    assert done.exit_code == 2
    assert done.stderr.endswith("Error: No such command 'nonsense'.\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["put", "no-such-file.wav"], "Path 'no-such-file.wav' does not exist."),
        (["put"], "Missing argument 'PATHS...'."),
        (["why", "recording.wav"], "'recording.wav' is no object: wanted s3://BUCKET/KEY"),
        (["why", "s3://ingest"], "'s3://ingest' is no object: wanted s3://BUCKET/KEY"),
        (["why", "s3://ingest/"], "'s3://ingest/' is no object: wanted s3://BUCKET/KEY"),
        (["why", f"s3://ingest/{'ä' * 513}"], "a key has at most 1024 bytes in UTF-8, found 1026"),
        (["redrive", "s3://ingest/\udcff"], r"'s3://ingest/\udcff' is no UTF-8, which keys are in"),
        (["restore", "s3:///key"], "'s3:///key' is no object: wanted s3://BUCKET/KEY"),
        (["redrive"], "name objects (s3://BUCKET/KEY), or use --dead-letters"),
        (["backfill", "--from", "2026-03-01"], "Missing option '--to'."),
        (
            ["backfill", "--from", "2026-03", "--to", "2026-03-02"],
            "'2026-03' does not match the format '%Y-%m-%d'.",
        ),
        (
            ["backfill", "photos", "--from", "2026-03-01", "--to", "2026-03-02"],
            "'photos' is not one of 'objects', 'sessions'.",
        ),
        (
            ["backfill", "--from", "2026-03-01", "--to", "2026-03-02", "--list"],
            "--list is for `backfill objects`: sessions are always listed",
        ),
        (
            ["backfill", "--from", "2026-03-02", "--to", "2026-03-01"],
            "--to 2026-03-01 is before --from 2026-03-02",
        ),
        (
            ["backfill", "--from", "2014-12-31", "--to", "2015-01-01"],
            f"sessions have days from 2015-01-01 to {TODAY + DAY}, found 2014-12-31 to 2015-01-01",
        ),
        (
            ["backfill", "objects", "--from", str(TODAY), "--to", str(TODAY + DAY)],
            f"objects have days from 2015-01-01 to {TODAY}, found {TODAY} to {TODAY + DAY}",
        ),
        (
            ["sessions", "list", "--days", "0"],
            "Invalid value for '--days': 0 is not in the range 1<=x<=36500.",
        ),
        (
            ["sessions", "list", "--days", "99999999"],
            "Invalid value for '--days': 99999999 is not in the range 1<=x<=36500.",
        ),
        (
            ["sessions", "sample", "--first-day", "2024-02-01", "--count", "0"],
            "Invalid value for '--count': 0 is not in the range x>=1.",
        ),
        (
            ["sessions", "sample", "--first-day", "2024-02-01", "--days", "0"],
            "Invalid value for '--days': 0 is not in the range 1<=x<=36500.",
        ),
    ],
)
def test_a_mistake_in_the_arguments_is_told(arguments: list[str], problem: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert done.stderr.endswith(f"{problem}\n")


# What goes wrong outside, as a person sees it: a sentence, the exit code 1, no traceback


def test_where_no_aws_answers_the_way_to_start_one_is_told() -> None:
    port = free_port()
    done = start("status", INGEST_AWS_PORT=str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f'Error: Could not connect to the endpoint URL: "http://localhost:{port}/" - '
        "is `make dev`, or `ingest-pipeline aws`, running?\n"
    )


def test_redrive_without_an_aws_names_each_object() -> None:
    done = start("redrive", "s3://ingest/a", "s3://ingest/b", INGEST_AWS_PORT=str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("Error: s3://ingest/a: Could not connect to the endpoint URL")
    assert second.startswith("s3://ingest/b: Could not connect to the endpoint URL")
    assert second.endswith("is `make dev`, or `ingest-pipeline aws`, running?")


def test_every_mistake_in_the_settings_is_a_line() -> None:
    done = start("status", INGEST_AWS_PORT="0", INGEST_TRANSCODER="handbrake")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: INGEST_AWS_PORT is '0': Input should be greater than or equal to 1\n"
        "INGEST_TRANSCODER is 'handbrake': Input should be 'ffmpeg' or 'mediaconvert'\n"
    )


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"INGEST_EVENT_DB": "nonsense"},
            f"the URL of the event database (INGEST_EVENT_DB) begins with {DATABASES} or dynamodb",
        ),
        (
            {"INGEST_EVENT_DB_FILE": "/no/such/file"},
            "INGEST_EVENT_DB_FILE: [Errno 2] No such file or directory: '/no/such/file'",
        ),
    ],
)
def test_a_url_of_no_event_database_is_told(
    here: World, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], problem: str
) -> None:
    monkeypatch.delenv("INGEST_EVENT_DB_FILE")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    for command in ("list", "export"):
        output = ["--output", str(here.settings.state / "x.csv")] if command == "export" else []
        done = run("sessions", command, *output)
        assert (done.exit_code, error_of(done)) == (1, problem)


def test_an_endpoint_that_is_no_url_is_told() -> None:
    done = start("sessions", "list", AWS_ENDPOINT_URL="nonsense")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        "AWS_ENDPOINT_URL is 'nonsense': wanted http://... or https://...\n"
    )


def test_every_mistake_in_the_rules_is_a_line(tmp_path: Path) -> None:
    rules = tmp_path / "sources.toml"
    rules.write_text("[[source]]\n")
    done = start("reconcile", INGEST_SOURCES=str(rules))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: {rules}: source 1: bucket is missing\n{rules}: source 1: kinds is missing\n"
    )


def test_the_embedded_aws_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with taken_port() as port:
        done = start("aws", INGEST_AWS_PORT=str(port), INGEST_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"Error: port {port} is in use; stop what listens there or set INGEST_AWS_PORT"
    )
    assert done.stderr.count("\n") == 1


def test_a_backfill_without_dagster_says_how_to_start_it() -> None:
    port = free_port()
    done = start(
        *("backfill", "--from", "2026-03-01", "--to", "2026-03-02"), INGEST_UI_PORT=str(port)
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: Dagster at http://localhost:{port}: ")
    assert done.stderr.endswith("; is `make dev` running?\n")


@contextmanager
def dagster_stand_in() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """What launches every backfill, and finds it done at once; its port and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(query["variables"])
            launched = {"__typename": "LaunchBackfillSuccess", "backfillId": "b"}
            done = {"__typename": "PartitionBackfill", "status": "COMPLETED_SUCCESS", "runs": []}
            data = {"launchPartitionBackfill": launched, "partitionBackfillOrError": done}
            body = json.dumps({"data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("flags", "config"),
    [([], {}), (["--list"], {"ops": {"ingest_batch": {"config": {"list_buckets": True}}}})],
)
def test_a_backfill_of_objects_asks_the_buckets_where_it_is_told_to(
    flags: list[str], config: dict[str, Any]
) -> None:
    days = ("--from", "2026-03-01", "--to", "2026-03-02")
    with dagster_stand_in() as (port, asked):
        done = start("backfill", "objects", *days, *flags, INGEST_UI_PORT=str(port))
    assert done.returncode == 0, done.stderr
    params = asked[0]["params"]
    assert params["runConfigData"] == config
    assert params["partitionNames"] == ["2026-03-01", "2026-03-02"]
    assert {"path": ["probe_report"]} in params["assetSelection"]


# Against the embedded AWS


def test_files_and_folders_are_put_below_the_prefix(here: World, tmp_path: Path) -> None:
    folder = tmp_path / "march"
    (folder / "first week").mkdir(parents=True)
    (folder / "first week" / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    done = run("put", str(folder), str(tmp_path / "b.txt"), "--prefix", "2026/")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "2/2 bytes" in done.stderr
    assert here.content("2026/march/first week/a.txt") == b"a"
    assert here.content("2026/b.txt") == b"b"


def test_a_bucket_that_is_not_there_is_told(here: World, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    done = run("put", str(tmp_path / "a.txt"), "--bucket", f"{here.bucket}-not")
    assert done.exit_code == 1
    assert "NoSuchBucket" in done.stderr.splitlines()[-1]


def test_what_has_no_outcome_in_time_is_told(here: World, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    done = run("put", str(tmp_path / "a.txt"), "--wait", "1")
    assert done.exit_code == 1
    assert done.stderr.endswith(f"Error: no outcome in time: s3://{here.bucket}/a.txt\n")


def ingest_when_there(here: World, key: str) -> None:
    while here.content(key) is None:
        time.sleep(0.1)
    here.ingest([here.ref_of(key)])


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [(valid(), 0, "valid"), (b"a", 3, "rejected"), (JPEG_XL, 3, "unjudged")],
)
def test_a_script_can_tell_valid_from_not(
    here: World, tmp_path: Path, content: bytes, code: int, word: str
) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with ThreadPoolExecutor(1) as pool:
        ingested = pool.submit(ingest_when_there, here, "a.wav")
        done = run("put", str(tmp_path / "a.wav"), "--wait", "30", "--json")
        ingested.result()
    assert done.exit_code == code
    (found,) = json.loads(done.stdout)
    assert (found["object"], found["verdict"]) == (f"s3://{here.bucket}/a.wav", word)
    assert bool(found["reasons"]) == (code == 3)
    assert done.stderr.endswith("1 of 1 not valid\n") == (code == 3)


def test_status_counts_what_waits(here: World) -> None:
    here.send(here.put("a.wav", valid()), here.put("b.wav", valid()))
    told = json.loads(run("status", "--json").stdout)
    assert told["queues"][here.settings.ingest_queue] == {"waiting": 2, "in_flight": 0}
    assert told["queues"][here.settings.ingest_dead_letter_queue]["waiting"] == 0
    line = next(
        line
        for line in run("status").stdout.splitlines()
        if f" {here.settings.ingest_queue} " in line
    )
    assert line.split("│")[2].strip() == "2"


def test_status_counts_todays_outcomes(here: World) -> None:
    def rejected() -> int:
        outcomes: dict[str, int] = json.loads(run("status", "--json").stdout)["today"]["outcomes"]
        return outcomes.get("rejected", 0)

    before = rejected()
    here.ingest([here.put("a.txt", b"some text")])
    assert rejected() == before + 1
    assert f"{before + 1} rejected" in run("status").stdout


def test_why_tells_the_reasons(here: World) -> None:
    ref = here.put("a.txt", b"some text")
    here.ingest([ref])
    done = run("why", ref.uri)
    assert done.exit_code == 0
    assert "kind other (text), wanted audio, video or image" in done.stdout
    story = json.loads(run("why", ref.uri, "--json").stdout)
    assert story["outcome"] == "rejected"
    assert story["history"][0]["version"] == ref.version


def test_why_exits_with_1_where_nothing_is_known(here: World) -> None:
    done = run("why", f"s3://{here.bucket}/never.wav")
    assert (done.exit_code, done.stderr) == (1, "")
    assert "nothing on record, and nothing in the bucket" in done.stdout
    done = run("why", f"s3://{here.bucket}/never.wav", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["outcome"] == "unknown"


def test_why_tells_of_a_deletion_that_was_asked_for(here: World) -> None:
    ref = here.put("a.wav", valid())
    (report,) = here.ingest([ref])
    here.tables.put(REPORTS, [report.becomes(Outcome.DELETING)])
    assert re.search(r"outcome\W+deleting", run("why", ref.uri).stdout)
    assert json.loads(run("why", ref.uri, "--json").stdout)["outcome"] == "deleting"


def test_redrive_puts_the_object_on_the_queue(here: World) -> None:
    ref = here.put("dir/my file+1.wav", valid())
    done = run("redrive", ref.uri)
    assert (done.exit_code, done.stdout) == (0, "1 objects and 0 dead letters sent again\n")
    (body,) = bodies(here.system.queues.ingest.queue)
    (sent,) = parse_ingest_body(body, ref.arrived).objects
    assert (sent.uri, sent.version) == (ref.uri, ref.version)


def test_redrive_of_nothing_sends_nothing(here: World) -> None:
    done = run("redrive", f"s3://{here.bucket}/never.wav")
    assert done.exit_code == 1
    assert error_of(done)
    assert bodies(here.system.queues.ingest.queue) == []


def test_redrive_names_what_is_missing_and_goes_on_with_the_rest(here: World) -> None:
    missing = f"s3://{here.bucket}/never.wav"
    first, second = here.put("a.wav", valid()), here.put("b c.wav", valid())
    done = run("redrive", first.uri, missing, f"s3://{here.bucket}/{'k' * 1024}", second.uri)
    assert done.exit_code == 1
    assert done.stdout == (
        f"{first.uri} sent again\n"
        f"{second.uri} sent again\n"
        "2 objects and 0 dead letters sent again\n"
    )
    told, told_of_long = done.stderr.splitlines()
    assert told == (
        f"Error: {missing}: nothing stands there, and nothing was deleted that could be "
        "brought back"
    )
    assert told_of_long.startswith(f"s3://{here.bucket}/kkk")
    sent = [parse_ingest_body(body).objects for body in bodies(here.system.queues.ingest.queue)]
    assert {ref.uri for (ref,) in sent} == {first.uri, second.uri}


def test_redrive_of_a_deleted_object_names_the_way_back(here: World) -> None:
    ref = here.put("a.txt", b"some text")
    here.ingest([ref])
    done = run("redrive", ref.uri)
    assert done.exit_code == 1
    assert error_of(done) == f"{ref.uri} was deleted: `ingest-pipeline restore` brings it back"


def test_redrive_tells_what_s3_itself_refuses(here: World) -> None:
    ref = here.put("a.wav", valid())
    done = run("redrive", "s3://no bucket/a.wav", ref.uri)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: s3://no bucket/a.wav: ")
    assert len(bodies(here.system.queues.ingest.queue)) == 1


def test_redrive_sends_dead_letters_though_an_object_is_missing(here: World) -> None:
    here.system.queues.ingest.dead_letters.send("given up")
    done = run("redrive", f"s3://{here.bucket}/never.wav", "--dead-letters")
    assert (done.exit_code, done.stdout) == (1, "0 objects and 1 dead letters sent again\n")
    assert bodies(here.system.queues.ingest.queue) == ["given up"]


def test_a_mistake_in_any_object_sends_none(here: World) -> None:
    ref = here.put("a.wav", valid())
    assert run("redrive", ref.uri, "recording.wav").exit_code == 2
    assert run("redrive", ref.uri, f"s3://{here.bucket}/{'k' * 1025}").exit_code == 2
    assert bodies(here.system.queues.ingest.queue) == []


def test_redrive_brings_dead_letters_back(here: World) -> None:
    here.clients.sqs.send_message(
        QueueUrl=here.clients.sqs.get_queue_url(QueueName=here.settings.ingest_dead_letter_queue)[
            "QueueUrl"
        ],
        MessageBody="given up",
    )
    assert run("redrive", "--dead-letters").stdout == "0 objects and 1 dead letters sent again\n"
    assert bodies(here.system.queues.ingest.queue) == ["given up"]


def test_restore_brings_a_rejected_object_back(here: World) -> None:
    ref = here.put("a.txt", b"some text")
    here.ingest([ref])
    assert here.content("a.txt") is None
    done = run("restore", ref.uri)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{ref.uri} version ")
    assert done.stdout.endswith(" stands in its bucket again\n")
    assert here.content("a.txt") == b"some text"


def test_what_was_never_taken_away_cannot_be_restored(here: World) -> None:
    uri = f"s3://{here.bucket}/never.wav"
    done = run("restore", uri)
    assert done.exit_code == 1
    assert error_of(done) == f"{uri}: nothing was rejected or deleted there"


def test_reconcile_lists_and_only_then_sends(here: World) -> None:
    ref = here.put("missed.wav", valid())
    listed = f"{ref.uri}: in the bucket, without a report\n"
    nothing_else = "; 0 leftovers, 0 removed; 0 objects asked for again what they lack\n"
    done = run("reconcile", "--dry-run")
    assert done.exit_code == 0
    assert (
        done.stdout
        == f"{listed}1 differences, 0 objects sent through the queue again{nothing_else}"
    )
    assert bodies(here.system.queues.ingest.queue) == []
    assert json.loads(run("reconcile", "--dry-run", "--json").stdout) == {
        "differences": [{"object": ref.uri, "problem": "in the bucket, without a report"}],
        "sent": 0,
        "leftovers": 0,
        "removed": 0,
        "requested": 0,
    }
    done = run("reconcile")
    assert (
        done.stdout
        == f"{listed}1 differences, 1 objects sent through the queue again{nothing_else}"
    )
    assert len(bodies(here.system.queues.ingest.queue)) == 1


def test_reconcile_leaves_to_its_run_what_has_just_arrived(here: World) -> None:
    here.put("new.wav", valid())
    done = run("reconcile", "--grace", "600")
    assert done.stdout.startswith("0 differences, 0 objects sent through the queue again;")
