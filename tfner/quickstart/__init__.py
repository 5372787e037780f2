"""Hold the quickstart's corpus and encoder: `embedded:quickstart/…` in a configuration."""
