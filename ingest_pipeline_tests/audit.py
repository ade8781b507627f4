"""An audit from outside: what was put, compared with buckets, tables and queues.

It shares no code with what it audits but the names of tables, places and rows: it lists and scans,
and believes neither the index nor the reports.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ingest_pipeline.aws.items import fields_of
from ingest_pipeline.aws.objects.publish import published
from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.video.presets import load_presets
from ingest_pipeline.records.model import (
    POSTED,
    ImageLabels,
    ObjectRef,
    Outcome,
    Preview,
    Rendition,
    Report,
)
from ingest_pipeline.records.places import named_objects
from ingest_pipeline.records.tables import (
    ASSETS,
    IMAGE_LABELS,
    POSTS,
    PREVIEWS,
    RECEIPTS,
    RENDITIONS,
    REPORTS,
    TRANSCODE_JOBS,
    TRANSCRIPTS,
    Row,
    Table,
)
from ingest_pipeline.system import System
from ingest_pipeline.values import object_uri

_STANDING = {Outcome.INDEXED, Outcome.KEPT}
_RENDITION, _PREVIEW, _LABELS = "a rendition", "a preview", "labels"
_MADE_OF = {
    Kind.AUDIO: (_PREVIEW,),
    Kind.IMAGE: (_PREVIEW, _LABELS),
    Kind.VIDEO: (_RENDITION, _PREVIEW),
}

Made = Rendition | Preview | ImageLabels


@dataclass(frozen=True)
class Put:
    """A version that was put, and what it has to have come to."""

    ref: ObjectRef
    outcome: Outcome
    is_made_of: bool = True  # False: what is made of it is not waited for

    @property
    def name(self) -> tuple[str, str]:
        """Its address and its version."""
        return self.ref.uri, self.ref.row_version


def given_up(system: System) -> dict[str, int]:
    """How many messages lie in each dead letter queue."""
    return {each.dead_letters.name: each.dead_letters.depth().waiting for each in system.queues}


def audit(
    system: System,
    puts: Iterable[Put],
    *,
    below: str = "",
    given_up_before: Mapping[str, int] | None = None,
    runs_were_killed: bool = False,
) -> list[str]:
    """Everything that is not as it has to be, a sentence each; empty is well.

    `puts` are all versions that were put into the sources' buckets: below a prefix, where others
    put there, too; what these had given up before is not counted. The receipts of killed runs
    stay until they expire. Call it when the system is at rest.
    """
    by_name = {put.name: put for put in puts}
    found = _Audit(system, by_name, below, given_up_before or {}, runs_were_killed)
    return list(found.sentences())


def wait_until_well(
    system: System,
    puts: Iterable[Put],
    *,
    below: str,
    given_up_before: Mapping[str, int],
    runs_were_killed: bool = False,
    seconds: float = 200,
) -> None:
    """Audit a system that is still at work, until it is at rest and the audit finds nothing.

    Raises:
        AssertionError: it found something to the end; the message says what.
    """
    puts = list(puts)
    deadline = time.monotonic() + seconds
    look = partial(
        audit,
        system,
        puts,
        below=below,
        given_up_before=given_up_before,
        runs_were_killed=runs_were_killed,
    )
    while told := look():
        assert time.monotonic() < deadline, "\n".join(told)
        time.sleep(1)


@dataclass
class _Audit:
    system: System
    puts: dict[tuple[str, str], Put]
    below: str
    given_up_before: Mapping[str, int]
    runs_were_killed: bool
    _current: dict[str, str] = field(default_factory=dict)  # version by address

    def sentences(self) -> Iterator[str]:
        yield from self._versions()
        yield from self._reports()
        yield from self._index()
        yield from self._rows()
        yield from self._files()
        yield from self._lacking()
        yield from self._jobs()
        yield from self._posts()
        yield from self._queues()
        if not self.runs_were_killed:
            yield from self._receipts()

    @cached_property
    def _buckets(self) -> list[str]:
        return self.system.sources.all_buckets

    def _is_mine(self, bucket: str, key: str) -> bool:
        return bucket in self._buckets and key.startswith(self.below)

    def _versions(self) -> Iterator[str]:
        """S3's own story: every version is there still, and stands or does not as it has to."""
        listed = Counter(self._listed())
        for name in listed.keys() - self.puts.keys():
            yield f"{_named(name)} stands in its bucket, and nobody put it"
        for name, put in self.puts.items():
            is_current = self._current.get(name[0]) == name[1]
            if not listed[name]:
                yield f"{_named(name)} is lost for good"
            elif put.outcome in _STANDING and not is_current:
                yield f"{_named(name)} was taken away, wanted {put.outcome}"
            elif put.outcome not in _STANDING and is_current:
                yield f"{_named(name)} stands still, wanted {put.outcome}"

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Every version of every key; on the way, which of them are current."""
        for bucket in self._buckets:
            pages = self.system.clients.s3.get_paginator("list_object_versions").paginate(
                Bucket=bucket, Prefix=self.below
            )
            for entry in (entry for page in pages for entry in page.get("Versions", [])):
                uri, told = object_uri(bucket, entry["Key"]), entry["VersionId"]
                version = entry["ETag"].strip('"') if told == "null" else told
                if entry["IsLatest"]:
                    self._current[uri] = version
                yield uri, version

    def _reports(self) -> Iterator[str]:
        told = {(report.uri, report.version): report for report in self._all_reports}
        for name in told.keys() - self.puts.keys():
            yield f"{_named(name)} is told of, and nobody put it"
        for name, put in self.puts.items():
            if name not in told:
                yield f"{_named(name)} is not told of"
            elif told[name].outcome is not put.outcome:
                yield f"{_named(name)} is told {told[name].outcome}, wanted {put.outcome}"

    def _index(self) -> Iterator[str]:
        live = {
            asset.uri: asset.version
            for asset in self._mine(ASSETS)
            if not asset.is_deleted and asset.version != POSTED
        }
        wanted = {put.ref.uri: version for (_, version), put in self._indexed.items()}
        for uri in live.keys() - wanted.keys():
            yield f"{uri} is in the index, and nothing is to be there"
        for uri, version in wanted.items():
            if live.get(uri) != version:
                yield f"{uri} is in the index as version {live.get(uri)}, wanted {version}"

    @property
    def _indexed(self) -> dict[tuple[str, str], Put]:
        return {name: put for name, put in self.puts.items() if put.outcome is Outcome.INDEXED}

    @cached_property
    def _all_reports(self) -> list[Report]:
        return list(self._mine(REPORTS))

    @cached_property
    def _made(self) -> list[Made]:
        tables: tuple[Table[Any], ...] = (RENDITIONS, PREVIEWS, IMAGE_LABELS, TRANSCRIPTS)
        return [row for table in tables for row in self._mine(table)]

    def _rows(self) -> Iterator[str]:
        """Nothing derived of what is gone."""
        for row in self._made:
            if (row.uri, row.version) not in self._indexed:
                yield f"{_noun(row)} of {_named((row.uri, row.version))} is left over"

    def _files(self) -> Iterator[str]:
        """No row without its files, no file without a row."""
        named = {key: row for row in self._made for key in _files_of(row)}
        standing = set(self._list_renditions())
        for key in named.keys() - standing:
            row = named[key]
            yield f"{_noun(row)} of {_named((row.uri, row.version))} lacks its file {key!r}"
        for key in standing - named.keys():
            yield f"the file {key!r} is named by no row"
        for key in standing & named.keys():
            stored = published(self.system.clients.s3, self.system.config.rendition_bucket, key)
            row = named[key]
            made_of = (stored.source, stored.source_version)
            if made_of != (row.uri, row.version):
                told = f"version {made_of[1]} of {made_of[0]}"
                yield f"the file {key!r} of {_named((row.uri, row.version))} is of {told}"

    def _list_renditions(self) -> Iterator[str]:
        pages = self.system.clients.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.system.config.rendition_bucket
        )
        for page in pages:
            for entry in page.get("Contents", []):
                key = entry["Key"]
                named = named_objects(key, self._buckets)
                if not self.below or any(self._is_mine(*each) for each in named):
                    yield key

    def _lacking(self) -> Iterator[str]:
        """Everything made of what is in the index, but what its report says cannot be made."""
        presets = load_presets(self.system.config.presets).wanted(None)
        made: Counter[tuple[str, str, str]] = Counter(
            (row.uri, row.version, _noun(row)) for row in self._made
        )
        reports = {(report.uri, report.version): report for report in self._all_reports}
        for name, put in self._indexed.items():
            report = reports.get(name)
            if report is None or report.probe is None or not put.is_made_of:
                continue
            for noun in _MADE_OF.get(report.probe.kind, ()):
                wanted = len(presets) if noun is _RENDITION else 1
                if made[*name, noun] != wanted and not (noun is _RENDITION and report.reasons):
                    yield f"{_named(name)} has {made[*name, noun]} of {noun}, wanted {wanted}"

    def _jobs(self) -> Iterator[str]:
        for job in self._mine(TRANSCODE_JOBS):
            yield f"a job of {_named((job.uri, job.version))} is under way still"

    def _posts(self) -> Iterator[str]:
        photos = {
            put.ref.key
            for put in self._indexed.values()
            if put.ref.bucket == self.system.config.photo_bucket
        }
        if self.system.config.photo_bucket not in self._buckets:
            return
        for fields in self._scan(POSTS.name):
            image = fields.get("image") or ""
            is_mine = image and self._is_mine(self.system.config.photo_bucket, image)
            if is_mine and image not in photos:
                yield f"the post {fields['id']} shows {image!r}, which is no more"

    def _queues(self) -> Iterator[str]:
        for queue in (each.queue for each in self.system.queues):
            depth = queue.depth()
            if depth.waiting or depth.in_flight:
                yield f"{queue.name}: {depth.waiting} messages, {depth.in_flight} in flight"
        for name, waiting in given_up(self.system).items():
            if new := waiting - self.given_up_before.get(name, 0):
                yield f"{name}: {new} messages were given up"

    def _receipts(self) -> Iterator[str]:
        for fields in self._scan(RECEIPTS.name):
            row = _row(RECEIPTS, fields)
            for ref in (ref for receipt in row.receipts for ref in receipt.objects):
                if self._is_mine(ref.bucket, ref.key):
                    yield f"a receipt waits for {ref.uri}"

    def _mine(self, table: Table[Row]) -> Iterator[Row]:
        """The rows of a table that are of the sources' objects."""
        for fields in self._scan(table.name):
            key = fields.get("file" if table is ASSETS else "key")
            if key and self._is_mine(fields.get("bucket", ""), key):  # others' may lack both
                yield _row(table, fields)

    def _scan(self, table: str) -> Iterator[dict[str, Any]]:
        pages = self.system.clients.dynamodb.get_paginator("scan").paginate(
            TableName=table, ConsistentRead=True
        )
        for page in pages:
            yield from map(fields_of, page["Items"])


def _row(table: Table[Row], fields: dict[str, Any]) -> Row:
    known = {name: fields[name] for name in table.row_type.model_fields if name in fields}
    return table.row_type.model_validate(known)


def _files_of(row: Made) -> list[str]:
    match row:
        case Rendition():
            return [row.rendition_key, *filter(None, [row.poster_key]), *row.thumbnail_keys]
        case Preview():
            return [key for key in (row.preview_key, row.strip_key) if key]
        case _:
            return []


def _noun(row: Made) -> str:
    return {Rendition: _RENDITION, Preview: _PREVIEW, ImageLabels: _LABELS}[type(row)]


def _named(name: tuple[str, str]) -> str:
    return f"{name[0]!r} version {name[1]}"
