"""What is imported before anything is done: every command, run and code location waits for it."""

import subprocess
import sys

import pytest


def brought_by(program: str) -> set[str]:
    """The packages that a program brings into a fresh interpreter."""
    listing = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", f"{program}\n{listing}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_help_of_the_command_line_brings_click_alone() -> None:
    """It took a second of CPU time; without these it takes a twentieth."""
    program = "from ingest_pipeline.cli.main import main; main(['--help'], standalone_mode=False)"
    dear = {"boto3", "botocore", "dagster", "fastapi", "httpx", "pydantic", "rich", "sqlalchemy"}
    brought = brought_by(program)
    assert "click" in brought
    assert not brought & dear


@pytest.mark.parametrize(
    ("program", "dagsters"),
    [
        ("import ingest_pipeline.definitions", "import dagster"),
        # Loading a folder, Dagster asks every package for its components; dagster-aws has some.
        ("import ingest_pipeline.definitions as it; it.defs()", "import dagster, dagster_aws"),
    ],
)
def test_the_definitions_bring_little_more_than_dagster(program: str, dagsters: str) -> None:
    """Each of these takes from 0.02 to 0.5 s of CPU time; Dagster alone takes 0.7."""
    own = brought_by(program) - brought_by(dagsters)
    dear = {
        *("PIL", "alembic", "av", "boto3", "cryptography", "fastapi", "httpx", "imageio_ffmpeg"),
        *("jinja2", "ministack", "numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "rich"),
        *("soundfile", "sqlalchemy", "wavinfo"),
    }
    assert not own & dear
