"""What the embedded AWS keeps in memory - tables, queues, stacks, buckets' settings - on disk."""

import asyncio
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest_pipeline.local.durable import DurableObjects
from ingest_pipeline.local.gate import ANY_SERVICE, Gate
from ingest_pipeline.local.waiting import WaitingReceives
from ingest_pipeline.settings import Settings


class Saver:
    """Writes what changed since the last time, and what could not be written then."""

    def __init__(
        self, config: Settings, gate: Gate, objects: DurableObjects, queues: WaitingReceives
    ) -> None:
        self._files = StateFiles(config)
        self._gate = gate
        self._objects = objects
        self._queues = queues
        self._owed = {ANY_SERVICE}

    async def save(self) -> None:
        """Write what may have changed.

        Raises:
            OSError: something was not written; the next time it is tried again.
        """
        self._owed |= self._gate.changed()
        if self._queues.is_changed():
            self._owed.add("sqs")
        if self._owed:
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


@dataclass(frozen=True)
class _Large:
    """What a service has many of: rows and messages."""

    store: str  # ministack's name of all tables or queues
    field: str  # of one of them
    depth: int  # how many containers are around each


_LARGE = {"dynamodb": _Large("_tables", "items", 2), "sqs": _Large("_queues", "messages", 1)}


@dataclass(frozen=True)
class Copy:
    """The state of a service, in which a mark stands for each of the contents."""

    state: object
    contents: dict[str, Any] = field(default_factory=dict)  # by mark
    depth: int = 0


class StateFiles:
    """One file a service; each is replaced when its content is another, whole or not at all."""

    def __init__(self, config: Settings) -> None:
        self._folder = config.state / "aws" / "state"
        self._written: dict[str, bytes] = {}  # a digest by service

    def copies(self, services: Iterable[str] | None = None) -> dict[str, Copy]:
        """Copy the state of these services, or of all, as of this moment.

        By ministack's private names: it has no public way. To be called in the event loop, where
        requests are served one at a time: beside them it fails with "dictionary changed size" for
        as long as rows are written (5 of 5 at 800 a second).
        """
        from ministack.app import _build_persistence_save_dict  # noqa: PLC0415

        found = _build_persistence_save_dict()
        names = found if services is None else found.keys() & set(services)
        copies = {name: _copy(name, found[name]) for name in names}
        # None: nothing to say; the file stays.
        return {name: copy for name, copy in copies.items() if copy.state is not None}

    def write(self, copies: dict[str, Copy]) -> None:
        """Write what differs from the last time; slow, so not in the event loop.

        Raises:
            OSError: the disk is full, for instance; what was written is whole, the rest is as old
                as it was.
        """
        for name, copy in copies.items():
            path = self._folder / f"{name}.json"
            self._written[name] = _replace(path, _content(name, copy), self._written.get(name))


def _copy(service: str, get_state: Callable[[], object]) -> Copy:
    """Copy all but what is never changed in place: rows, and what is in a message.

    ministack's own copy is deep; it held up every request for a second at 20,000 rows.
    """
    large = _LARGE.get(service)
    if large is None:
        return Copy(get_state())
    store = getattr(sys.modules[get_state.__module__], large.store)._data  # noqa: SLF001
    kept = dict(store)
    marks = {key: f"\0{number}" for number, key in enumerate(kept)}
    contents = {marks[key]: _shallow(one[large.field], large.depth) for key, one in kept.items()}
    try:
        store.update({key: {**one, large.field: marks[key]} for key, one in kept.items()})
        return Copy(get_state(), contents, large.depth)
    finally:
        store.update(kept)


def _shallow(content: Any, depth: int) -> Any:  # noqa: ANN401 - rows or messages
    if isinstance(content, list):
        return [dict(message) for message in content]
    return {key: _shallow(inner, depth - 1) for key, inner in content.items()} if depth else content


def _content(service: str, copy: Copy) -> Iterator[bytes]:
    """The file as ministack reads it at its start, in pieces; nothing is encoded at one go.

    The encoder keeps the event loop waiting for as long as it is at work.
    """
    from ministack.core import persistence  # noqa: PLC0415

    encoder = json.JSONEncoder(default=persistence._json_default)  # noqa: SLF001
    version = persistence._state_format_version(service)  # noqa: SLF001
    text = encoder.encode({"__ministack_format__": version, "payload": copy.state})
    by_text = {encoder.encode(mark): content for mark, content in copy.contents.items()}
    for piece in re.split(r'("\\u0000\d+")', text):
        if piece in by_text:
            yield from _encoded(encoder, by_text[piece], copy.depth)
        else:
            yield piece.encode()


def _encoded(encoder: json.JSONEncoder, content: Any, depth: int) -> Iterator[bytes]:  # noqa: ANN401
    if not depth:
        time.sleep(0)  # let the event loop go first
        yield encoder.encode(content).encode()
        return
    is_list = isinstance(content, list)
    yield b"[" if is_list else b"{"
    for number, each in enumerate(content):
        yield b"," if number else b""
        if not is_list:
            yield encoder.encode(each).encode() + b":"
        yield from _encoded(encoder, each if is_list else content[each], depth - 1)
    yield b"]" if is_list else b"}"


def _replace(path: Path, content: Iterable[bytes], written: bytes | None) -> bytes:
    """Put a new file in the old one's place once it is on disk: a kill leaves one of the two.

    Nothing happens where its digest, which is returned, is the one that was written before.
    """
    draft, digest = path.with_name(path.name + ".tmp"), hashlib.sha256()
    try:
        with draft.open("wb", buffering=1 << 20) as file:
            for piece in content:
                digest.update(piece)
                file.write(piece)
            if digest.digest() != written:
                file.flush()
                os.fsync(file.fileno())
        if digest.digest() == written:
            draft.unlink()
            return written
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the rename itself may be lost with the power
    finally:
        os.close(folder)
    return digest.digest()
