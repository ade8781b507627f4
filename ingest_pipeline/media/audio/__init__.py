"""Sound: probed, described, drawn."""
