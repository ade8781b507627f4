"""Dagster: what videos are transcoded to."""
