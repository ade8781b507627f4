"""Film: probed, transcoded, checked."""
