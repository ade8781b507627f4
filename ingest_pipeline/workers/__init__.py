"""Runs on warm processes: lanes, broker, launcher, coordinator, worker. Knows no AWS."""
