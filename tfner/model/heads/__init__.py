"""Turn hidden states into tags and entities.

One module a head, its loss and its decoder with it.
"""
