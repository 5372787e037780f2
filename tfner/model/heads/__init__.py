"""Turn hidden states into tags and entities: one module a head, its loss and its decoder with it."""
