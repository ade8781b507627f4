"""Dagster, thin: what is defined here calls the plain modules that do the work."""

import warnings

import dagster as dg

# Beta since 1.5 and unchanged; every other warning of ours stays one.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)
warnings.filterwarnings(
    "ignore",
    message="(Function|Class) `(with_source_code_references|\\w*CodeReference\\w*)`",
    category=dg.BetaWarning,
)
# Dagster's own doing: it copies each sensor with its (no) owners, and asks pydantic the old way for
# the fields of a resource that has none.
warnings.filterwarnings("ignore", message="Parameter `owners`", category=dg.BetaWarning)
warnings.filterwarnings("ignore", message="The `__fields__`", category=DeprecationWarning)
# `python_logs` of dagster.yaml.
warnings.filterwarnings("ignore", message="Handling yaml-defined", category=dg.BetaWarning)
