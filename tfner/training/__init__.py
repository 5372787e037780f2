"""A run: prepare, fit, evaluate, export; and what can be made of its folder later."""
