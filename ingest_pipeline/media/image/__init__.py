"""Pictures: probed and made small, in a limited child."""
