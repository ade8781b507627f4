"""What an image shows, in words."""
