"""Dagster: previews, labels and transcripts of what is indexed."""
