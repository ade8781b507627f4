import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from ingest_pipeline.cli.commands import commands
from ingest_pipeline.cli.main import main


def test_every_command_is_listed_in_the_words_of_its_own_help() -> None:
    listed = CliRunner().invoke(main, ["--help"], terminal_width=200).output
    lines = [line.split(maxsplit=1) for line in listed.partition("Commands:\n")[2].splitlines()]
    assert [name for name, _ in lines] == sorted(commands.commands)
    for name, words in lines:
        told = str(commands.commands[name].help).partition("\n\n")[0]
        assert words == " ".join(told.split())


def test_an_unknown_command_is_told_from_a_known_one() -> None:
    done = CliRunner().invoke(main, ["statsu"])
    assert done.exit_code == 2
    assert "No such command 'statsu'" in done.output


def test_an_error_that_nobody_can_act_on_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.command()
    def status() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(commands.commands, "status", status)
    assert isinstance(CliRunner().invoke(main, ["status"]).exception, ZeroDivisionError)


def test_settings_that_are_wrong_are_told_in_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest_pipeline.cli.main", "status"],
        env=os.environ | {"INGEST_AWS": "somewhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "INGEST_AWS" in done.stderr
