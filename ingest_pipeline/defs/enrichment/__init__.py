"""Dagster: previews and labels of what is indexed."""
