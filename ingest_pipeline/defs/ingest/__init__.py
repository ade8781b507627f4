"""The Dagster assets, one module for each kind of media."""
