"""Dagster: vehicle sessions."""
