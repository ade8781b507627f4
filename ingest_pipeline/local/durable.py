"""What the embedded AWS acknowledges is on disk: a write that fails is answered as a failure.

ministack logs a failed write and goes on from memory, so that on a full disk it acknowledged
objects which the next start did not know (10 of 10 after a graceful stop). Here the functions of
its S3 that write are wrapped, by their private names: it has no public way. A test fails where a
newer version has others.
"""

# ruff: noqa: SLF001 - what else could be wrapped
# ruff: noqa: ANN401 - ministack has no types

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest_pipeline.local.gate import UNSAYABLE, is_sayable

_log = logging.getLogger(__name__)

Answer = tuple[int, dict[str, str], bytes]


class _NotWrittenError(Exception):
    """A file of this request could not be written."""


class _UnsayableError(Exception):
    """The key, which a form names in its body, is none that a listing can name."""


class _NothingThereError(Exception):
    """A key that cannot be listed is to be deleted, and nothing is there."""


@dataclass(frozen=True)
class _Before:
    """What was known of a key before it got a new version or a delete marker."""

    bucket: str
    key: str
    current: dict[str, Any] | None
    versions: list[dict[str, Any]] | None
    events: int  # that were noted before


@dataclass
class _Request:
    """One request to S3; ministack serves it without a pause from beginning to end."""

    failure: OSError | None = None
    before: _Before | None = None
    events: list[Callable[[], None]] = field(default_factory=list)


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


@contextmanager
def _noted() -> Iterator[_Request]:
    """Note failures in the request that is served, or in one of its own."""
    served = _request.get()
    request = served or _Request()
    token = _request.set(request)
    try:
        yield request
    finally:
        _request.reset(token)


class DurableObjects:
    """ministack's S3, wrapped."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._behind: set[tuple[str, str]] = set()  # keys whose files are older than the memory
        self._dispatch = service._dispatch
        self._write = service._atomic_write
        self._persist_state = service._persist_version_state
        self._record_version = service._record_object_version
        self._record_marker = service._record_delete_marker
        self._fire = service._fire_s3_event_async

    @classmethod
    def of(cls, service: Any) -> "DurableObjects":
        """Wrap the module in place."""
        wrapped = cls(service)
        service._dispatch = wrapped.dispatch
        service._atomic_write = wrapped.write
        service._persist_object = wrapped.persist
        service._persist_version_state = wrapped.persist_state
        service._record_object_version = wrapped.record_version
        service._record_delete_marker = wrapped.record_marker
        service._fire_s3_event_async = wrapped.fire
        return wrapped

    def catch_up(self) -> None:
        """Write what could not be written when it changed; in the event loop.

        Raises:
            OSError: there is still no room.
        """
        for bucket, key in tuple(self._behind):
            with _noted(), suppress(_NotWrittenError):
                self._make_up_for(bucket, key)
        if self._behind:
            raise OSError(f"{len(self._behind)} objects are older on disk than in memory")

    # In the place of ministack's functions

    def dispatch(self, method: str, bucket: str, key: str, *rest: Any) -> Answer:
        """Serve a request; events are told once everything is written."""
        upload_id = self._service._qp(rest[-1], "uploadId")
        upload = self._service._multipart_uploads.get(upload_id)
        with _noted() as request:
            try:
                if method not in {"GET", "HEAD"}:  # a repeated request finds it done in memory
                    self._make_up_for(bucket, key)
                answer: Answer = self._dispatch(method, bucket, key, *rest)
            except _NotWrittenError:
                self._take_back(request)
                if upload:  # it can be completed later
                    self._service._multipart_uploads[upload_id] = upload
            except _UnsayableError:
                self._take_back(request)
                answer = self._service._error("InvalidArgument", UNSAYABLE, 400)
            except _NothingThereError:
                answer = (204, {}, b"")
            if request.failure:
                answer = self._unavailable(request.failure)
        for fire in request.events:
            fire()
        return answer

    def write(self, path: str, data: bytes | str, *, text: bool = False) -> None:
        """Write a file; after one that failed no other of the same request."""
        request = _request.get()
        if request and request.failure:
            raise request.failure
        try:
            self._write(path, data, text=text)
        except OSError as error:
            if request:
                request.failure = error
            raise

    def persist(self, bucket: str, key: str, obj: dict[str, Any]) -> None:
        """Write an object and what is known of it: both or none, whatever the disk says.

        ministack's own puts the new content in place before it tries to write the sidecar: with
        no room for that, the older version's sidecar described the newer version's content.
        """
        request = _request.get() or _Request()
        service = self._service
        path = Path(service._object_disk_path(bucket, key))
        history = service._key_history_meta(bucket, key)
        known = {**service._object_meta_from_record(obj), **history, "key": key}
        contents = {path.with_name(f"{path.name}.meta.json"): json.dumps(known).encode()}
        if obj.get("body") is not None:  # else it is there already
            contents[path] = obj["body"]
        drafts = {target: target.with_name(f"{target.name}.tmp") for target in contents}
        try:
            if request.failure:
                raise request.failure
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for target, content in contents.items():
                _create(drafts[target], content)
            for target in reversed(contents):  # the content before what tells of it
                drafts[target].replace(target)
        except OSError as error:
            for draft in drafts.values():
                with suppress(OSError):
                    draft.unlink(missing_ok=True)
            request.failure = error
            raise _NotWrittenError from error
        obj["body"] = None
        base = os.path.join(service.DATA_DIR, service.get_account_id(), bucket)  # noqa: PTH118 - as ministack
        service._remove_key_files(service._other_key_disk_path(base, key, str(path)))

    def persist_state(self, bucket: str, key: str, known: dict[str, Any]) -> None:
        """Write what a key has become; what fails is owed, since it cannot be taken back."""
        with _noted() as request:
            try:
                self._persist_state(bucket, key, known)
            finally:
                if request.failure:
                    self._behind.add((bucket, key))

    def record_version(
        self, bucket: str, key: str, prior: dict[str, Any] | None, *rest: Any
    ) -> str | None:
        """Note what was before; the key of a form is seen here first."""
        self._note(bucket, key, prior)
        if not is_sayable(key):
            raise _UnsayableError
        version: str | None = self._record_version(bucket, key, prior, *rest)
        return version

    def record_marker(self, bucket: str, key: str, prior: dict[str, Any] | None) -> str:
        """Make a delete marker, on disk."""
        if prior is None and not is_sayable(key):
            raise _NothingThereError  # a marker would be listed
        self._note(bucket, key, prior)
        marker: str = self._record_marker(bucket, key, prior)
        request = _request.get()
        if request and request.failure:
            raise _NotWrittenError
        return marker

    def fire(self, *args: Any, **kwargs: Any) -> None:
        """Tell an event after the request, or at once where there is none."""
        request = _request.get()
        if request is None:
            self._fire(*args, **kwargs)
        else:
            request.events.append(lambda: self._fire(*args, **kwargs))

    # Help

    def _make_up_for(self, bucket: str, key: str) -> None:
        """Write what is owed of a key; without one, of all keys of the bucket."""
        for owed in tuple(self._behind):
            if owed[0] == bucket and key in {"", owed[1]}:
                self._behind.discard(owed)
                if (known := self._service._buckets.get(bucket)) is not None:
                    self.persist_state(*owed, known)
        request = _request.get()
        if request and request.failure:
            raise _NotWrittenError

    def _note(self, bucket: str, key: str, prior: dict[str, Any] | None) -> None:
        request = _request.get()
        if request is None:
            return
        versions = self._service._object_versions.get((bucket, key))
        copies = None if versions is None else [dict(version) for version in versions]
        request.before = _Before(bucket, key, prior, copies, len(request.events))

    def _take_back(self, request: _Request) -> None:
        before = request.before
        if before is None:
            return
        del request.events[before.events :]
        objects = self._service._buckets[before.bucket]["objects"]
        _put_back(objects, before.key, before.current)
        versions = self._service._object_versions
        _put_back(versions, (before.bucket, before.key), before.versions)

    def _unavailable(self, failure: OSError) -> Answer:
        _log.warning("an object could not be written: %s", failure)
        message = f"The object could not be written: {failure.strerror}"
        answer: Answer = self._service._error("ServiceUnavailable", message, 503)
        return answer


def _create(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)


def _put_back(known: Any, key: object, value: object) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value
