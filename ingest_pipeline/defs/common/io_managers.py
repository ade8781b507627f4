"""What one step hands to the next: rows of DynamoDB tables, or its answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from more_itertools import chunked, partition
from pydantic import PrivateAttr

from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.defs.common.config import objects_of_run
from ingest_pipeline.defs.common.pages import TOGETHER, AssetPages, MadePages, Pages, ReportPages
from ingest_pipeline.defs.common.resources.aws import AwsResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Result
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.records.tables import ASSETS, BY_DAY, REPORTS, Table
from ingest_pipeline.values import Frozen

TABLE = "dynamodb/table"  # the metadata key that says in which table an output's rows live
_TABLES: dict[str, Table[Any]] = {table.name: table for table in (REPORTS, ASSETS)}
_PAGES: dict[str, type[Pages[Any]]] = {REPORTS.name: ReportPages, ASSETS.name: AssetPages}
_KEPT = 2 * TOGETHER  # rows that are held on to; of more, as a day may have, only the keys are


class DynamoDBIOManager(dg.ConfigurableIOManager):
    """Writes rows to the table that the output's metadata names, and reads them back in pages.

    An input is always what its run is about. In the run that wrote them, those rows come: as they
    are, if they were written whatever was there, else as they stand, since a stored row that says
    more or is newer won. In another run, a re-execution say, the rows of the objects come that the
    run's config names; and all rows of the partitions' days only where it names none.
    """

    aws: dg.ResourceDependency[AwsResource]
    _written: dict[dg.AssetKey, "_Written"] = PrivateAttr(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: MadePages[Any]) -> None:
        """Write pages of rows, of any number; 0 is a fine number."""
        table, tables = _table(context), self.aws.tables
        written = self._written[context.asset_key] = _Written(table, tables)
        count = 0
        for rows in obj.pages:
            count += tables.put(table, rows)
            written.add(rows)
            obj.tally.add(rows)
        context.add_output_metadata(
            {
                **obj.describe(obj.tally),
                "dagster/row_count": count,
                "rows written": count,
                "rows that gave way": obj.tally.rows - count,
            }
        )

    def load_input(self, context: dg.InputContext) -> Pages[Any]:
        """Read rows."""
        if context.upstream_output is None:
            raise ValueError(f"{context.name} comes from no Dagster asset")
        if context.asset_key in self._written:
            return self._written[context.asset_key].pages()
        table, tables = _table(context.upstream_output), self.aws.tables

        def find(refs: Sequence[ObjectRef]) -> list[Any]:
            return _rows_of(table, tables, refs)

        if refs := objects_of_run(context.step_context.run_config):
            return _PAGES[table.name](lambda: map(find, chunked(refs, TOGETHER)), find)
        days = context.asset_partition_keys
        rows = (row for day in days for row in tables.query(table, BY_DAY, day))
        return _PAGES[table.name](lambda: chunked(rows, TOGETHER), find)


class _Written:
    """What a run has written of one table: the rows themselves while they are few."""

    def __init__(self, table: Table[Any], tables: Tables) -> None:
        self._table = table
        self._tables = tables
        self._keys: list[Mapping[str, str]] = []
        self._rows: list[Frozen] | None = []

    def add(self, rows: Sequence[Frozen]) -> None:
        self._keys += map(self._table.key, rows)
        if len(self._keys) > _KEPT:
            self._rows = None
        if self._rows is not None:
            self._rows += self._standing(rows)

    def _standing(self, rows: Sequence[Frozen]) -> Iterable[Frozen]:
        free, bound = partition(self._table.condition, rows)
        yield from free
        yield from self._tables.get_many(self._table, map(self._table.key, bound))

    def pages(self) -> Pages[Any]:
        kept, pages = self._rows, _PAGES[self._table.name]
        if kept is not None:
            return pages(lambda: [kept] if kept else [], lambda _refs: kept)
        return pages(
            lambda: (
                self._tables.get_many(self._table, keys) for keys in chunked(self._keys, TOGETHER)
            ),
            lambda refs: _rows_of(self._table, self._tables, refs),
        )


class ResultsIOManager(dg.ConfigurableIOManager):
    """Hands a step's answers to the last step of its run.

    A re-execution that begins behind the step finds none; what the tables say takes their place.
    """

    requests: dg.ResourceDependency[RequestsResource]
    _results: dict[dg.AssetKey, Sequence[Result[Any]]] = PrivateAttr(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: Sequence[Result[Any]]) -> None:
        """Keep the answers for as long as the run's process lives."""
        self._results[context.asset_key] = obj

    def load_input(self, context: dg.InputContext) -> Sequence[Result[Any]]:
        """The answers of this run, or what is on record of its objects."""
        if context.asset_key in self._results:
            return self._results[context.asset_key]
        return self.requests.requests.on_record(objects_of_run(context.step_context.run_config))


def _rows_of(table: Table[Any], tables: Tables, refs: Sequence[ObjectRef]) -> list[Any]:
    if table is REPORTS:
        return list(reports_of(tables, refs))
    return tables.get_many(table, [{"bucket": ref.bucket, "file": ref.key} for ref in refs])


def _table(output: dg.OutputContext) -> Table[Any]:
    return _TABLES[output.definition_metadata[TABLE]]
