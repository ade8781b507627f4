"""What changes something: from messages to rows, files and deletions."""
