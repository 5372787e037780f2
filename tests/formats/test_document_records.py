"""A document's record is read back as the same document."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.formats.document_records import document_record
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.settings import ReadSettings

NAMES = st.text("abc ü7", max_size=5)


@st.composite
def documents(draw):
    text = draw(st.text("ab ü\n\U0001f600.", min_size=1, max_size=20))
    position = st.integers(0, len(text))
    entities = []
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(position), draw(position)))
        if start < end:
            entities.append(entity_at(text, start, end, draw(st.sampled_from(["PER", "LOC"]))))
    words = None
    if draw(st.booleans()):
        borders = sorted(draw(st.lists(position, min_size=2, max_size=8)))
        words = tuple(zip(borders[::2], borders[1::2], strict=False))
    id = draw(st.text("abc7", min_size=1, max_size=5))
    return Document(text, tuple(entities), words, id, draw(NAMES), draw(NAMES))


@given(documents())
def test_a_record_is_read_back_as_its_document(document):
    record = json.loads(json.dumps(document_record(document)))
    reader = RecordReader(lambda: [Item(record, "x", "")], ReadSettings(strict=True), Ledger())
    assert list(reader.documents()) == [document]


def test_a_document_of_no_word_has_none_again():
    document = Document.from_words([], id="a")
    item = Item(document_record(document), "x", "")
    assert list(RecordReader(lambda: [item], ReadSettings(), Ledger()).documents()) == [document]
