"""What the Dagster definitions of every subject use."""
