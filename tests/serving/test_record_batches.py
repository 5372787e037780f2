"""Records that come in batches get the entities that `predict` finds, whatever the batches are."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from fake_server import TOY
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document
from tfner.serving.runtime.recognizer import in_blocks
from tfner.serving.runtime.record_batches import mark_batches


@dataclass
class Text:
    """Hold a record whose text is a document, unless it is None in the batch."""

    text: str
    document: Document | None


def record_of(text):
    return Text("", None) if text is None else Text(text, Document(text))


pytestmark = pytest.mark.usefixtures("blocks_of_four")
texts = st.one_of(st.none(), st.text("AB o.", max_size=12))


@given(st.lists(st.lists(texts, max_size=7), max_size=5))
def test_every_record_comes_once_in_its_order_with_the_entities_of_its_text(batches):
    records = [[record_of(text) for text in batch] for batch in batches]
    flat = [record for batch in records for record in batch]
    blocks = list(mark_batches(TOY, records))
    marked = [pair for block in blocks for pair in block]
    assert [pair.record for pair in marked] == flat
    for record, entities in marked:
        expected = None if record.document is None else list(TOY(record.text))
        assert entities == expected
    sizes = [len(block) for block in blocks]
    assert sizes == [len(block) for block in in_blocks(flat)]
