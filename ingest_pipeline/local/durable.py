"""What the embedded AWS acknowledges is on disk: a write that fails is answered as a failure.

ministack logs a failed write and goes on from memory, so that on a full disk it acknowledged
objects which the next start did not know (10 of 10 after a graceful stop). Here the functions of
its S3 that write are wrapped, by their private names: it has no public way. A test fails where a
newer version has others.
"""

# ruff: noqa: SLF001 - what else could be wrapped
# ruff: noqa: ANN401 - ministack has no types

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Any

from ingest_pipeline.local.bodies import Draft, Drafts, Part, read, write
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
    parts: list[Part] = field(default_factory=list)  # of the object that is made of them


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

    def __init__(self, service: Any, drafts: Drafts) -> None:
        self._service = service
        self._drafts = drafts
        self._behind: set[tuple[str, str]] = set()  # keys whose files are older than the memory
        self._dispatch = service._dispatch
        self._write = service._atomic_write
        self._persist_state = service._persist_version_state
        self._record_version = service._record_object_version
        self._record_marker = service._record_delete_marker

    @classmethod
    def of(cls, service: Any, drafts: Drafts) -> "DurableObjects":
        """Wrap the module in place."""
        wrapped = cls(service, drafts)
        service._dispatch = wrapped.dispatch
        service._atomic_write = wrapped.write
        service._persist_object = wrapped.persist
        service._persist_version_state = wrapped.persist_state
        service._record_object_version = wrapped.record_version
        service._record_delete_marker = wrapped.record_marker
        service._fire_s3_event_async = wrapped.fire
        service._read_body = wrapped.read_body
        service._version_body = wrapped.version_body
        service.hashlib = _Hashing()
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
                if upload and method == "PUT":
                    self._keep_part(upload, int(self._service._qp(rest[-1], "partNumber") or 0))
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
        body = obj.get("body")
        if body is not None:  # else it is there already
            contents[path] = body
        drafts = {target: target.with_name(f"{target.name}.tmp") for target in contents}
        try:
            if request.failure:
                raise request.failure
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for target, content in contents.items():
                if isinstance(content, Draft):
                    content.path.replace(drafts[target])
                else:
                    write(drafts[target], content)
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
        self, bucket: str, key: str, prior: dict[str, Any] | None, obj: dict[str, Any], _: Any
    ) -> str | None:
        """Note what was before; the key of a form is seen here first."""
        self._note(bucket, key, prior)
        if not is_sayable(key):
            raise _UnsayableError
        if (request := _request.get()) and request.parts:
            self._join(request, obj)
        # It would keep the content of every version in memory: 4.7 GB after 4 GB of uploads.
        version: str | None = self._record_version(bucket, key, prior, obj, None)
        for known in self._service._object_versions.get((bucket, key), []):
            known["data"] = None  # also of what was there before there were versions
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

    def fire(self, bucket: str, *args: Any, **kwargs: Any) -> None:
        """Tell an event after the request, or at once where there is none.

        ministack starts a thread for each, which took a quarter of the time of a small upload.
        """
        service = self._service

        def tell() -> None:
            if bucket in service._bucket_notifications:
                sequencer = service._next_event_sequencer(args[1])
                service._fire_s3_event(bucket, *args, **kwargs, sequencer=sequencer)

        if (request := _request.get()) is None:
            tell()
        else:
            request.events.append(tell)

    def read_body(self, bucket: str, key: str, obj: dict[str, Any]) -> bytes | mmap:
        """Give the content of an object, mapped where it is large."""
        if obj.get("body") is not None:
            content: bytes | mmap = obj["body"]
            return content
        try:
            return read(Path(self._service._object_disk_path(bucket, key)))
        except OSError as error:
            _log.warning("%s/%s cannot be read: %s", bucket, key, error)
            return b""

    def version_body(
        self, objects: dict[str, Any], bucket: str, key: str, version: dict[str, Any]
    ) -> bytes | mmap | None:
        """Give the content of a version, which lies elsewhere once it is no longer the current."""
        if self._service._version_file_exists(bucket, key, version["version_id"]):
            path = self._service._version_disk_path(bucket, key, version["version_id"])
            return read(Path(path))
        current = objects["objects"].get(key)
        if current and (current.get("version_id") or "null") == version["version_id"]:
            return self.read_body(bucket, key, current)
        return None

    # Help

    def _keep_part(self, upload: dict[str, Any], number: int) -> None:
        """Bring a part that was taken to the disk; it is not taken where that fails."""
        taken = upload["parts"].get(number)
        if taken is None or isinstance(taken["body"], Part):
            return
        try:
            taken["body"] = self._drafts.part(taken["body"])
        except OSError as error:
            del upload["parts"][number]
            _now().failure = error

    def _join(self, request: _Request, obj: dict[str, Any]) -> None:
        """Give an object the content of its parts; ministack joined what is empty."""
        try:
            obj["body"] = self._drafts.joined(request.parts)
        except OSError as error:
            request.failure = error
            raise _NotWrittenError from error
        obj["size"] = sum(len(part) for part in request.parts)

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


class _Hashing:
    """`hashlib` for ministack's S3, which hashes the parts of an object in their order."""

    def __getattr__(self, name: str) -> Any:
        return getattr(hashlib, name)

    def md5(self, content: Any) -> Any:
        """Hash; a part is known already, and noted."""
        if not isinstance(content, Part):
            return hashlib.md5(content)  # noqa: S324 - what an ETag is
        _now().parts.append(content)
        return _Known(content.digest)


@dataclass(frozen=True)
class _Known:
    """A hash that was made before."""

    value: bytes

    def digest(self) -> bytes:
        return self.value


def _now() -> _Request:
    return _request.get() or _Request()


def _put_back(known: Any, key: object, value: object) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value
