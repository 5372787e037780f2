"""What is trimmed off an entity is what the graph gives no piece, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimmed import trimmed

from tfner.documents import Document, entity_at
from tfner.tagging.borders import is_blank, trim_span

BLANKS = " \t\n\r\u00a0\u200b\u200d\ufeff\u00ad\u2028\x00\x85\ufffd\ue000"
TEXTS = st.text(st.sampled_from([*BLANKS, *"aB.,@東\u0301é😀"]), max_size=12)


@pytest.mark.parametrize("strip_accents", [False, True])
def test_blank_is_what_the_table_of_the_graph_deletes_or_makes_a_space(strip_accents):
    from tfner.tokenizers import characters

    table = characters.character_table(
        lowercase=True, strip_accents=strip_accents, tokenize_chinese_chars=True, clean_text=True
    )
    code = np.arange(characters.CODE_POINTS)
    block = table.index[code >> characters.BLOCK_SHIFT]
    classes = table.blocks[block + (code & characters.BLOCK_MASK)] & characters.CLASS_MASK
    seen_as_blank = np.isin(classes, [characters.SPACE, characters.DELETED])
    blank = np.array([is_blank(chr(point)) for point in code])
    assert np.flatnonzero(seen_as_blank != blank).tolist() == []


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_units_of_raw_text_begin_and_end_with_no_blank(texts):
    import tensorflow as tf
    import tiny

    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    tokens = tiny.tokenizer().tokenize_text(tf.constant(texts))
    starts, ends = tokens.unit_start.to_list(), tokens.unit_end.to_list()
    for text, row_starts, row_ends in zip(texts, starts, ends, strict=True):
        for start, end in zip(row_starts, row_ends, strict=True):
            assert trim_span(text, start, end) == (start, end), (text, start, end)
        if text and not row_starts:
            # A combining accent belongs to the character before it; alone it has no piece.
            assert all(map(is_blank, text.replace("\u0301", "")))


@given(TEXTS, st.data())
def test_a_span_is_trimmed_as_in_the_obvious_way(text, data):
    borders = st.integers(0, len(text))
    start, end = sorted(data.draw(st.tuples(borders, borders)))
    cuts = sorted(data.draw(st.lists(borders, max_size=6)))
    words = data.draw(st.none() | st.just(tuple(zip(cuts[::2], cuts[1::2], strict=False))))
    document = Document(text, (entity_at(text, start, end, "X"),), words)
    first, last = trim_span(text, start, end, words)
    expected = [(entity.start, entity.end) for entity in trimmed(document).entities]
    assert ([(first, last)] if first < last else []) == expected
    again = replace(document, entities=(entity_at(text, first, last, "X"),))
    assert [(first, last)] * len(expected) == [
        (entity.start, entity.end) for entity in trimmed(again).entities
    ]
