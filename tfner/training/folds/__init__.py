"""Cross-validation: a run a fold, and what each says of the documents that it has not learned."""
