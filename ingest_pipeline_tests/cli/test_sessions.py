"""The commands that need no running Dagster, against a bucket and a database of their own."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from ingest_pipeline.cli.commands import commands
from ingest_pipeline.cli.sessions import sessions
from ingest_pipeline.sessions.sample import SampleSession, recording
from ingest_pipeline_tests.world import World

SAMPLE = SampleSession("V236", datetime(2024, 2, 1, 10), 1)  # noqa: DTZ001


def put(world: World, session: SampleSession = SAMPLE, without: Iterable[str] = ()) -> None:
    for key, body in session.objects():
        if not key.endswith(tuple(without)):
            world.clients.s3.put_object(Bucket=world.session_bucket, Key=key, Body=body)


def run(world: World, *arguments: str) -> Result:
    return CliRunner().invoke(sessions, arguments, obj=world.system, catch_exceptions=False)


def test_recordings_are_downloaded_with_a_bar(world: World, tmp_path: Path) -> None:
    put(world)
    done = run(world, "download", SAMPLE.prefix, "--to", str(tmp_path))
    assert done.exit_code == 0
    paths = [tmp_path / SAMPLE.session_id / tag for tag in SAMPLE.audio_tags]
    assert done.stdout.splitlines() == [str(path) for path in paths]
    assert [path.read_bytes() for path in paths] == [recording()] * 3
    assert "100%" in done.stderr


def test_a_recording_that_is_not_there_is_told_and_the_others_come(
    world: World, tmp_path: Path
) -> None:
    put(world, without=[SAMPLE.audio_tags[1]])
    done = run(
        world, "download", f"s3://{world.session_bucket}/{SAMPLE.prefix}", "--to", str(tmp_path)
    )
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 2
    assert (
        f"{SAMPLE.audio_tags[1]}: the report lists it, but it is not in the bucket" in done.stderr
    )


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("V236/991332/100000/S", "'991332' is no date YYMMDD"),
        (SAMPLE.prefix, "it has no report yet"),
        ("V236/240201/100000/never", "V236/240201/100000/never/: nothing lies there"),
    ],
)
def test_a_session_without_recordings_is_explained(
    world: World, tmp_path: Path, folder: str, why: str
) -> None:
    put(world, without=["logged_Upload_Report.json"])
    done = run(world, "download", folder, "--to", str(tmp_path / "new"))
    assert done.exit_code == 1
    assert why in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_that_does_not_exist_is_told(world: World) -> None:
    done = run(world, "ingest", SAMPLE.prefix)
    assert (done.exit_code, done.stdout) == (1, "")
    uri = f"s3://{world.session_bucket}/{SAMPLE.prefix}"
    assert done.stderr == f"Error: {uri}: nothing lies there\n"


def test_events_are_exported_as_parquet_with_moments_and_text(world: World, tmp_path: Path) -> None:
    put(world)
    assert run(world, "ingest", SAMPLE.prefix).exit_code == 0
    output = tmp_path / "events.parquet"
    assert run(world, "export", "--output", str(output)).stdout == f"3 events in {output}\n"
    table = pd.read_parquet(output)
    assert table["audio_tag"].tolist() == SAMPLE.audio_tags
    assert table["timestamp"].tolist() == [
        pd.Timestamp("2024-02-01 10:00:00"),
        pd.Timestamp("2024-02-01 10:00:06"),
        pd.Timestamp("2024-02-01 10:00:13"),
    ]
    assert (table["mission_segment"] == "ND").all()


def test_another_suffix_is_refused(world: World, tmp_path: Path) -> None:
    done = run(world, "export", "--output", str(tmp_path / "events.xlsx"))
    assert done.exit_code == 1
    assert "ends with '.xlsx', wanted .csv or .parquet" in done.stderr


def test_what_a_backfill_would_add_is_told_before_it_is_written(world: World) -> None:
    put(world)
    done = run(world, "adopt", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    (session,) = told["sessions"]
    assert (session["session_id"], session["would_add"]) == (SAMPLE.session_id, 3)
    assert told["rows"] == {"old job": 0, "our first version": 0, "ours": 0}
    assert run(world, "ingest", SAMPLE.prefix).exit_code == 0
    again = run(world, "adopt", "--from", "2024-02-01", "--to", "2024-02-01")
    assert again.exit_code == 0
    assert again.stdout.endswith(
        "1 sessions; rows there: 0 by old job, 0 by our first version, 3 by ours; to add: 0\n"
    )
    assert (
        json.loads(run(world, "adopt", "--from", "2024-02-02", "--json").stdout)["sessions"] == []
    )


def test_days_of_adopt_that_are_reversed_are_told(world: World) -> None:
    done = run(world, "adopt", "--from", "2024-02-02", "--to", "2024-02-01")
    assert done.exit_code == 2
    assert "lies before" in done.stderr


def test_events_are_exported_by_day_vehicle_and_annotation(world: World, tmp_path: Path) -> None:
    put(world)
    assert run(world, "ingest", SAMPLE.prefix).exit_code == 0
    output = str(tmp_path / "events.csv")
    for asked, number in {
        "--from 2024-02-01 --to 2024-02-01": 3,
        "--from 2024-02-02": 0,
        "--to 2024-01-31": 0,
        "--vehicle V236": 3,
        "--vehicle V237": 0,
        "--annotation medium": 1,
    }.items():
        done = run(world, "export", "--output", output, *asked.split())
        assert done.stdout == f"{number} events in {output}\n", asked
        assert len(pd.read_csv(output)) == number
    days = str(tmp_path / "days")
    assert run(world, "export", "--output", days, "--per-day").exit_code == 0
    assert len(pd.read_parquet(tmp_path / "days" / "day=2024-02-01")) == 3


def test_what_is_incomplete_is_listed_however_old(world: World) -> None:
    old = SampleSession("V236", datetime(2016, 2, 1, 10), 7)  # noqa: DTZ001
    put(world)
    put(world, old, without=[old.audio_tags[1]])
    for one in (SAMPLE, old):
        run(world, "ingest", one.prefix)
    done = run(world, "list", "--incomplete")
    assert done.exit_code == 0
    assert old.session_id in done.stdout
    assert SAMPLE.session_id not in done.stdout
    (listed,) = json.loads(run(world, "list", "--incomplete", "--json").stdout)
    assert (listed["session_id"], listed["is_complete"]) == (old.session_id, False)
    assert [each["audio_tag"] for each in listed["problems"]] == [old.audio_tags[1]]


@pytest.mark.parametrize("end", ["", "/"])
def test_why_tells_of_a_sessions_folder(world: World, end: str) -> None:
    put(world, without=[SAMPLE.audio_tags[1]])
    run(world, "ingest", SAMPLE.prefix)
    uri = f"s3://{world.session_bucket}/{SAMPLE.prefix.rstrip('/')}{end}"
    told = CliRunner().invoke(commands, ["why", uri], obj=world.system, catch_exceptions=False)
    assert told.exit_code == 0
    for text in ("processed", "it is not in the bucket", SAMPLE.audio_tags[0][-20:]):
        assert text in told.stdout
    told = CliRunner().invoke(commands, ["why", uri, "--json"], obj=world.system)
    assert [event["audio_tag"] for event in json.loads(told.stdout)["events"]] == [
        tag for tag in SAMPLE.audio_tags if tag != SAMPLE.audio_tags[1]
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("sample --first-day 9999-12-31", "folders tell two digits of a year"),
        ("sample --first-day 2068-12-31", "folders tell two digits of a year"),
        ("sample --first-day 1900-01-01", "folders tell two digits of a year"),
        ("sample --first-day tomorrow", "'tomorrow' does not match"),
        ("sample --first-day 2024-02-01 --count 0", "0 is not in the range"),
        ("list --days 0", "0 is not in the range"),
        ("export --output e.csv --from 2024-02-02 --to 2024-02-01", "is before --from"),
        ("export --output e.csv --from 2024-02-31", "does not match"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(world: World, arguments: str, said: str) -> None:
    done = run(world, *arguments.split())
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
