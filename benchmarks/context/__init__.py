"""Measures models of single sentences on whole documents, and the other way round."""
