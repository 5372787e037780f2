"""The declaration of the signatures: what is read, merged and described by it, and that the docs
say the same."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.serving.schema import FEATURES, SIGNATURES, TEXTS, WORDS, OutputSchema

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"


def words_answer(rows: list[list[str]], width: int) -> dict[str, list]:
    padded = [row + [""] * (width - len(row)) for row in rows]
    scores = [[0.5] * len(row) + [0.0] * (width - len(row)) for row in rows]
    return {"tag": padded, "score": scores}


ROWS = st.lists(st.lists(st.sampled_from(["O", "B-A"]), max_size=4), min_size=1, max_size=4)


@given(st.lists(ROWS, min_size=1, max_size=4), st.integers(0, 6))
def test_merged_answers_are_the_answer_to_all_at_once(groups, columns):
    schema = SIGNATURES[WORDS]
    answers = []
    for rows in groups:
        width = max(map(len, rows))
        values = [[b"w"] * width] * len(rows)
        answers.append(schema.read(words_answer(rows, width), values))
    together = [row for rows in groups for row in rows]
    width = max(columns, *map(len, together))
    whole = schema.read(words_answer(together, width), [[b"w"] * width] * len(together))
    merged = schema.merge(answers, columns)
    for name, array in whole.items():
        np.testing.assert_array_equal(merged[name], array)
        assert merged[name].dtype == array.dtype


def test_an_output_that_only_some_answers_have_is_left_out_of_the_merged_one():
    later = OutputSchema("rank", "int32", "B", "", 0, lambda found: None)
    schema = SIGNATURES[WORDS].with_output(later)
    old, new = words_answer([["O"]], 1), {**words_answer([["O"]], 1), "rank": [3]}
    read_old, read_new = schema.read(old, [[b"w"]]), schema.read(new, [[b"w"]])
    assert read_new["rank"].tolist() == [3]
    assert set(schema.merge([read_new, read_old])) == {"tag", "score"}
    assert schema.merge([read_new, read_new])["rank"].tolist() == [3, 3]


@pytest.mark.parametrize("name", [TEXTS, WORDS, FEATURES])
def test_nothing_is_answered_with_what_is_declared_as_absent(name):
    for tensor in SIGNATURES[name].outputs:
        array = tensor.empty(2, 3, 4)
        assert array.shape == (2, 3, 4)[: len(tensor.axes)]
        assert (array == tensor.absent).all()


def test_the_table_in_the_docs_names_what_is_declared():
    section = DOCS.read_text(encoding="utf-8").split("## Signatures")[1].split("\n- ")[0]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| ")]
    names = [name for row in rows for cell in row for name in re.findall(r"`(\w+)`", cell)]
    declared = []
    for schema in SIGNATURES.values():
        tensors = (*schema.inputs, *schema.outputs)
        declared += [schema.name, *(tensor.name for tensor in tensors)]
    assert names == declared
