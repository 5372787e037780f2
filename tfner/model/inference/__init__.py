"""Run windows through an encoder and merge what comes out."""
