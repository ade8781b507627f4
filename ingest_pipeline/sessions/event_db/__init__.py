"""The database of session events, one interface over several engines."""
