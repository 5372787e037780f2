"""Judge a corpus before a model is trained on it: what is wrong, where, and what to do."""
