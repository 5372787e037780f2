"""Bounded batches of documents: nothing dropped, nothing mixed, none padded to a book's length."""

from __future__ import annotations

from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from tfner.data.batching.batch_by_size import batch_by_padded_size, batch_by_size, encode_text
from tfner.documents import Document

documents = st.lists(
    st.builds(
        lambda length, given: Document("x" * length, words=() if given else None),
        st.integers(0, 30),
        st.booleans(),
    ),
    max_size=20,
)


def fits(batch: list[Document], count: int, characters: int) -> bool:
    """Whether documents may be worked on at once."""
    padded = len(batch) * max(len(document.text) for document in batch)
    alike = len({document.words is None for document in batch}) == 1
    return len(batch) == 1 or (len(batch) <= count and padded <= characters and alike)


@given(given_documents=documents, count=st.integers(1, 6), characters=st.integers(1, 80))
def test_batches_are_bounded_and_as_large_as_the_bounds_allow(given_documents, count, characters):
    found = list(batch_by_padded_size(iter(given_documents), count=count, characters=characters))
    assert [document for batch in found for document in batch] == given_documents
    assert all(fits(batch, count, characters) for batch in found)
    assert not any(
        fits([*before, after[0]], count, characters) for before, after in pairwise(found)
    )


@given(given_documents=documents, count=st.integers(1, 6), characters=st.integers(1, 80))
def test_blocks_are_bounded_and_as_large_as_the_bounds_allow(given_documents, count, characters):
    def fits_block(block: list[Document]) -> bool:
        return len(block) == 1 or (
            len(block) <= count and sum(len(document.text) for document in block) <= characters
        )

    found = list(batch_by_size(iter(given_documents), count=count, characters=characters))
    assert [document for block in found for document in block] == given_documents
    assert all(map(fits_block, found))
    assert not any(fits_block([*before, after[0]]) for before, after in pairwise(found))


def test_a_stream_is_read_no_further_than_needed():
    endless = (Document("x") for _ in iter(int, 1))
    assert [
        len(batch) for batch in islice(batch_by_padded_size(endless, count=3, characters=100), 2)
    ] == [3, 3]
    assert [len(block) for block in islice(batch_by_size(endless, count=3, characters=100), 2)] == [
        3,
        3,
    ]


@given(st.text(st.characters(exclude_categories=())))
def test_every_str_has_bytes_with_a_code_point_for_each_of_its_own(text):
    decoded = encode_text(text).decode()
    assert len(decoded) == len(text)
    assert all(
        new == old or (new == "\ufffd" and "\ud800" <= old <= "\udfff")
        for new, old in zip(decoded, text, strict=True)
    )
