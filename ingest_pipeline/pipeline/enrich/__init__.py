"""What is made of indexed objects."""
