"""Large bodies of the embedded AWS stay on disk, on their way in and on their way out.

ministack takes and gives a body as one `bytes`. An object of 1.5 GB took 1.3 GB of memory on
its way in and 4.7 GB on its way out, a range of 64 KiB of it a second. Here a large body is a file
that is mapped: bytes to whoever hashes, cuts or writes it, and memory that the kernel takes back
when it likes. By ministack's private names, as it has no public way; a test fails where a newer
version has others.
"""

# ruff: noqa: SLF001 - what else could be wrapped
# ruff: noqa: ANN401 - ministack has no types

import hashlib
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import suppress
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any, BinaryIO, Self

from ingest_pipeline.local.gate import LARGE, Receive, Send, is_spooled

_PIECE = 256 << 10  # bytes of an answer that are in memory at a time


class Draft(mmap):
    """A body in a file of its own, which goes with it unless it was renamed."""

    path: Path

    @classmethod
    def of(cls, path: Path) -> Self:
        """Map the file, which has at least one byte."""
        with path.open("rb") as file:
            draft = cls(file.fileno(), 0, access=ACCESS_READ)
        draft.path = path
        return draft

    def __del__(self) -> None:
        """Nobody needs it any more."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


class Part(bytes):
    """A part of a multipart upload, on disk: empty to whoever joins it, long to whoever asks.

    ministack joins the parts of an object in memory. They are put together by `Drafts.joined`.
    """

    path: Path
    size: int
    digest: bytes

    def __len__(self) -> int:
        """The bytes on disk."""
        return self.size

    def __del__(self) -> None:
        """The upload was completed or given up, or the part was sent again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


class Drafts:
    """What has no place among the objects yet, in a folder that a start empties."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._numbers = itertools.count()

    def path(self) -> Path:
        """A new place, on the disk of the objects: a rename brings it to its own."""
        return self._folder / str(next(self._numbers))

    def part(self, body: "bytes | mmap") -> Part:
        """Keep a part.

        Raises:
            OSError: the disk is full, for instance.
        """
        part = Part()
        part.path, part.size = self.path(), len(body)
        part.digest = hashlib.md5(body).digest()  # noqa: S324 - what an ETag is made of
        if isinstance(body, Draft):
            body.path.replace(part.path)
        else:
            write(part.path, body)
        return part

    def joined(self, parts: Iterable[Part]) -> "bytes | Draft":
        """One body of them all; they stay.

        Raises:
            OSError: the disk is full, for instance.
        """
        path = self.path()
        try:
            with _created(path) as whole:
                for part in parts:
                    with part.path.open("rb") as file:
                        shutil.copyfileobj(file, whole, LARGE)
            return Draft.of(path) if path.stat().st_size else b""
        except BaseException:
            path.unlink(missing_ok=True)
            raise


class Bodies:
    """How ministack receives requests and sends answers, wrapped."""

    def __init__(self, app: Any, drafts: Drafts) -> None:
        self._app = app
        self._drafts = drafts
        self._receive = app._read_request_body
        self._send = app._send_response

    @classmethod
    def of(cls, app: Any, drafts: Drafts) -> "Bodies":
        """Wrap the module in place."""
        wrapped = cls(app, drafts)
        app._read_request_body = wrapped.receive
        app._send_response = wrapped.send
        return wrapped

    async def receive(
        self, receive: Receive, method: str, headers: MutableMapping[str, str]
    ) -> "bytes | Draft":
        """Read the body of a request, a large one into a file.

        Raises:
            OSError: the disk is full, for instance.
        """
        if not is_spooled(method, headers):
            body: bytes = await self._receive(receive, method, headers)
            return body
        path = self._drafts.path()
        failure: OSError | None = None
        try:
            with _created(path) as file:
                async for piece in self._pieces(receive):  # to the end: before it nobody listens
                    failure = failure or _failure(file, piece)
            if failure:
                raise failure  # noqa: TRY301 - the file goes in any case
            return Draft.of(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    async def _pieces(self, receive: Receive) -> AsyncIterator[bytes]:
        is_more = True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise self._app._RequestBodyDisconnected
            yield message.get("body", b"")
            is_more = message.get("more_body", False)

    async def send(
        self, send: Send, status: int, headers: dict[str, str], body: Any, *, head: bool = False
    ) -> None:
        """Send an answer, a large one in pieces."""
        if not isinstance(body, mmap):
            await self._send(send, status, headers, body, head=head)
            return
        headers.setdefault("Content-Length", str(len(body)))
        sent = self._app._asgi_header_list(headers)
        await send({"type": "http.response.start", "status": status, "headers": sent})
        for start in range(0, len(body), _PIECE):
            piece = body[start : start + _PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            body.madvise(MADV_DONTNEED, start, len(piece))
        await send({"type": "http.response.body", "body": b""})


def read(path: Path) -> "bytes | mmap":
    """The content of a file; a large one is mapped.

    Raises:
        OSError: it is gone, for instance.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < LARGE:
            return file.read()
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def write(path: Path, content: "bytes | mmap") -> None:
    """Write a file that only we can read.

    Raises:
        OSError: the disk is full, for instance; the beginning of the file may be there.
    """
    with _created(path) as file:
        file.write(content)


def _failure(file: BinaryIO, piece: bytes) -> OSError | None:
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        return error
    return None


def _created(path: Path) -> BinaryIO:
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600))
