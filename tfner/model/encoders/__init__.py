"""Turn pieces into hidden states: one module a kind of encoder, and how a checkpoint is read."""
