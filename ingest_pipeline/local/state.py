"""What the embedded AWS keeps in memory - tables, queues, stacks, buckets' settings - on disk."""

import asyncio
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ingest_pipeline.local.durable import DurableObjects
from ingest_pipeline.local.gate import ANY_SERVICE, Gate
from ingest_pipeline.settings import Settings


class Saver:
    """Writes what changed since the last time, and what could not be written then."""

    def __init__(self, config: Settings, gate: Gate, objects: DurableObjects) -> None:
        self._files = StateFiles(config)
        self._gate = gate
        self._objects = objects
        self._owed = {ANY_SERVICE}
        self._recent: set[str] = set()

    async def save(self) -> None:
        """Write what may have changed.

        Raises:
            OSError: something was not written; the next time it is tried again.
        """
        changed = self._gate.changed()
        # Once more after a change: S3 tells an arrival to its queue a moment after its answer.
        self._owed |= changed | self._recent
        self._recent = changed
        services = None if ANY_SERVICE in self._owed else self._owed
        await asyncio.to_thread(self._files.write, self._files.copies(services))
        self._owed = set()
        self._objects.catch_up()

    async def save_all(self) -> None:
        """Write everything that is not on disk as it is in memory.

        Raises:
            OSError: something was not written.
        """
        self._owed = {ANY_SERVICE}
        await self.save()


class StateFiles:
    """One file a service; each is written when its content is another, and whole or not at all."""

    def __init__(self, config: Settings) -> None:
        self._folder = config.state / "aws" / "state"
        self._written: dict[str, bytes] = {}  # a digest by service

    def copies(self, services: Iterable[str] | None = None) -> dict[str, object]:
        """Copy the state of these services, or of all, as of this moment.

        By ministack's private names: it has no public way. To be called in the event loop, where
        requests are served one at a time: beside them it fails with "dictionary changed size" for
        as long as rows are written (5 of 5 at 800 a second).
        """
        from ministack.app import _build_persistence_save_dict  # noqa: PLC0415

        found = _build_persistence_save_dict()
        names = found if services is None else found.keys() & set(services)
        copies = {name: found[name]() for name in names}
        # None: nothing to say; the file stays.
        return {name: copy for name, copy in copies.items() if copy is not None}

    def write(self, copies: dict[str, object]) -> None:
        """Write what differs from the last time; slow, so not in the event loop.

        Raises:
            OSError: the disk is full, for instance; what was written is whole, the rest is as old
                as it was.
        """
        for name, copy in copies.items():
            content = _content(name, copy)
            digest = hashlib.sha256(content).digest()
            if self._written.get(name) != digest:
                _replace(self._folder / f"{name}.json", content)
                self._written[name] = digest


def _content(service: str, copy: object) -> bytes:
    """The file as ministack reads it at its start."""
    from ministack.core import persistence  # noqa: PLC0415

    version = persistence._state_format_version(service)  # noqa: SLF001
    content = {"__ministack_format__": version, "payload": copy}
    return json.dumps(content, default=persistence._json_default).encode()  # noqa: SLF001


def _replace(path: Path, content: bytes) -> None:
    """Put the new file in the old one's place once it is on disk: a kill leaves one of the two."""
    draft = path.with_name(path.name + ".tmp")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the rename itself may be lost with the power
    finally:
        os.close(folder)
