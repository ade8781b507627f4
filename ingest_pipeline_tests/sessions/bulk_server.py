"""A stand-in for Elasticsearch: the few routes that the sink asks, as strict as the original.

It speaks HTTP to the official client: the product header, NDJSON of the bulk API with an answer
for each item, types of the mapping, and errors on demand.
"""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "vehicle", "pa:ss@wörd"
_BULK_TYPES = ("application/x-ndjson", "application/vnd.elasticsearch+x-ndjson")


@dataclass
class Elastic:
    """What it holds, was asked, and is to answer next."""

    indices: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> mapping
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)  # id -> source
    asked: list[str] = field(default_factory=list)  # method and path
    answer_next: list[int] = field(default_factory=list)  # statuses of the next bulk requests
    item_next: list[int] = field(default_factory=list)  # statuses of the next items
    url: str = ""

    def index(self, name: str, source: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """The status of what became of a document, and the error."""
        for field_name, value in source.items():
            kind = self.indices[name]["properties"].get(field_name, {})
            if kind.get("type") == "date":
                assert kind["format"] == "yyyy-MM-dd HH:mm:ss"
                try:
                    datetime.strptime(value, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - as mapped
                except ValueError:
                    reason = f"failed to parse field [{field_name}] of type [date]"
                    cause = {"type": "illegal_argument_exception", "reason": f"cannot: [{value}]"}
                    error = {"type": "document_parsing_exception", "reason": reason}
                    return 400, {**error, "caused_by": cause}
        return 201, None


@contextmanager
def elastic() -> Iterator[Elastic]:
    """Serve for the length of the block."""
    state = Elastic()

    class Handler(_Handler):
        elastic = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    password = "pa%3Ass%40w%C3%B6rd"
    port = server.server_port
    state.url = f"elasticsearch+http://{USER}:{password}@127.0.0.1:{port}/session-events"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    elastic: Elastic

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass

    def do_HEAD(self) -> None:
        self._take()
        self._answer(200 if self.path.strip("/") in self.elastic.indices else 404, None)

    def do_PUT(self) -> None:
        content = self._take()
        if self.path == "/_bulk":
            self._bulk(content)
            return
        body = json.loads(content)
        if body.keys() - {"mappings", "settings", "aliases"}:
            self._answer(400, _error("parse_exception", f"unknown key {[*body]}"))
        elif (name := self.path.strip("/")) in self.elastic.indices:
            self._answer(400, _error("resource_already_exists_exception", name))
        else:
            self.elastic.indices[name] = body["mappings"]
            self._answer(200, {"acknowledged": True, "index": name})

    def _bulk(self, body: str) -> None:
        credentials = self.headers["Authorization"].removeprefix("Basic ")
        if b64decode(credentials).decode() != f"{USER}:{PASSWORD}":
            self._answer(401, _error("security_exception", f"unable to authenticate [{USER}]"))
        elif self.elastic.answer_next and (status := self.elastic.answer_next.pop(0)) != 200:
            self._answer(status, _error("es_rejected_execution_exception", "queue is full"))
        elif not self.headers["Content-Type"].startswith(_BULK_TYPES):
            self._answer(406, _error("media_type_header_exception", self.headers["Content-Type"]))
        elif not body.endswith("\n"):
            self._answer(400, _error("illegal_argument_exception", "must end with a newline"))
        else:
            lines = [json.loads(line) for line in body[:-1].split("\n")]
            pairs = zip(lines[::2], lines[1::2], strict=True)
            items = [{"update": self._update(action, change)} for action, change in pairs]
            self._answer(
                200,
                {"took": 1, "errors": any("error" in i["update"] for i in items), "items": items},
            )

    def _update(self, action: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """An update as the original does it: the change merged, or the whole put in."""
        (meta,) = action.values()
        assert action.keys() == {"update"}
        assert meta.keys() == {"_index", "_id", "retry_on_conflict"}
        assert body.keys() == {"doc", "upsert"}
        assert len(meta["_id"].encode()) <= 512, "Elasticsearch's limit"
        there = self.elastic.documents.get(meta["_id"])
        source = body["upsert"] if there is None else {**there, **body["doc"]}
        status, error = self.elastic.index(meta["_index"], source)
        if self.elastic.item_next and (wanted := self.elastic.item_next.pop(0)) != 200:
            status, error = wanted, _error("es_rejected_execution_exception", "busy")["error"]
        answer = {"_index": meta["_index"], "_id": meta["_id"], "status": status}
        if error:
            return {**answer, "error": error}
        self.elastic.documents[meta["_id"]] = source
        return {**answer, "result": "created" if there is None else "updated"}

    def _take(self) -> str:
        self.elastic.asked.append(f"{self.command} {self.path}")
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def _answer(self, status: int, body: dict[str, Any] | None) -> None:
        content = json.dumps(body).encode() if body else b""
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _error(kind: str, reason: str) -> dict[str, Any]:
    return {"error": {"type": kind, "reason": reason, "root_cause": []}}
