import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest_pipeline.local.log_files import rotate
from ingest_pipeline_tests.local.test_supervisor import part, supervisor
from ingest_pipeline_tests.system import wait_for

# Two processes of one log, as the worker and its children are.
WRITER = """
import os, time
name = "child" if os.fork() == 0 else "parent"
for number in range(400):
    os.write(1, f"{name} {number} {'x' * 50}\\n".encode())
    time.sleep(0.002)
if name == "parent":
    os.wait()
"""


def all_of(log: Path) -> list[Path]:
    return [log.with_name(f"{log.name}.{n}") for n in (3, 2, 1)] + [log]


@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_a_log_that_has_not_grown_stays(tmp_path: Path, content: bytes | None) -> None:
    log = tmp_path / "a.log"
    if content is not None:
        log.write_bytes(content)
    assert not rotate(log, 100)
    assert [*tmp_path.iterdir()] == ([] if content is None else [log])


def test_three_are_kept_the_newest_first(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for number in range(5):
        log.write_bytes(b"%d" % number * 101)
        assert rotate(log, 100)
        assert log.read_bytes() == b""
    assert [each.read_bytes()[:1] for each in all_of(log)] == [b"2", b"3", b"4", b""]
    assert sorted(tmp_path.iterdir()) == sorted(all_of(log))


def test_writers_go_on_in_the_file_that_they_hold(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("ab") as output:
        writer = subprocess.Popen([sys.executable, "-c", WRITER], stdout=output)
    rotated = 0
    while writer.poll() is None:
        rotated += rotated < 3 and rotate(log, 8000)
        time.sleep(0.01)
    assert rotated == 3
    assert writer.returncode == 0
    content = "".join(each.read_text() for each in all_of(log))
    lines = [line.split() for line in content.splitlines()]
    assert all(len(line) == 3 and len(line[2]) == 50 for line in lines), "no line is torn"
    assert "\0" not in content, "the file has no hole where it was cut"
    for name in ("parent", "child"):
        numbers = [int(number) for writer_, number, _ in lines if writer_ == name]
        assert numbers == sorted(set(numbers)), "nothing is twice"
        assert len(numbers) >= 397, "at most what is written in the moment of a cut is lost"
        assert numbers[-1] == 399


def test_the_supervisor_puts_aside_what_its_parts_have_written(tmp_path: Path) -> None:
    one = part(tmp_path, "one")
    watched = supervisor(tmp_path, one)
    watched.config = watched.config.model_copy(update={"log_file_bytes": 1024})
    log = watched.config.state / "logs" / "one.log"
    with watched.running():
        watched.rotate_logs()
        wait_for(log.exists, 5)
        assert not log.with_name("one.log.1").exists()
        log.write_bytes(b"x" * 1025)
        watched.rotate_logs()
        assert log.with_name("one.log.1").stat().st_size == 1025
        assert log.stat().st_size == 0
