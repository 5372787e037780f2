"""Blocks of documents so small that a few texts fill several."""

from __future__ import annotations

import pytest

from tfner.serving.runtime import recognizer


@pytest.fixture(scope="module")
def blocks_of_four():
    """Put at most four documents, or twenty characters, into a block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognizer, "DOCUMENTS_IN_BLOCK", 4)
        patch.setattr(recognizer, "CHARACTERS_IN_BLOCK", 20)
        yield
