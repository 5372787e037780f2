"""An export of the tiny tagger that reads raw text sentence by sentence."""

from __future__ import annotations

import functools
from pathlib import Path

import tiny


@functools.cache
def exported() -> Path:
    """Write it once; give the folder of version 1."""
    return tiny.export_of(tiny.tagger(by_sentence=True), "tiny", "export-sentences")


@functools.cache
def served():
    """Load that export as TensorFlow does."""
    return tiny.load_for_serving(exported())
