"""The commands for objects, against the embedded AWS."""

import json
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingest_pipeline.aws.events import parse_delete_order
from ingest_pipeline.cli.main import main
from ingest_pipeline.records.model import Outcome
from ingest_pipeline.settings import settings
from ingest_pipeline_tests.wavs import valid, wrong_rate
from ingest_pipeline_tests.world import World, bodies


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield world
    settings.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty one."""
    path = tmp_path / "empty"
    path.mkdir()
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="ingest-pipeline", catch_exceptions=False)


def listed(*arguments: str) -> list[tuple[str, str]]:
    done = run("ls", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return [
        (each["object"].rpartition("/")[2], each["outcome"]) for each in json.loads(done.stdout)
    ]


def test_what_arrived_is_listed_and_found(here: World) -> None:
    here.ingest([here.put("ls-one.wav", valid()), here.put("ls-two.wav", wrong_rate())])
    assert sorted(listed("ls-")) == [("ls-one.wav", "indexed"), ("ls-two.wav", "rejected")]
    assert listed("LS-", "--outcome", "rejected", "--kind", "audio") == [("ls-two.wav", "rejected")]
    assert listed("ls-", "--kind", "video") == []
    assert len(listed("ls-", "--limit", "1")) == 1
    assert listed("ls-", "--to", "2015-01-01") == []
    table = run("ls", "ls-two").stdout
    assert "sample_rate 44100, wanted 48000" in table


def test_escapes_in_a_key_are_seen(here: World) -> None:
    here.ingest([here.put("esc-\x7f\u202e.wav", valid())])
    assert r"esc-\x7f\u202e.wav" in run("ls", "esc-").stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["ls", "--kind", "song"], "'song' is not one of"),
        (["ls", "--from", "2026-02-02", "--to", "2026-02-01"], "2026-02-01 is before --from"),
        (["ls", "--limit", "0"], "0 is not in the range"),
        (["get", "a.wav"], "wanted s3://BUCKET/KEY"),
        (["rm"], "Missing argument"),
    ],
)
def test_a_mistake_in_the_arguments_is_told(arguments: list[str], problem: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_an_object_is_fetched_and_nothing_overwritten(here: World, folder: Path) -> None:
    here.ingest([here.put("dir/a.wav", valid())])
    uri = f"s3://{here.bucket}/dir/a.wav"
    assert run("get", uri, str(folder)).exit_code == 0
    assert (folder / "a.wav").read_bytes() == valid()
    again = run("get", uri, str(folder))
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    assert run("get", uri, str(folder / "b.wav")).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "b.wav"]


def test_a_rejected_version_can_still_be_fetched(here: World, tmp_path: Path) -> None:
    ref = here.put("a.wav", wrong_rate())
    here.ingest([ref])
    assert here.content("a.wav") is None
    done = run("get", ref.uri, str(tmp_path), "--version", str(ref.version))
    assert (done.exit_code, (tmp_path / "a.wav").read_bytes()) == (0, wrong_rate())


def test_what_is_not_known_is_not_fetched(here: World, folder: Path) -> None:
    done = run("get", f"s3://{here.bucket}/none.wav", str(folder))
    assert done.exit_code == 1
    assert "none.wav: nothing is known of it" in done.stderr
    assert list(folder.iterdir()) == []


def test_deletions_are_asked_for_and_one_that_is_missing_holds_up_none(here: World) -> None:
    refs = [here.put(key, valid()) for key in ("a.wav", "b.wav")]
    here.ingest(refs)
    none = f"s3://{here.bucket}/none.wav"
    done = run("rm", refs[0].uri, none, refs[1].uri)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [f"{ref.uri} is being deleted" for ref in refs]
    assert done.stderr == f"Error: {none}: nothing is known of it\n"
    asked = map(parse_delete_order, bodies(here.system.queues.delete.queue))
    assert sorted(ref.key for each in asked for ref in each.objects) == ["a.wav", "b.wav"]
    assert {here.report(ref).outcome for ref in refs} == {Outcome.DELETING}
    again = run("rm", refs[0].uri)
    assert (again.exit_code, "deleting already" in again.stderr) == (1, True)


def test_the_page_is_opened(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    uri = f"s3://{here.bucket}/a b/\u00e4.wav"
    printed = [run("open", *of).stdout.strip() for of in ([], [uri])]
    assert printed == opened
    assert printed[1].endswith(f"/catalogue/{here.bucket}?key=a%20b%2F%C3%A4.wav")
