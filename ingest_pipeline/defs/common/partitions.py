"""How Dagster assets are partitioned."""

import dagster as dg

from ingest_pipeline.values import FIRST_DAY

# Days last for ever and make backfills natural; partitions per object are slow past 10,000.
# The end is tomorrow's midnight: today's objects need today's partition.
arrival_days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=1)
# Sessions go by their vehicles' clocks: in the far east it is tomorrow already.
session_days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=2)

# A backfill of a month is one run: each would list the buckets, and start, for itself.
ONE_RUN = dg.BackfillPolicy.single_run()


def day_range(first: str, last: str) -> dict[str, str]:
    """The run tags that stand for these days and all between them, as one run."""
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
