"""Dagster, thin: what is defined here calls the plain modules that do the work."""

import warnings

import dagster as dg

# Beta since 1.5 and unchanged; every other warning stays one.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)
