"""The gate before the embedded AWS: what it answers before ministack is asked."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes
from xml.sax.saxutils import escape

from ingest_pipeline.local.disk import shortage
from ingest_pipeline.local.visitors import headers_of, stranger
from ingest_pipeline.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/_ministack/health"  # which the start asks; all else of ministack's own is closed
_CLOSED = "Whoever could ask for this could wipe everything; stop the system and remove its home."
_OF_A_LINK = {"GET", "HEAD", "PUT", "OPTIONS"}
_LINK_QUERY = re.compile(
    "X-Amz-.*|Signature|AWSAccessKeyId|Expires|versionId|response-.*|x-id|partNumber|uploadId"
)
UNSAYABLE = (
    "This key holds a character that XML 1.0 has no way to say, such as a control character. The "
    "real S3 takes it; here every listing of the bucket would fail from then on."
)
# Of the request that is served: tells when the client is gone, once its body was read.
client: ContextVar[Receive | None] = ContextVar("client", default=None)
ANY_SERVICE = "*"  # that one may have changed of which we do not know which

LARGE = 1 << 20  # bytes; a smaller body is cheaper in memory than on disk
# Of bodies that cannot go to disk as they come, since the object is wrapped in something else:
# ministack takes four times their size. One that is larger than all comes alone, or not at all.
_MEMORY = 128 << 20  # bytes of them at a time
MOST_IN_MEMORY = 512 << 20  # bytes of one
_PATIENCE = 30  # seconds; clients give up after 60
_TOO_LARGE = (
    "This body of {size:,} bytes, a form or signed chunks, would have to be held in memory, which "
    f"is done up to {MOST_IN_MEMORY:,}. Send it by a plain PUT or in parts."
)
_FULL = "Bodies that have to be held in memory fill what there is for them. Send it again later."

# What XML 1.0 can say. Tab, newline and carriage return are in it; a lone surrogate is not.
_SAYABLE = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
# A received message is changed, which the queues tell themselves: most receives find none.
_READS = re.compile(rb"(Get|BatchGet|TransactGet|Query|Scan|List|Describe|Head|Receive)[A-Za-z]*")
_SERVICES = {b"AmazonSQS": "sqs", b"DynamoDB_20120810": "dynamodb"}


def is_sayable(key: str) -> bool:
    """Whether a listing, which is XML, can name this key."""
    return _SAYABLE.fullmatch(key) is not None


@dataclass(frozen=True)
class _Refusal:
    """An error as S3 tells it."""

    status: int
    code: str
    message: str

    def body(self) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>"
        ).encode()


class _Memory:
    """Lends what there is of memory for bodies."""

    def __init__(self) -> None:
        self._lent = 0
        self._returned = asyncio.Condition()

    async def is_lent(self, size: int) -> bool:
        """Lend so many bytes, once they are there; False where that takes too long."""
        if not size:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE), self._returned:
                await self._returned.wait_for(
                    lambda: not self._lent or self._lent + size <= _MEMORY
                )
                self._lent += size
                return True
        return False

    async def give_back(self, size: int) -> None:
        """They are free again."""
        if size:
            async with self._returned:
                self._lent -= size
                self._returned.notify_all()


class Gate:
    """An ASGI application: refuses what ministack should, and notes what it may have changed."""

    def __init__(self, app: App, config: Settings) -> None:
        self._app = app
        self._config = config
        self._changed: set[str] = set()
        self._memory = _Memory()

    def changed(self) -> set[str]:
        """Services whose state may have changed since this was last asked."""
        changed, self._changed = self._changed, set()
        return changed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await _refuse(scope, receive, send, refusal)
            return
        size = _in_memory(scope)
        if not await self._memory.is_lent(size):
            await _refuse(scope, receive, send, _Refusal(503, "SlowDown", _FULL))
            return
        try:
            await self._pass_on(scope, receive, send)
        finally:
            await self._memory.give_back(size)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        client.set(receive)
        try:
            await self._app(scope, receive, send)
        except OSError as error:  # a large body is written as it comes, before it is looked at
            said = f"The object could not be written: {error.strerror}"
            await _answer(send, _Refusal(503, "ServiceUnavailable", said))
        finally:  # also where the client went away: by then it may be done
            self._changed |= _changed_by(scope)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        return _denial(scope) or self._unfit(scope)

    def _unfit(self, scope: Scope) -> _Refusal | None:
        if (size := _in_memory(scope)) > MOST_IN_MEMORY:
            return _Refusal(400, "EntityTooLarge", _TOO_LARGE.format(size=size))
        if not _stores(scope):
            return None
        if not _is_path_sayable(scope):
            return _Refusal(400, "InvalidArgument", UNSAYABLE)
        if said := shortage(self._config, int(_header(scope, b"content-length") or 0)):
            return _Refusal(503, "ServiceUnavailable", said)
        return None


def _denial(scope: Scope) -> _Refusal | None:
    if scope["path"].startswith("/_") and scope["path"] != HEALTH:
        return _Refusal(403, "AccessDenied", _CLOSED)
    if why := _stranger(scope):
        return _Refusal(403, "AccessDenied", f"Only this machine is answered: {why}.")
    return None


def _stranger(scope: Scope) -> str | None:
    """What is foreign about a request; a foreign page may use links and forms that it was given.

    The photo clients upload by such links. Whether one is signed well is not asked: the credentials
    are known to everybody. So a link may do no more than get and put an object.
    """
    headers = headers_of(scope)
    if _is_presigned(scope) or _is_upload_form(scope, headers):
        headers = {"host": headers.get("host", "")}
    return stranger(headers)


def _is_presigned(scope: Scope) -> bool:
    names = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    is_of_object = scope["method"] in _OF_A_LINK and "/" in scope["path"].strip("/")
    is_signed = "X-Amz-Signature" in names or "Signature" in names
    return is_of_object and is_signed and all(map(_LINK_QUERY.fullmatch, names))


def _is_upload_form(scope: Scope, headers: Mapping[str, str]) -> bool:
    """A form by a POST policy goes to its bucket."""
    is_form = headers.get("content-type", "").startswith("multipart/form-data")
    bucket = scope["path"].strip("/")
    is_to_bucket = bool(bucket) and "/" not in bucket and not scope["query_string"]
    return scope["method"] == "POST" and is_form and is_to_bucket


def is_spooled(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the body of a request is large and is the object: it goes to disk as it comes."""
    encoding = headers.get("content-encoding", "") + headers.get("x-amz-content-sha256", "")
    is_wrapped = "aws-chunked" in encoding or "STREAMING-" in encoding
    return method == "PUT" and int(headers.get("content-length", 0)) >= LARGE and not is_wrapped


def _in_memory(scope: Scope) -> int:
    """The size of a large body that has to be held in memory, or nothing."""
    size = int(_header(scope, b"content-length") or 0)
    if size < LARGE:
        return 0
    return 0 if is_spooled(scope["method"], headers_of(scope)) else size


def _stores(scope: Scope) -> bool:
    """Whether this is S3 and brings an object, or a part of one.

    A bucket and its settings are always taken: the start makes them, also on a full disk.
    """
    query = scope["query_string"]
    if scope["method"] == "PUT":
        return "/" in scope["path"].strip("/")
    is_form = _header(scope, b"content-type").startswith(b"multipart/form-data")
    is_upload = re.search(rb"(^|&)upload(s|Id)(=|&|$)", query) is not None
    return scope["method"] == "POST" and (is_form or is_upload)


def _is_path_sayable(scope: Scope) -> bool:
    try:  # not `path`, in which question marks stand for what is no UTF-8, as a lone surrogate
        return is_sayable(unquote_to_bytes(scope["raw_path"]).decode())
    except UnicodeDecodeError:
        return False


def _changed_by(scope: Scope) -> set[str]:
    """Services that a request may have changed."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return set()
    if scope["method"] in {"PUT", "DELETE"} or _stores(scope):
        return {"s3"}
    prefix, _, action = _header(scope, b"x-amz-target").partition(b".")
    if _READS.fullmatch(action):
        return set()
    return {_SERVICES.get(prefix, ANY_SERVICE)}


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: _Refusal) -> None:
    if _header(scope, b"expect"):  # the connection ends, as the body may come or not
        await _answer(send, refusal, (b"connection", b"close"))
        return
    while (await receive()).get("more_body"):
        pass  # who sends at once hears nothing before all is sent
    await _answer(send, refusal)


async def _answer(send: Send, refusal: _Refusal, *more: tuple[bytes, bytes]) -> None:
    body = refusal.body()
    headers = [
        (b"content-type", b"application/xml"),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
