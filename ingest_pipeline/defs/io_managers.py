"""Rows of DynamoDB tables as the values of Dagster assets."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from ingest_pipeline.catalog.tables import ASSETS, BY_DAY, REPORTS, Table
from ingest_pipeline.defs.resources import AwsResource
from ingest_pipeline.media.model import Frozen

TABLE = "dynamodb/table"  # the metadata key that says in which table an output's rows live
_TABLES: dict[str, Table[Any]] = {table.name: table for table in (REPORTS, ASSETS)}


class DynamoDBIOManager(dg.ConfigurableIOManager):
    """Writes a list of rows to the table that the output's metadata names, and reads it back.

    In the run that wrote them rows are read back by key: where a stored row won, because it says
    more or is newer, that one comes. In any other run all rows of the input's partitions come.
    """

    aws: dg.ResourceDependency[AwsResource]
    _written: dict[dg.AssetKey, list[dict[str, str]]] = PrivateAttr(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: Sequence[Frozen]) -> None:
        """Write rows, of any number; 0 is a fine number."""
        table = _table(context)
        written = self.aws.system.tables.put(table, obj)
        self._written[context.asset_key] = [table.key(row) for row in obj]
        context.add_output_metadata(
            {"rows written": written, "rows that gave way": len(obj) - written}
        )

    def load_input(self, context: dg.InputContext) -> list[Frozen]:
        """Read rows."""
        if context.upstream_output is None:
            raise ValueError(f"{context.name} comes from no Dagster asset")
        table = _table(context.upstream_output)
        tables = self.aws.system.tables
        keys = self._written.get(context.asset_key)
        if keys is not None:
            return tables.get_many(table, keys)
        return [
            row for day in context.asset_partition_keys for row in tables.query(table, BY_DAY, day)
        ]


def _table(output: dg.OutputContext) -> Table[Any]:
    return _TABLES[output.definition_metadata[TABLE]]
