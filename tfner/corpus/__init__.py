"""Account for a corpus: what was dropped from it, what it holds."""
