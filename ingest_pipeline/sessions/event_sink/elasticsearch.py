"""The event sink in Elasticsearch: a document an event, in one index."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from more_itertools import chunked

from ingest_pipeline.extras import extra
from ingest_pipeline.sessions.event_sink.event_sink import (
    EventKey,
    EventSink,
    EventSinkUnavailableError,
    EventSinkUrlError,
)
from ingest_pipeline.sessions.model import ND, Event, Session
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_T = TypeVar("_T")
SCHEMES: Final = ("elasticsearch+https", "elasticsearch+http")
_BATCH = 500  # events in a request: some 500 kB
_SECONDS = 30  # for an answer
_RETRIES = 3  # of a request, and of an event that several write at once
_PASSING = (429, 502, 503, 504)  # of a whole request, which the client sends again
_CONFLICT, _TOO_MANY, _SERVER_ERROR = 409, 429, 500
_LONGEST = 300  # characters of a reason: the server's may repeat the document

# Parts of the timestamp, and a path that meant something to one process.
_LEFT_OUT = {"date", "time", "local_path"}
_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_MAPPING: Final = {
    "dynamic": False,  # a field of a later version is kept, and no obstacle
    "properties": {
        # Of the vehicle's clock, which tells no zone.
        "timestamp": {"type": "date", "format": "yyyy-MM-dd HH:mm:ss"},
        "comment": {"type": "text", "fields": {"keyword": {**_KEYWORD, "ignore_above": 256}}},
        **{
            name: _KEYWORD
            for name in Event.model_fields
            if name not in {"timestamp", "comment", *_LEFT_OUT}
        },
    },
}


class ElasticsearchUrl(Frozen):
    """An address of the sink, taken apart; holds a password: never log it."""

    host: str  # https://host:9200
    index: str
    user: str | None
    password: str | None
    ca_certs: str | None

    @classmethod
    def parse(cls, url: str) -> "ElasticsearchUrl":
        """Take `elasticsearch+https://user:password@host:9200/index` apart.

        `?ca_certs=/file` names the authority of the server's certificate where the system does not
        know it. Without https only this machine is spoken to, unless `?plain=yes` says otherwise.

        Raises:
            EventSinkUrlError: it is no such URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 9200
        except ValueError:
            raise _mistake("its host and port cannot be read") from None
        index = parts.path.strip("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme not in SCHEMES:
            raise _mistake(f"it begins with neither {' nor '.join(f'{s}://' for s in SCHEMES)}")
        if not parts.hostname or not index or "/" in index or index != index.lower():
            raise _mistake("a host and behind it an index in small letters are wanted")
        if unknown := query.keys() - {"ca_certs", "plain"}:
            raise _mistake(f"{', '.join(sorted(unknown))} is no option of it")
        is_plain = parts.scheme == "elasticsearch+http"
        if is_plain and not _is_loopback(parts.hostname) and query.get("plain") != "yes":
            raise _mistake("without https all could be read on the way: ?plain=yes")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(
            host=f"{'http' if is_plain else 'https'}://{host}:{port}",
            index=index,
            user=parts.username and unquote(parts.username),
            password=parts.password and unquote(parts.password),
            ca_certs=query.get("ca_certs"),
        )


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def _mistake(what: str) -> EventSinkUrlError:
    return EventSinkUrlError(
        "the URL of the event sink (INGEST_EVENT_SINK) is wanted as "
        f"elasticsearch+https://user:password@host:9200/index: {what}"
    )


@dataclass(frozen=True)
class _Update:
    """What becomes of a document: changed by `change`, or `whole` where there is none yet."""

    key: EventKey
    change: Mapping[str, str]
    whole: Mapping[str, str]


class ElasticsearchSink(EventSink):
    """Writes by the bulk API; the index is made with its types when there is none."""

    def __init__(self, url: ElasticsearchUrl) -> None:
        self._index = url.index
        self._host = url.host
        self._client = _client(url)
        self._lock = Lock()
        self._has_index = False

    def __repr__(self) -> str:
        return f"ElasticsearchSink({self._host}/{self._index})"

    def write(self, sessions: Sequence[Session]) -> Mapping[EventKey, str]:
        """Write the events of sessions, 500 in a request; those that are refused."""
        return self._sent(
            _event_update(session.session_id, event)
            for session in sessions
            for event in session.events
        )

    def set_comments(self, comments: Mapping[EventKey, str]) -> Mapping[EventKey, str]:
        """Write what was said in recordings; what is refused."""
        return self._sent(
            _Update(key, {"comment": comment}, {"comment": comment})
            for key, comment in comments.items()
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _sent(self, updates: Iterable[_Update]) -> dict[EventKey, str]:
        refused: dict[EventKey, str] = {}
        for batch in chunked(updates, _BATCH):
            self._make_index()
            answers = self._asked(partial(self._client.bulk, operations=[*self._lines(batch)]))
            refused |= self._refused(batch, answers["items"])
        return refused

    def _lines(self, batch: Sequence[_Update]) -> Iterator[Mapping[str, Any]]:
        for update in batch:
            action = {"_index": self._index, "_id": document_id(*update.key)}
            yield {"update": {**action, "retry_on_conflict": _RETRIES}}
            yield {"doc": update.change, "upsert": update.whole}

    def _refused(
        self, batch: Sequence[_Update], items: Sequence[Mapping[str, Any]]
    ) -> dict[EventKey, str]:
        """What the server will not take, whatever is done.

        Raises:
            EventSinkUnavailableError: it may take some of the others later.
        """
        refused: dict[EventKey, str] = {}
        passing: list[str] = []
        for update, item in zip(batch, items, strict=True):
            answer = item["update"]
            if "error" not in answer:
                continue
            status, reason = answer["status"], _reason(answer["error"])
            if status in {_CONFLICT, _TOO_MANY} or status >= _SERVER_ERROR:
                passing.append(f"{status} {reason}")
            else:
                refused[update.key] = reason
        if passing:
            raise EventSinkUnavailableError(
                f"{self!r} has not taken {len(passing)} of {len(batch)} events: {passing[0]}"
            )
        return refused

    def _make_index(self) -> None:
        with self._lock:
            if not self._has_index and not self._asked(self._index_exists):
                self._asked(self._create_index)
            self._has_index = True

    def _index_exists(self) -> bool:
        return bool(self._client.indices.exists(index=self._index))

    def _create_index(self) -> None:
        """Where another process is faster, the index is the same; an error 400 says so."""
        self._client.options(ignore_status=400).indices.create(index=self._index, mappings=_MAPPING)
        if not self._index_exists():
            raise EventSinkUnavailableError(f"{self!r}: the index cannot be made")

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """What the server answers; whatever it is, no event counts as written."""
        from elasticsearch import ApiError, TransportError  # noqa: PLC0415 - as below

        try:
            return ask()
        except ApiError as error:
            why = f"{error.status_code} {_reason(error.body)}"
        except TransportError as error:
            why = str(error)
        raise EventSinkUnavailableError(f"{self!r} does not take events: {why[:_LONGEST]}")


def document_id(session_id: str, audio_tag: str) -> str:
    """The id of an event's document: the same for ever, and short whatever the names are."""
    return hashlib.sha256(json.dumps([session_id, audio_tag]).encode()).hexdigest()


@contextmanager
def opened_event_sink(url: str | None) -> Iterator[EventSink | None]:
    """The sink at a URL for the length of a block, None without one; connects at the first write.

    Raises:
        EventSinkUrlError: it is no URL of a sink.
        MissingExtraError: the client is not installed.
    """
    if url is None:
        yield None
        return
    sink = ElasticsearchSink(ElasticsearchUrl.parse(url))
    try:
        yield sink
    finally:
        sink.close()


def _client(url: ElasticsearchUrl) -> "Elasticsearch":
    with extra("elasticsearch", "the event sink in Elasticsearch"):
        from elasticsearch import Elasticsearch  # noqa: PLC0415 - 0.3 s, and not all have it

    options: dict[str, Any] = {"ca_certs": url.ca_certs} if url.ca_certs else {}
    if url.user:
        # Encoded here: of a pair the client takes ASCII alone.
        pair = f"{url.user}:{url.password or ''}".encode()
        options["basic_auth"] = base64.b64encode(pair).decode()
    return Elasticsearch(
        url.host,
        request_timeout=_SECONDS,
        max_retries=_RETRIES,
        retry_on_timeout=True,
        retry_on_status=_PASSING,
        **options,
    )


def _event_update(session_id: str, event: Event) -> _Update:
    """An event that comes again changes all but a comment that has come meanwhile."""
    fields = {
        **event.model_dump(exclude={*_LEFT_OUT, "comment"}),
        "session_id": session_id,
    }
    if event.timestamp == ND:
        del fields["timestamp"]
    whole = {**fields, "comment": event.comment}
    return _Update((session_id, event.audio_tag), fields if event.comment == ND else whole, whole)


def _reason(error: object) -> str:
    """What the server says, with the cause, which has the field's name."""
    if not isinstance(error, Mapping):
        return str(error)[:_LONGEST]
    inner = error.get("error", error)
    if not isinstance(inner, Mapping):
        return str(inner)[:_LONGEST]
    cause = inner.get("caused_by") or {}
    texts = (inner.get("type"), inner.get("reason"), cause.get("reason"))
    return ": ".join(filter(None, texts))[:_LONGEST]
