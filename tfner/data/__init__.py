"""Encode documents to windows, and put windows together into batches."""
