"""Batches of Arrow come out with the entities of their texts, row by row, and nothing is lost."""

from __future__ import annotations

import pytest
from fake_server import TOY
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tfner[hub]'")

import pyarrow

from tfner.exceptions import DataError
from tfner.serving.runtime.arrow_batches import ENTITIES, Columns, mark_arrow

pytestmark = pytest.mark.usefixtures("blocks_of_four")
texts = st.one_of(st.none(), st.text("AB o.é", max_size=12))


def batch_of(rows, kind=None):
    keys = [key for key, _ in rows]
    values = pyarrow.array([text for _, text in rows], kind or pyarrow.string())
    return pyarrow.RecordBatch.from_arrays(
        [pyarrow.array(keys, pyarrow.int64()), values], ["k", "t"]
    )


COLUMNS = Columns("t", "found", "why")


@given(st.lists(st.lists(texts, max_size=7), max_size=5), st.booleans())
def test_rows_keep_their_columns_and_order(batches, large):
    kind = pyarrow.large_string() if large else pyarrow.string()
    numbered = [list(enumerate(batch)) for batch in batches]
    given_batches = [batch_of(rows, kind) for rows in numbered]
    marked = list(mark_arrow(TOY, given_batches, COLUMNS))
    rows = [row for batch in marked for row in batch.to_pylist()]
    flat = [pair for batch in numbered for pair in batch]
    assert [(row["k"], row["t"]) for row in rows] == flat
    for row in rows:
        if row["t"] is None:
            assert row["found"] is None
            assert row["why"] == "expected a text, got null"
        else:
            assert row["why"] is None
            assert row["found"] == [entity.to_dict() for entity in TOY(row["t"])]
    for batch in marked:
        assert batch.schema.names == ["k", "t", "found", "why"]
        assert batch.schema.field("t").type == kind
        assert batch.schema.field("found").type == ENTITIES


def test_what_is_no_text_has_a_reason():
    column = pyarrow.array([b"Bo", b"a\xff", b"long text", None], pyarrow.binary())
    damaged = pyarrow.array([None, None, None, "{"])
    batch = pyarrow.RecordBatch.from_arrays([column, damaged], ["t", "_bad"])
    columns = COLUMNS._replace(max_characters=5, corrupt="_bad")
    (marked,) = mark_arrow(TOY, [batch], columns)
    assert marked.column("why").to_pylist() == [
        None,
        "expected text in utf-8, got the byte 0xff",
        "expected a text of at most 5 characters (max_line), got 9",
        "expected an object of JSON, got '{'",
    ]
    assert marked.column("found").is_null().to_pylist() == [False, True, True, True]


def test_a_strict_job_stops_at_the_first_and_names_its_row():
    batch = batch_of([(7, "Bo"), (8, None), (9, None)])
    with pytest.raises(DataError, match=r"row \{'k': 8\}: expected a text, got null"):
        list(mark_arrow(TOY, [batch], COLUMNS, strict=True))
    alone = batch.select(["t"])
    with pytest.raises(DataError, match=r"row \{\}: expected a text, got null"):
        list(mark_arrow(TOY, [alone], COLUMNS, strict=True))
