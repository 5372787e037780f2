"""Turn hidden states or their probabilities into tags and entities."""
