"""The only place that starts a child, and the limits that it lives under."""
