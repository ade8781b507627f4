"""What the project measures of itself, each figure beside a baseline of the same run."""
