"""Dagster: what looks at the whole, and mends it."""
