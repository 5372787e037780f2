"""The quickstart's own corpus, vocabulary and encoder configuration: `embedded:quickstart/…` in a configuration."""
