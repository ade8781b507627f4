"""What the runs do, step by step, in plain functions. Knows AWS and the catalogue, no Dagster."""
