"""Messages: polled, batched, leased, acknowledged, redriven."""
