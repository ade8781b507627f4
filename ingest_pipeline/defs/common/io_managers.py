"""Rows of DynamoDB tables as the values of Dagster assets."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from more_itertools import partition
from pydantic import PrivateAttr

from ingest_pipeline.defs.common.resources import AwsResource
from ingest_pipeline.records.tables import (
    ASSETS,
    BY_DAY,
    REPORTS,
    Table,
)
from ingest_pipeline.values import Frozen

TABLE = "dynamodb/table"  # the metadata key that says in which table an output's rows live
_TABLES: dict[str, Table[Any]] = {table.name: table for table in (REPORTS, ASSETS)}


class DynamoDBIOManager(dg.ConfigurableIOManager):
    """Writes a list of rows to the table that the output's metadata names, and reads it back.

    In the run that wrote them, rows that were written whatever was there are handed on as they
    are. Those with a condition are read back once: where a stored row won, because it says more or
    is newer, that one comes. In any other run all rows of the input's partitions come.
    """

    aws: dg.ResourceDependency[AwsResource]
    _standing: dict[dg.AssetKey, list[Frozen]] = PrivateAttr(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: Sequence[Frozen]) -> None:
        """Write rows, of any number; 0 is a fine number."""
        table = _table(context)
        written = self.aws.system.tables.put(table, obj)
        free, bound = partition(table.condition, obj)
        stored = self.aws.system.tables.get_many(table, map(table.key, bound))
        self._standing[context.asset_key] = [*free, *stored]
        context.add_output_metadata(
            {"rows written": written, "rows that gave way": len(obj) - written}
        )

    def load_input(self, context: dg.InputContext) -> list[Frozen]:
        """Read rows."""
        if context.upstream_output is None:
            raise ValueError(f"{context.name} comes from no Dagster asset")
        table = _table(context.upstream_output)
        tables = self.aws.system.tables
        if context.asset_key in self._standing:
            return self._standing[context.asset_key]
        return [
            row for day in context.asset_partition_keys for row in tables.query(table, BY_DAY, day)
        ]


def _table(output: dg.OutputContext) -> Table[Any]:
    return _TABLES[output.definition_metadata[TABLE]]
