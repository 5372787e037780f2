"""Compares recipes of training over many corpora and seeds."""
