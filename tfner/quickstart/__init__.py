"""Hold the quickstart's corpus, vocabulary and encoder, which settings name `embedded:quickstart/…`."""
