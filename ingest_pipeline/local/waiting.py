"""The embedded AWS's queues: a receive that waits is woken by what comes, not looking for it.

ministack looks at the queue ten times a second for as long as a receive waits, and so finds a
message up to a tenth of a second late; its queues also had to be saved after every receive, since
nobody could tell whether it had changed one. By ministack's private names, as it has no public way;
a test fails where a newer version has others.
"""

# ruff: noqa: SLF001 - what else could be wrapped
# ruff: noqa: ANN401 - ministack has no types

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ingest_pipeline.local.gate import Receive, client

_LOOK_SHARE = 20  # looks at one queue take at most a twentieth of the time: it may be long
_NO_MESSAGE = float("inf")


class WaitingReceives:
    """ministack's SQS, wrapped; to be made in the event loop that serves it."""

    def __init__(self, service: Any) -> None:
        self._queue = service._get_q
        self._receive = service._act_receive_message
        self._note = service.esm_wake.set  # what ministack's producers call once a message is there
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._is_changed = False
        self._is_closed = False

    @classmethod
    def of(cls, service: Any) -> "WaitingReceives":
        """Wrap the module in place."""
        wrapped = cls(service)
        service.esm_wake.set = wrapped.on_message
        handlers = service._HANDLERS
        handlers["ReceiveMessage"] = wrapped.receive
        for name in ("ChangeMessageVisibility", "ChangeMessageVisibilityBatch"):
            handlers[name] = wrapped._waking(handlers[name])
        return wrapped

    def is_changed(self) -> bool:
        """Whether a message came or was received since this was last asked."""
        changed, self._is_changed = self._is_changed, False
        return changed

    def close(self) -> None:
        """Answer whoever waits: the server stops."""
        self._is_closed = True
        self._wake()

    def on_message(self) -> None:
        """Wake who waits; a message came, in any thread."""
        self._note()
        self._is_changed = True
        with suppress(RuntimeError):  # after the end of the loop
            self._loop.call_soon_threadsafe(self._wake)

    async def receive(self, data: dict[str, Any], url: str) -> dict[str, Any]:
        """Receive messages, waiting for the first as long as is asked for."""
        queue = self._queue(data.get("QueueUrl", url), "sqs:ReceiveMessage")
        deadline = time.monotonic() + _seconds(data, queue)
        look = {**data, "WaitTimeSeconds": 0}
        gone = asyncio.ensure_future(_gone(client.get()))
        try:
            while True:
                woken, begun = self._woken, time.monotonic()
                answer: dict[str, Any] = await self._receive(look, url)
                left = deadline - time.monotonic()
                if answer or left <= 0 or self._is_closed:
                    self._is_changed |= bool(answer)
                    return answer
                pause = _LOOK_SHARE * (time.monotonic() - begun)
                await _first(woken, gone, min(left, _until_visible(queue)))
                await asyncio.sleep(min(left, pause))
                if gone.done():
                    return {}
        finally:
            gone.cancel()

    def _wake(self) -> None:
        self._woken.set()
        self._woken = asyncio.Event()

    def _waking(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """Wake after it: a message may be visible sooner than was foreseen."""

        def changed(data: dict[str, Any], url: str) -> Any:
            result = change(data, url)
            self._wake()
            return result

        return changed


def _seconds(data: dict[str, Any], queue: dict[str, Any]) -> int:
    asked = data.get("WaitTimeSeconds")
    usual = queue["attributes"].get("ReceiveMessageWaitTimeSeconds", "0")
    return int(usual if asked is None else asked)


def _until_visible(queue: dict[str, Any]) -> float:
    """Seconds until the next message that is hidden now comes back."""
    now = time.time()
    hidden = (message["visible_at"] for message in queue["messages"])
    return min((at - now for at in hidden if at > now), default=_NO_MESSAGE)


async def _gone(receive: Receive | None) -> None:
    """Wait until the client is gone: a message that it is given is hidden from all others."""
    if receive is None:
        await asyncio.Event().wait()
    else:
        while (await receive())["type"] != "http.disconnect":
            pass


async def _first(woken: asyncio.Event, gone: "asyncio.Future[None]", seconds: float) -> None:
    waiting: asyncio.Future[Any] = asyncio.ensure_future(woken.wait())
    ends: set[asyncio.Future[Any]] = {waiting, gone}
    try:
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
