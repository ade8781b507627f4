"""The way of every object: validated, indexed or rejected, finalized; deleted, restored."""
