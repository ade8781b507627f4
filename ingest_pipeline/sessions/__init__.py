"""Vehicle sessions of voice-annotated events: from S3 into an event database. Knows no Dagster."""
