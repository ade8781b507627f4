import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from ingest_pipeline.media.sandbox.child import LimitedChild, Limits

LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=1000, open_files=16, cpu_seconds=5)


def child(program: str, *, dies_with_thread: bool = False, name: str = "test") -> LimitedChild:
    command = [sys.executable, "-I", "-c", program]
    return LimitedChild(command, LIMITS, name=name, dies_with_thread=dies_with_thread)


def outcome(program: str) -> tuple[bytes, int]:
    with child(program) as process:
        process.stdin.close()
        said = process.stdout.read()
        process.wait()
        return said, process.close()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_child_sees_nothing_of_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    said, code = outcome("import os; print(os.environ.get('AWS_SECRET_ACCESS_KEY'), os.listdir())")
    assert (said, code) == (b"None []\n", 0)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("bytearray(10**9)", "MemoryError"),
        ("f = open('f', 'wb'); f.write(b'x' * 2000); f.flush()", "OSError"),
        ("[open('/dev/null') for _ in range(99)]", "OSError"),
    ],
)
def test_the_limits_hold(body: str, error: str) -> None:
    said, code = outcome(f"try:\n    {body}\nexcept Exception as e:\n    print(type(e).__name__)")
    assert (said.decode().strip(), code) == (error, 0)


def test_computing_is_limited() -> None:
    limits = Limits(memory_bytes=2**30, file_bytes=0, open_files=16, cpu_seconds=1)
    command = [sys.executable, "-I", "-c", "while True: pass"]
    with LimitedChild(command, limits, name="test") as process:
        process.wait()
        assert process.close() == -signal.SIGXCPU
        assert not process.was_killed


def test_limits_around_us_are_kept() -> None:
    """A hard limit of the surroundings that is below ours stays."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))\n"
        "from ingest_pipeline.media.sandbox.child import LimitedChild, Limits\n"
        "limits = Limits(memory_bytes=2**30, file_bytes=0, open_files=64)\n"
        "show = 'import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))'\n"
        "with LimitedChild([sys.executable, '-I', '-c', show], limits, name='x') as child:\n"
        "    print(child.stdout.read().decode())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.split() == [b"(12,", b"12)"]


def test_all_that_it_started_dies_with_it() -> None:
    program = "import os, sys, time; print(os.fork() or os.getpid(), flush=True); time.sleep(99)"
    with child(program) as process:
        pids = [int(process.stdout.readline()) for _ in range(2)]
    assert all(gone(pid) for pid in pids)


def test_what_outlives_its_leader_dies_too() -> None:
    program = (
        "import os, time\n"
        "pid = os.fork()\n"
        "if pid: print(pid, flush=True); os._exit(0)\n"
        "time.sleep(99)\n"
    )
    with child(program) as process:
        orphan = int(process.stdout.readline())
        process.wait()
        assert not process.is_alive()
        assert psutil.pid_exists(orphan)
        assert process.close() == 0
    assert gone(orphan)


def test_the_directory_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with child("import time; open('file', 'w'); time.sleep(99)", name="probe"):
        assert [path.name[:6] for path in tmp_path.iterdir()] == ["probe-"]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_given_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-c", "open('file', 'w')"]
    with LimitedChild(command, LIMITS, name="x", directory=tmp_path) as process:
        process.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_program_that_is_not_there_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with LimitedChild(["/nowhere"], LIMITS, name="x") as process:
        process.wait()
        assert process.close() == 1
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(FileNotFoundError):
        LimitedChild(["/nowhere"], LIMITS, name="x")
    assert list(tmp_path.iterdir()) == []


def test_it_is_killed_after_its_time() -> None:
    with child("import time; time.sleep(99)") as process:
        begun = time.monotonic()
        with process.killed_after(0.3):
            process.wait()
        assert time.monotonic() - begun < 3
        assert process.was_killed
        assert process.close() == -signal.SIGKILL


def test_killing_what_has_ended_is_nothing() -> None:
    with child("pass") as process:
        process.wait()
        process.kill()
        assert not process.was_killed
        assert process.close() == 0
        process.kill()
        assert process.close() == 0


def test_it_dies_with_the_thread_that_started_it() -> None:
    started: list[LimitedChild] = []
    sleeper = "import time; print(1, flush=True); time.sleep(99)"

    def start() -> None:
        process = child(sleeper, dies_with_thread=True)
        process.stdout.readline()
        started.append(process)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (process,) = started
    process.wait()
    assert not process.was_killed
    assert process.close() == -signal.SIGKILL
