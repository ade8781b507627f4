"""Narrows the process it runs in, then becomes the command: `child.py`'s other half.

Run by path, never imported by the service. The arguments are a plan in JSON and the command.
That is how `preexec_fn` is done without, which may deadlock a parent with threads.

A command of Python, a module or a file, is run here, as `python -I -m` would run it: that costs no
second interpreter. The package is the parent's, wherever another copy may be installed.
"""

import ctypes
import importlib
import json
import os
import resource
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_GRACE_CPU_SECONDS = 1  # from SIGXCPU, which says what went wrong, to SIGKILL


def main() -> None:
    """Set the limits and become the command."""
    plan = json.loads(sys.argv[1])
    if plan["starter"] is not None:
        die_with(plan["starter"])
    sys.path.insert(0, plan["packages"])
    confinement = importlib.import_module("ingest_pipeline.media.sandbox.confinement")
    del sys.path[0]  # ours is found by now, and the folder around it will be out of sight
    limit(resource.RLIMIT_AS, plan["memory_bytes"])
    limit(resource.RLIMIT_FSIZE, plan["file_bytes"])
    limit(resource.RLIMIT_NOFILE, plan["open_files"])
    limit(resource.RLIMIT_CORE, 0)
    if plan["cpu_seconds"] is not None:
        limit(resource.RLIMIT_CPU, plan["cpu_seconds"], _GRACE_CPU_SECONDS)
    confinement.confine(plan["reads"], plan["writes"])
    command = sys.argv[2:]
    if plan["is_python"]:
        sys.argv = command
        run(command[0])
    else:
        os.execv(command[0], command)  # noqa: S606 - the command is the parent's, and no shell is wanted


def limit(kind: int, wanted: int, grace: int = 0) -> None:
    """Set a limit that nobody can raise again, or keep what the surroundings set below it."""
    _, hard = resource.getrlimit(kind)
    soft, hard = (
        most if hard == resource.RLIM_INFINITY else min(most, hard)
        for most in (wanted, wanted + grace)
    )
    resource.setrlimit(kind, (soft, hard))


def die_with(starter: int) -> None:
    """Have the kernel kill us when the thread that started us ends; does nothing but on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # it ended before we asked
            os.kill(os.getpid(), signal.SIGKILL)


def run(program: str) -> None:
    """Run a module of ours or, with a path, a file: where there is none, Python's own code is 2."""
    try:
        if os.sep in program:
            runpy.run_path(program, run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except FileNotFoundError as error:
        if error.filename != program:
            raise
        sys.exit(2)


if __name__ == "__main__":
    main()
