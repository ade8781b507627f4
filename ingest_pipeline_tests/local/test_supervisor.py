"""The supervisor with real child processes: small ones that tell what becomes of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ingest_pipeline.local import supervisor as module
from ingest_pipeline.local.supervisor import Part, StartError, Supervisor
from ingest_pipeline.settings import PROJECT_ROOT, Settings
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.system import wait_for

# Writes its pid, and at Ctrl-C its name into a common file.
CHILD = """
import pathlib, signal, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]

def stop(*_):
    with (folder / "stopped").open("a") as file:
        file.write(name + "\\n")
    sys.exit(0)

signal.signal(signal.SIGINT, stop)
with (folder / f"{name}.pids").open("a") as file:
    file.write(f"{__import__('os').getpid()}\\n")
time.sleep(60)
"""
# Starts a grandchild in the same session, and dies of Ctrl-C without a thought for it.
PARENT = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1], "grandchild").write_text(str(child.pid))
time.sleep(60)
"""
# As `ingest-pipeline dev` does it: run the parts, watch them, end at Ctrl-C.
WATCHING = """
import sys
from pathlib import Path
from ingest_pipeline_tests.local.test_supervisor import part, supervisor

folder = Path(sys.argv[1])
watched = supervisor(folder, part(folder, "first"), part(folder, "second"))
try:
    with watched.running():
        print("running", flush=True)
        watched.watch()
except KeyboardInterrupt:
    print("stopped")
"""


def config(home: Path) -> Settings:
    return Settings(
        home=home,
        aws_port=free_port(),
        ui_port=free_port(),
        api_port=free_port(),
        region="us-east-1",
        endpoint_url=None,
    )


def part(folder: Path, name: str, before: Callable[[], None] | None = None, stage: int = 0) -> Part:
    command = [sys.executable, "-c", CHILD, str(folder), name]
    return Part(name, command, lambda: bool(pids(folder, name)), before, stage=stage)


def supervisor(folder: Path, *parts: Part) -> Supervisor:
    return Supervisor(config(folder / "home"), parts)


def pids(folder: Path, name: str) -> list[int]:
    """Of each start of a part."""
    file = folder / f"{name}.pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def stopped(folder: Path) -> list[str]:
    """The parts that were asked to stop, in that order."""
    return (folder / "stopped").read_text().split()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_stages_are_started_in_order_and_stopped_in_reverse(tmp_path: Path) -> None:
    later = part(tmp_path, "second", stage=1)
    with supervisor(tmp_path, part(tmp_path, "first"), later).running():
        (first,), (second,) = pids(tmp_path, "first"), pids(tmp_path, "second")
        assert is_alive(first)
        assert is_alive(second)
        assert psutil.Process(first).create_time() < psutil.Process(second).create_time()
    assert stopped(tmp_path) == ["second", "first"]
    assert not is_alive(first)
    assert not is_alive(second)


def test_a_part_that_dies_is_started_again_and_the_others_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = supervisor(tmp_path, part(tmp_path, "first"), part(tmp_path, "second"))
    with watched.running():
        (killed,) = pids(tmp_path, "first")
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not is_alive(killed), 5)
        watched.restart_dead()
        wait_for(lambda: len(pids(tmp_path, "first")) == 2, 5)
        watched.restart_dead()
        assert is_alive(pids(tmp_path, "first")[1])
        assert len(pids(tmp_path, "second")) == 1
    assert capsys.readouterr().err == "first ended with -9: starting it again\n"


def test_a_part_that_hangs_is_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENT_SECONDS", 1)
    answers = [True]
    first = part(tmp_path, "first")
    hanging = Part("first", first.command, lambda: bool(answers) and first.is_ready())
    watched = supervisor(tmp_path, hanging)
    with watched.running():
        (hung,) = pids(tmp_path, "first")
        watched.restart_hung()
        answers.clear()
        time.sleep(1.1)
        watched.restart_hung()
        wait_for(lambda: len(pids(tmp_path, "first")) == 2, 5)
        assert not is_alive(hung)
        answers.append(True)
    assert capsys.readouterr().err == "first has not answered for 1 s: starting it again\n"


def test_what_a_killed_supervisor_left_is_ended_by_the_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHING, str(tmp_path)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    left = [*pids(tmp_path, "first"), *pids(tmp_path, "second")]
    process.kill()
    process.communicate(timeout=20)
    assert all(map(is_alive, left))
    with supervisor(tmp_path, part(tmp_path, "third")).running():
        assert not any(map(is_alive, left))


def test_what_must_be_done_before_a_start_is_done_before_each(tmp_path: Path) -> None:
    done: list[list[int]] = []
    once = part(tmp_path, "first", lambda: done.append(pids(tmp_path, "first")))
    watched = supervisor(tmp_path, once)
    with watched.running():
        (killed,) = pids(tmp_path, "first")
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not is_alive(killed), 5)
        watched.restart_dead()
        wait_for(lambda: len(pids(tmp_path, "first")) == 2, 5)
    assert done == [[], [killed]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_of_it(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHING, str(tmp_path)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    (first,), (second,) = pids(tmp_path, "first"), pids(tmp_path, "second")
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert said == "stopped\n"
    assert process.returncode == 0
    assert stopped(tmp_path) == ["second", "first"]
    assert not is_alive(first)
    assert not is_alive(second)


def test_an_error_in_the_block_stops_the_parts_too(tmp_path: Path) -> None:
    with (
        pytest.raises(LookupError, match="ours"),
        supervisor(tmp_path, part(tmp_path, "first")).running(),
    ):
        raise LookupError("ours")
    assert stopped(tmp_path) == ["first"]


def test_signals_mean_afterwards_what_they_meant_before(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with supervisor(tmp_path).running():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("is_orphan", [False, True])
def test_what_a_part_has_started_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_orphan: bool
) -> None:
    monkeypatch.setattr("ingest_pipeline.local.supervisor._STOP_SECONDS", 0.5)
    grandchild = tmp_path / "grandchild"
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    alone = Part("parent", command, lambda: grandchild.exists() and grandchild.read_text() != "")
    with supervisor(tmp_path, alone).running():
        pid = int(grandchild.read_text())
        assert is_alive(pid)
        if is_orphan:
            os.kill(os.getsid(pid), signal.SIGKILL)
    wait_for(lambda: not is_alive(pid), 2)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("aws_port", "INGEST_AWS_PORT"),
        ("ui_port", "INGEST_UI_PORT"),
        ("api_port", "INGEST_API_PORT"),
    ],
)
def test_a_port_in_use_is_told_in_one_sentence_before_anything_starts(
    tmp_path: Path, name: str, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        taken = config(tmp_path / "home").model_copy(update={name: port})
        refused = Supervisor(taken, [part(tmp_path, "first")])
        with pytest.raises(StartError) as caught, refused.running():
            pass
    assert str(caught.value) == (
        f"port {port} is in use: stop what listens there, or set {setting}"
    )
    assert pids(tmp_path, "first") == []


def test_with_the_real_aws_nothing_is_asked_of_the_port_of_the_embedded_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        real = config(tmp_path / "home").model_copy(
            update={"aws": "real", "aws_port": server.getsockname()[1]}
        )
        with Supervisor(real, []).running():
            pass


def test_a_part_that_ends_at_its_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    words = "import sys; print('reading'); sys.exit('no such table')"
    broken = Part("broken", [sys.executable, "-c", words], lambda: False)
    watched = supervisor(tmp_path, part(tmp_path, "first"), broken)
    with pytest.raises(StartError) as caught, watched.running():
        pass
    assert str(caught.value).startswith("broken did not start:\n")
    assert "reading" in str(caught.value)
    assert "no such table" in str(caught.value)
    assert stopped(tmp_path) == ["first"]


def test_each_part_has_a_log_that_keeps_what_earlier_starts_said(tmp_path: Path) -> None:
    log = tmp_path / "home" / "logs" / "speaking.log"
    command = [sys.executable, "-uc", "import time; print('hello'); time.sleep(60)"]
    for starts in (1, 2):
        speaking = Part("speaking", command, lambda: log.read_text().count("hello\n") == starts)  # noqa: B023
        with supervisor(tmp_path, speaking).running():
            pass
    assert log.read_text().count("hello\n") == 2


def test_a_part_sees_the_settings_of_its_supervisor(tmp_path: Path) -> None:
    names = ("INGEST_HOME", "INGEST_AWS_PORT", "INGEST_UI_PORT", "INGEST_API_PORT")
    told = tmp_path / "told"
    program = (
        "import os, pathlib, sys, time;"
        "file = pathlib.Path(sys.argv[1]);"
        "file.with_suffix('.new').write_text(' '.join(os.environ[each] for each in sys.argv[2:]));"
        "file.with_suffix('.new').rename(file);"
        "time.sleep(60)"
    )
    asking = Part("asking", [sys.executable, "-c", program, str(told), *names], told.exists)
    watched = supervisor(tmp_path, asking)
    with watched.running():
        ports = (watched.config.aws_port, watched.config.ui_port, watched.config.api_port)
        assert told.read_text().split() == [str(tmp_path / "home"), *map(str, ports)]


def test_a_full_disk_is_said_once_and_so_is_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = supervisor(tmp_path)
    watched.config.home.mkdir()
    for limit in (0, 10**15, 10**15, 0, 0):
        watched.config = watched.config.model_copy(update={"min_free_bytes": limit})
        watched.tell_shortage()
    full, room = capsys.readouterr().err.splitlines()
    assert full.startswith("the disk is full: ")
    assert str(watched.config.state) in full
    assert room == "the disk has room again"
