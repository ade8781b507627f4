"""What a file is and what is valid there. Knows no AWS and no Dagster."""
