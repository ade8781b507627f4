import io
import os
import signal
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline.media.sandbox.child import Limits
from ingest_pipeline.media.sandbox.worker import (
    LONGEST_ANSWER_BYTES,
    Served,
    Worker,
    WorkerLostError,
    WorkerNonsenseError,
    WorkerStartError,
)
from ingest_pipeline.values import Frozen
from ingest_pipeline_tests.children import own_children

LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=0, open_files=16)
SECONDS = 10.0


class Said(Frozen):
    value: JsonValue = None


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Make a worker whose child does what is asked: it evaluates the request's text."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, os, signal, sys, time\n"
        "from ingest_pipeline.media.sandbox import wire\n"
        "from ingest_pipeline.media.sandbox.worker_child import Answer, ServedFile, serve\n"
        "def answer(request):\n"
        "    file = request.open(ServedFile) if 'file_bytes' in request.facts else None\n"
        "    names = {**globals(), 'request': request, 'file': file}\n"
        "    if 'does' in request.facts: exec(request.facts['does'], names)\n"
        "    return Answer({'value': eval(request.facts['tells'], names)}, request.body[::-1])\n"
        "serve(answer)\n"
    )
    made: list[Worker] = []

    def make(longest_answer: int = LONGEST_ANSWER_BYTES) -> Worker:
        made.append(Worker(program, LIMITS, name="worker", longest_answer=longest_answer))
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert own_children() == []


def told(worker: Worker, tells: str, does: str = "", served: Served | None = None) -> JsonValue:
    said, _ = worker.ask(Said, {"tells": tells, "does": does}, seconds=SECONDS, served=served)
    return said.value


def test_one_child_answers_many_requests(worker: Callable[..., Worker]) -> None:
    asked = worker()
    pids = {told(asked, "os.getpid()") for _ in range(20)}
    assert pids == {child.pid for child in own_children()}


@pytest.mark.parametrize("body", [b"", b"ab", bytes(5_000_000) + b"x"])
def test_a_body_goes_there_and_back(worker: Callable[..., Worker], body: bytes) -> None:
    said, back = worker().ask(Said, {"tells": "len(request.body)"}, body, seconds=SECONDS)
    assert (said.value, back) == (len(body), body[::-1])


def test_nothing_is_started_before_a_request_nor_left_after(
    worker: Callable[..., Worker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with worker() as asked:
        assert own_children() == []
        assert told(asked, "os.listdir()") == []
        assert [path.name[:7] for path in place.iterdir()] == ["worker-"]
    assert (own_children(), list(place.iterdir())) == ([], [])
    assert told(asked, "1") == 1  # closed is not gone: a request starts another


# --- a child gone wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("does", ["time.sleep(99)", "os.fork(); time.sleep(99)", "os.close(3)"])
def test_one_that_hangs_is_killed_in_time(worker: Callable[..., Worker], does: str) -> None:
    asked = worker()
    told(asked, "1")
    begun = time.monotonic()
    with pytest.raises(WorkerLostError) as lost:
        asked.ask(Said, {"tells": "time.sleep(99)", "does": does}, seconds=0.5)
    assert 0.5 <= time.monotonic() - begun < 3
    assert lost.value.is_late
    assert (lost.value.crash, lost.value.is_out_of_cpu) == (None, False)
    assert own_children() == []
    assert told(asked, "2") == 2


@pytest.mark.parametrize(
    ("does", "exit_code", "crash", "is_out_of_cpu"),
    [
        ("os._exit(0)", 0, None, False),
        ("os._exit(3)", 3, None, False),
        ("raise ValueError", 1, None, False),
        ("os.abort()", -signal.SIGABRT, "SIGABRT", False),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, "SIGSEGV", False),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, None, False),
        ("os.kill(os.getpid(), signal.SIGXCPU)", -signal.SIGXCPU, None, True),
    ],
)
def test_one_that_dies_tells_how_and_is_replaced(
    worker: Callable[..., Worker],
    does: str,
    exit_code: int,
    crash: str | None,
    is_out_of_cpu: bool,  # noqa: FBT001
) -> None:
    asked = worker()
    with pytest.raises(WorkerLostError) as caught:
        told(asked, "1", does)
    lost = caught.value
    assert (lost.exit_code, lost.crash, lost.is_out_of_cpu) == (exit_code, crash, is_out_of_cpu)
    assert not lost.is_late
    assert told(asked, "2") == 2


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("os.write(3, b'Z' * 9)", "says b'Z' of 1515870810 bytes"),
        ("os.write(3, bytes(9))", r"says b'\x00' of 0 bytes"),
        ("os.write(3, b'Q' + bytes(8))", "says b'Q' of 0 bytes"),
        ("os.write(3, b'R' + bytes(8))", "says b'R' of 0 bytes"),  # no file is served
        ("os.write(3, b'A' + b'\\xff' * 8)", "wanted an answer of at most 1000 bytes"),
        ("os.write(3, b'A' + bytes(8))", "answered nonsense"),
        ("os.write(3, b'A\\x02' + bytes(7) + b'[]')", "answered nonsense"),
        ("os.write(3, b'A\\x02' + bytes(7) + b'\\xff\\xff')", "answered nonsense"),
        ("wire.send(open(3, 'wb'), b'A', b'[' * 900)", "answered nonsense"),
    ],
)
def test_one_that_talks_nonsense_is_replaced(
    worker: Callable[..., Worker], does: str, words: str
) -> None:
    asked = worker(longest_answer=1000)
    with pytest.raises(WorkerNonsenseError) as lost:
        told(asked, "1", does)
    assert words in str(lost.value)
    assert not lost.value.is_late
    assert own_children() == []
    assert told(asked, "2") == 2


def test_an_answer_that_is_too_long_is_none(worker: Callable[..., Worker]) -> None:
    asked = worker(longest_answer=1000)
    with pytest.raises(WorkerNonsenseError, match="says b'A' of 2013 bytes"):
        told(asked, "'x' * 2000")
    with pytest.raises(WorkerNonsenseError, match="says b'A' of 1001 bytes"):
        asked.ask(Said, {"tells": "1"}, bytes(1001), seconds=SECONDS)


def test_a_stray_print_is_no_answer(worker: Callable[..., Worker]) -> None:
    assert told(worker(), "7", "print('noise' * 99, flush=True); os.system('echo noise')") == 7


def test_one_killed_between_two_requests_is_replaced(worker: Callable[..., Worker]) -> None:
    asked = worker()
    told(asked, "1")
    (child,) = own_children()
    child.kill()
    while own_children():
        time.sleep(0.01)
    assert told(asked, "os.getpid()") != child.pid


def test_a_child_that_cannot_start_is_told(
    worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(WorkerStartError, match="/nowhere"):
        told(worker(), "1")


# --- threads --------------------------------------------------------------------------------------


def test_threads_take_turns(worker: Callable[..., Worker]) -> None:
    asked = worker()
    found: list[tuple[int, JsonValue]] = []

    def work(number: int) -> None:
        with asked.turn():  # nobody comes between the two
            told(asked, "1", f"globals()['mine'] = sys.mine = {number}")
            found.append((number, told(asked, "sys.mine")))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(number, number) for number in range(16)]
    assert len(own_children()) == 1


def test_a_wait_for_a_turn_is_no_time_of_the_request(worker: Callable[..., Worker]) -> None:
    asked = worker()
    told(asked, "1")
    slow = threading.Thread(target=told, args=(asked, "1", "time.sleep(1)"))
    slow.start()
    time.sleep(0.1)
    assert asked.ask(Said, {"tells": "2"}, seconds=0.5)[0].value == 2
    slow.join()


# --- computing ------------------------------------------------------------------------------------

COMPUTE = "end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


def test_each_request_may_compute_anew(worker: Callable[..., Worker]) -> None:
    asked = worker()
    for _ in range(4):
        facts = {"tells": "1", "does": COMPUTE.format(seconds=0.7)}
        assert asked.ask(Said, facts, seconds=6 * SECONDS, cpu_seconds=1)[0].value == 1
    facts = {"tells": "1", "does": COMPUTE.format(seconds=99)}
    with pytest.raises(WorkerLostError) as lost:
        asked.ask(Said, facts, seconds=6 * SECONDS, cpu_seconds=1)
    assert lost.value.is_out_of_cpu


def test_a_child_gives_itself_no_more_time(worker: Callable[..., Worker]) -> None:
    raising = (
        "import resource\n"
        "try: resource.setrlimit(resource.RLIMIT_CPU, (99, resource.getrlimit(0)[1]))\n"
        "except (ValueError, OSError): pass\n"
    )
    facts = {"tells": "1", "does": raising + COMPUTE.format(seconds=99)}
    with pytest.raises(WorkerLostError) as lost:
        worker().ask(Said, facts, seconds=6 * SECONDS, cpu_seconds=1)
    assert lost.value.is_out_of_cpu


# --- a file that is served ------------------------------------------------------------------------

CONTENT = os.urandom(3_000_000)


def served(content: bytes = CONTENT) -> Served:
    return Served(io.BytesIO(content), len(content))


def test_a_served_file_is_read_anywhere(worker: Callable[..., Worker]) -> None:
    asked = worker()
    assert told(asked, "file.read(4).hex()", served=served()) == CONTENT[:4].hex()
    assert told(asked, "file.read(4).hex()", "file.seek(-4, 2)", served()) == CONTENT[-4:].hex()
    assert told(asked, "file.read(9).hex()", "file.seek(9, 2)", served()) == ""
    whole = "__import__('zlib').crc32(file.readall())"
    assert told(asked, whole, served=served()) == zlib.crc32(CONTENT)
    assert told(asked, "file.read(9).hex()", served=served(b"")) == ""
    assert told(asked, "(file.is_spent, file.size)", "file.readall()", served()) == [
        False,
        len(CONTENT),
    ]


def test_where_no_more_is_fetched_the_child_is_told(worker: Callable[..., Worker]) -> None:
    class Spent(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ReadBudgetError(64)

    facts = "(file.read(4).hex(), file.is_spent)"
    assert told(worker(), facts, served=Served(Spent(), 99)) == ["", True]


@pytest.mark.parametrize("error", [OSError, ValueError, EOFError, KeyboardInterrupt])
def test_an_error_of_the_file_passes_through(
    worker: Callable[..., Worker], error: type[BaseException]
) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise error("of the file")

    asked = worker()
    with pytest.raises(error, match="of the file"):
        told(asked, "file.read(4)", served=Served(Broken(), 99))
    assert own_children() == []
    assert told(asked, "2") == 2


@pytest.mark.parametrize(
    "wanted",
    [
        *(b"[0, 3000001]", b"[3000000, 1]", b"[-1, 4]", b"[0, -1]", b"[0, 2000000]"),
        *(b"[9999999999999999999999, 1]", b"[0]", b'["0", "x"]', b"{}", b"", b"[" * 100_000),
    ],
)
def test_a_read_that_makes_no_sense_is_nonsense(
    worker: Callable[..., Worker], wanted: bytes
) -> None:
    asked = worker()
    with pytest.raises(WorkerNonsenseError):
        told(asked, "1", f"wire.send(open(3, 'wb'), b'R', {wanted!r})", served())
    assert told(asked, "2") == 2
