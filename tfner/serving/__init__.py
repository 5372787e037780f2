"""The SavedModel: what it answers, how it is written, how it is used."""
