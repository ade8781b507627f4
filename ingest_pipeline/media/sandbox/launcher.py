"""Narrows the process it runs in, then becomes the command: `child.py`'s other half.

Run by path, never imported by the service. The arguments are the limits in JSON and the command.
That is how `preexec_fn` is done without, which may deadlock a parent with threads; the program
`prlimit` would do too where util-linux is installed.
"""

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Set the limits and become the command."""
    limits = json.loads(sys.argv[1])
    if limits["starter"] is not None:
        die_with(limits["starter"])
    limit(resource.RLIMIT_AS, limits["memory_bytes"])
    limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    limit(resource.RLIMIT_NOFILE, limits["open_files"])
    limit(resource.RLIMIT_CORE, 0)
    if limits["cpu_seconds"] is not None:
        limit(resource.RLIMIT_CPU, limits["cpu_seconds"])
    command = sys.argv[2:]
    os.execv(command[0], command)  # noqa: S606 - the command is the parent's, and no shell is wanted


def limit(kind: int, soft: int) -> None:
    """Set a soft limit and leave the hard one, below which the parent's surroundings may keep us.

    A soft limit is enough: the command runs no code of the file's, it only reads it.
    """
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def die_with(starter: int) -> None:
    """Have the kernel kill us when the thread that started us ends; does nothing but on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # it ended before we asked
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
