"""How Dagster assets are partitioned."""

import dagster as dg

# Days last for ever and make backfills natural; partitions per object are slow past 10,000.
# The end is tomorrow's midnight: today's objects need today's partition.
arrival_days = dg.DailyPartitionsDefinition(start_date="2015-01-01", timezone="UTC", end_offset=1)
