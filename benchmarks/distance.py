"""A proxy that puts the embedded AWS at a distance: each request waits as a real one would.

`python -m benchmarks.distance PORT UPSTREAM COUNTS [--no-wait]` listens on 127.0.0.1, and keeps in
the file COUNTS, as JSON, how many requests of each service went through.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

SECONDS = {"s3": 0.020, "dynamodb": 0.005, "sqs": 0.010}

_CREDENTIAL = re.compile(rb"[Cc]redential=[^/]+/\d+/[^/]+/(\w+)/")
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")
_MOST_HEAD = 1 << 20  # bytes
_PIECE = 1 << 16


class Distance:
    """Passes requests on, each after its service's time."""

    def __init__(self, upstream: int, *, waits: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._upstream = upstream
        self._waits = waits

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection: answers are passed as they come, requests are told apart."""
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream)
        back = asyncio.create_task(_pass_all(theirs, writer))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._wait_for(head)
                ours.write(head)
                length = _LENGTH.search(head)
                await _pass(reader, ours, int(length[1]) if length else 0)
        ours.close()
        await back

    async def _wait_for(self, head: bytes) -> None:
        found = _CREDENTIAL.search(head)
        service = found[1].decode() if found else "other"
        self.counts[service] += 1
        if self._waits:
            await asyncio.sleep(SECONDS.get(service, 0))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    while count:
        piece = await reader.read(min(count, _PIECE))
        if not piece:
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()
        count -= len(piece)


async def _pass_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _main(port: int, upstream: int, counts: Path, *, waits: bool) -> None:
    distance = Distance(upstream, waits=waits)
    await asyncio.start_server(distance.serve, "127.0.0.1", port, limit=_MOST_HEAD)
    while True:
        new = counts.with_suffix(".new")
        new.write_text(json.dumps(distance.counts))
        new.rename(counts)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    _port, _upstream, _counts, *_rest = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(int(_port), int(_upstream), Path(_counts), waits=not _rest))
