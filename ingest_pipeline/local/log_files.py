"""Logs that do not grow for ever, while the processes that write them hold them open."""

import shutil
from pathlib import Path

_PIECE = 64 * 1024
_KEPT = 3


def rotate(log: Path, most_bytes: int, kept: int = _KEPT) -> bool:
    """Put the content of a log that has grown aside as `<log>.1`; whether it had.

    What is written between the last look at the file and its cut, microseconds later, is lost:
    the writers are several processes which know of no rotation, and append to whatever is there.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return False
    aside = [log.with_name(f"{log.name}.{number}") for number in range(1, kept + 1)]
    for newer, older in zip(aside[-2::-1], aside[:0:-1], strict=True):
        if newer.exists():
            newer.replace(older)
    with log.open("r+b") as source, aside[0].open("wb") as target:
        shutil.copyfileobj(source, target, _PIECE)  # to the end, wherever that is by then
        source.truncate(0)
    return True
