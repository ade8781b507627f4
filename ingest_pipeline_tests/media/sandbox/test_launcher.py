"""What a child is kept from. Each test asks the kernel what it allows, as the service does."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ingest_pipeline
from ingest_pipeline.media.sandbox import confinement
from ingest_pipeline.media.sandbox.child import LimitedChild, Limits

LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=1000, open_files=32, cpu_seconds=5)
LIBC = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"


def said(program: str, *reads: Path, limits: Limits = LIMITS) -> str:
    """What a child prints."""
    command = [sys.executable, "-I", "-c", program]
    with LimitedChild(command, limits, name="test", reads=reads) as process:
        process.stdin.close()
        return process.stdout.read().decode().strip()


def tried(expression: str, *reads: Path) -> str:
    """What an expression gives in a child, or the name of the error."""
    return said(
        "import os, resource, signal, socket, subprocess\n"
        f"try:\n    print({expression})\n"
        "except Exception as error:\n    print(type(error).__name__)\n",
        *reads,
    )


def denied_files(otherwise: object) -> str:
    return "PermissionError" if confinement.landlock_version() else str(otherwise)


def denied_calls(otherwise: object) -> str:
    return "PermissionError" if confinement.can_filter() else str(otherwise)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("ours")
    return path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def test_this_linux_lacks_nothing() -> None:
    """So that what follows is proved where the suite runs, and not passed over."""
    assert confinement.lacking() == []


# --- our files ------------------------------------------------------------------------------------


def test_a_file_of_ours_is_out_of_reach(secret: Path) -> None:
    assert tried(f"open({str(secret)!r}).read()") == denied_files("ours")
    assert tried(f"os.listdir({str(secret.parent)!r})") == denied_files(["secret"])
    code = str(Path(__file__))  # beside the package, which it may read
    assert tried(f"bool(open({code!r}).read())") == denied_files("True")


def test_what_it_may_read_it_may_not_write(secret: Path) -> None:
    assert tried(f"open({str(secret)!r}).read()", secret) == "ours"
    assert tried(f"open({str(secret)!r}, 'w')", secret) == "PermissionError"
    assert secret.read_text() == "ours"


def test_what_it_starts_reads_no_more_than_it(secret: Path) -> None:
    command = ["/bin/cat", str(secret)]
    shown = tried(f"subprocess.run({command!r}, capture_output=True).stdout.decode()")
    assert shown == ("" if confinement.landlock_version() else "ours")


def test_a_link_in_its_directory_leads_nowhere(secret: Path) -> None:
    escape = f"os.symlink({str(secret)!r}, 'link') or open('link').read()"
    assert tried(escape) == denied_files("ours")
    assert tried(f"os.link({str(secret)!r}, 'link') or open('link').read()") in (
        denied_files("ours"),
        "OSError",  # another file system
    )


@pytest.mark.parametrize(
    "change",
    ["os.chmod({path!r}, 0)", "os.utime({path!r}, (0, 0))", "os.setxattr({path!r}, 'user.x', b'')"],
)
def test_it_changes_nothing_about_a_file(secret: Path, change: str) -> None:
    before = secret.stat()
    assert tried(change.format(path=str(secret))) == denied_calls(None)
    after = secret.stat()
    assert (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)


# --- our processes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["environ", "mem", "maps", "fd"])
def test_it_does_not_see_into_its_parent(name: str) -> None:
    place = f"/proc/{os.getpid()}/{name}"
    look = f"os.listdir({place!r})" if name == "fd" else f"open({place!r}, 'rb').read(1)"
    assert tried(look) == "PermissionError"


def test_it_neither_signals_nor_limits_its_parent() -> None:
    assert tried(f"os.kill({os.getpid()}, 0)") == denied_calls(None)
    assert tried(f"os.killpg({os.getpgid(0)}, 0)") == denied_calls(None)
    assert tried("os.kill(os.getpid(), 0)") == "None"
    lower = f"resource.prlimit({os.getpid()}, resource.RLIMIT_NOFILE, (9, 9))"
    assert tried(lower) == "PermissionError"


def test_a_parent_that_hides_is_not_read_by_its_equals() -> None:
    """What stands in for Landlock where there is none: no child is confined here."""
    program = (
        "import os, subprocess, sys\n"
        "from ingest_pipeline.media.sandbox import confinement\n"
        "confinement._drop_capabilities()\n"  # or it would have more of them than its child
        "confinement._prctl(38, 1)\n"  # which, of root, would have them all again
        "if sys.argv[1:]: confinement.hide_from_equals()\n"
        "command = ['cat', f'/proc/{os.getpid()}/environ']\n"
        "print(subprocess.run(command, capture_output=True).stdout)\n"
    )
    environment = {**os.environ, "SECRET": "ours"}
    shown = [
        subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment,
            capture_output=True,
            check=True,
        ).stdout
        for arguments in ([], ["hide"])
    ]
    assert b"SECRET=ours" in shown[0]
    assert shown[1] == b"b''\n"


# --- the network ----------------------------------------------------------------------------------


def test_it_reaches_nobody_on_the_network(listener: socket.socket) -> None:
    address = listener.getsockname()
    assert tried(f"bool(socket.create_connection({address!r}))") == denied_calls("True")
    if confinement.can_filter():
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("kind", ["AF_INET, 2", "AF_INET6, 1", "AF_UNIX, 1", "AF_NETLINK, 3"])
def test_it_has_no_socket_of_any_kind(kind: str) -> None:
    assert tried(f"bool(socket.socket(socket.{kind}))") == denied_calls("True")


# --- privileges and limits ------------------------------------------------------------------------


def called(call: str) -> str:
    """What a call of the C library gives in a child, and the error's name."""
    return said(f"{LIBC}import errno\nprint({call}, errno.errorcode.get(ctypes.get_errno()))")


@pytest.mark.parametrize(
    "call",
    [
        "libc.unshare(0x10000000)",  # a user namespace, where it would be root
        "libc.unshare(0x40000000)",
        "libc.mount(b'none', b'.', b'tmpfs', 0, None)",
        "libc.ptrace(0, 0, None, None)",
        "libc.syscall(425, 8, bytes(120))",  # io_uring_setup
        "libc.syscall(56 if __import__('os').uname().machine == 'x86_64' else 220, 0x10000011, 0)",
    ],
)
def test_ways_around_are_closed(call: str) -> None:
    assert called(call) == ("-1 EPERM" if confinement.can_filter() else called(call))


def test_it_gains_no_privilege() -> None:
    no_new_privileges = 39
    assert called(f"libc.prctl({no_new_privileges}, 0, 0, 0, 0)") == "1 None"
    show = "__import__('struct').unpack('6I', data.raw)"
    capabilities = (
        f"{LIBC}data = ctypes.create_string_buffer(24)\n"
        "libc.capget(b'\\x22\\x05\\x08\\x20' + bytes(4), data)\n"
        f"print({show}, libc.setuid(12345), libc.setgid(12345))"
    )
    assert said(capabilities) == "(0, 0, 0, 0, 0, 0) -1 -1"


def test_what_it_starts_as_root_has_no_privilege_either() -> None:
    look = (
        "subprocess.run(['/bin/sh', '-c', 'chroot / /bin/true && echo yes'], capture_output=True)"
    )
    assert tried(f"{look}.stdout") == "b''"


KINDS = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_CPU")


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_cannot_be_raised_again(kind: str) -> None:
    attempts = (
        "import resource\n"
        f"kind = resource.{kind}\n"
        "before = resource.getrlimit(kind)\n"
        "soft, hard = before\n"
        "for wanted in ((hard, hard + 1), (hard + 1, hard + 1), (soft + 1, hard), (-1, -1)):\n"
        "    for change in (resource.setrlimit, lambda k, w: resource.prlimit(0, k, w)):\n"
        "        try: change(kind, wanted)\n"
        "        except (OSError, ValueError): pass\n"
        "print(before, resource.getrlimit(kind))"
    )
    five = (5, 6)  # seconds: SIGXCPU tells what went wrong before SIGKILL ends it
    sizes = {
        "RLIMIT_AS": (LIMITS.memory_bytes,) * 2,
        "RLIMIT_FSIZE": (LIMITS.file_bytes,) * 2,
        "RLIMIT_NOFILE": (LIMITS.open_files,) * 2,
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_CPU": five,
    }
    assert said(attempts) == f"{sizes[kind]} {sizes[kind]}"


def test_who_ignores_the_end_of_its_time_is_killed() -> None:
    limits = Limits(memory_bytes=2**29, file_bytes=0, open_files=32, cpu_seconds=1)
    stubborn = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    with LimitedChild([sys.executable, "-I", "-c", stubborn], limits, name="test") as process:
        process.wait()
        assert not process.was_killed
        assert process.close() == -9


# --- Python in the launcher -----------------------------------------------------------------------


def run_file(path: Path, *arguments: str) -> tuple[str, int]:
    command = [str(path), *arguments]
    with LimitedChild(command, LIMITS, name="test", is_python=True) as process:
        process.stdin.close()
        shown = process.stdout.read().decode().strip()
        process.wait()
        return shown, process.close()


def test_a_program_of_python_is_run_as_if_alone(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, ingest_pipeline\n"
        "print(__name__, sys.argv[1:], sys.flags.isolated, ingest_pipeline.__file__)\n"
        "sys.exit(7)\n"
    )
    shown, code = run_file(program, "a", "b c")
    assert (shown, code) == (f"__main__ ['a', 'b c'] 1 {ingest_pipeline.__file__}", 7)


def test_a_program_that_is_not_there_ends_as_python_would(tmp_path: Path) -> None:
    assert run_file(tmp_path / "missing.py") == ("", 2)


def test_children_run_the_code_of_their_parent(tmp_path: Path) -> None:
    """Not a copy that is installed elsewhere."""
    package = Path(str(ingest_pipeline.__file__)).parent
    sandbox = Path("ingest_pipeline", "media", "sandbox")
    shutil.copytree(package / "media" / "sandbox", tmp_path / sandbox)
    for folder in (tmp_path / "ingest_pipeline", tmp_path / "ingest_pipeline" / "media"):
        (folder / "__init__.py").touch()
    (tmp_path / sandbox / "told.py").write_text("print(__file__)")
    program = (
        "import sys; from ingest_pipeline.media.sandbox.child import LimitedChild, Limits\n"
        "limits = Limits(memory_bytes=2**29, file_bytes=0, open_files=32)\n"
        "told = ['ingest_pipeline.media.sandbox.told']\n"
        "with LimitedChild(told, limits, name='x', is_python=True) as child:\n"
        "    print(child.stdout.read().decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(tmp_path / sandbox / "told.py")


@pytest.mark.parametrize(
    "module",
    [
        "audio.metadata_child",
        "audio.quality_child",
        "audio.waveform_child",
        "image.reader_child",
        "video.probe_child",
    ],
)
def test_a_child_imports_little(tmp_path: Path, module: str) -> None:
    """Each start pays for it: pydantic alone would double that of the smallest."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys, ingest_pipeline.media.{module}\n"
        "heavy = {'boto3', 'botocore', 'dagster', 'psutil', 'pydantic'}\n"
        "print(heavy & {name.partition('.')[0] for name in sys.modules})\n"
    )
    assert run_file(program) == ("set()", 0)


# --- what is said of it ---------------------------------------------------------------------------


def test_what_the_kernel_does_not_allow_is_logged_once() -> None:
    """In a process that believes itself on a kernel without Landlock, and so hides itself."""
    program = (
        "import ctypes, logging, sys\n"
        "from ingest_pipeline.media.sandbox import confinement\n"
        "from ingest_pipeline.media.sandbox.child import LimitedChild, Limits\n"
        "logging.basicConfig(format='%(levelname)s %(message)s')\n"
        "confinement.landlock_version = lambda: 0\n"
        "limits = Limits(memory_bytes=2**29, file_bytes=0, open_files=32)\n"
        "for _ in range(3): LimitedChild(['/bin/true'], limits, name='x').close()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"  # PR_GET_DUMPABLE
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stderr == (
        "WARNING children that open media are not fully confined: "
        "without Landlock they can read our files\n"
    )
    assert done.stdout == "0\n"
    assert Path(f"/proc/{os.getpid()}").stat().st_uid == os.getuid()  # this one hides nothing
