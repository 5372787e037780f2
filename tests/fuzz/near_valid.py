"""Bytes as Hypothesis draws them for a target.

Any, and what a few edits make of one that it begins from.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st


@st.composite
def near_valid(draw, seeds: Sequence[bytes], words: Sequence[str]) -> bytes:
    """A seed after up to four edits.

    Each of which replaces a few bytes by a word or by any bytes.
    """
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 8))
        piece = draw(st.sampled_from(words).map(str.encode) | st.binary(max_size=4))
        data = data[:start] + piece + data[start + length :]
    return data


def any_bytes(seeds: Sequence[bytes], words: Sequence[str]) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=60) | near_valid(seeds, words)
