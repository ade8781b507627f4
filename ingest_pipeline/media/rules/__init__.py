"""What is valid where, and the judgement by it."""
