"""Texts that stand in several documents with different marks."""

from __future__ import annotations

from collections import defaultdict

import pytest
from corpora import marked, real
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.verdicts.texts import judge_texts
from tfner.documents import Document, Entity

PER, LOC = Entity(0, 1, "PER"), Entity(0, 1, "LOC")


def contradictory(splits):
    """Compare every pair of documents."""
    documents = [document for split in splits.values() for document in split]
    found = defaultdict(set)
    for one in documents:
        for other in documents:
            keys = [{entity.key for entity in each.entities} for each in (one, other)]
            if one.text == other.text and one.text.strip() and keys[0] != keys[1]:
                found[one.text] |= {one.id, other.id}
    return found


def test_both_ways_of_marking_are_named():
    splits = {
        "train": [marked("Bo", "left", id="train:1"), marked("Bo", "left", id="train:2")],
        "dev": [marked("Bo", "left", spans=[(0, 1, "PER")], id="dev:1")],
    }
    (found,) = judge_texts(splits)
    assert found.severity == "warning"
    assert found.sentence == (
        '1 text stands in 3 documents with different marks: "Bo left" (train:1, dev:1)'
    )


def test_the_same_marks_in_another_order_or_with_another_score_are_the_same():
    one = Document("a b", (Entity(0, 1, "PER", 0.5), Entity(2, 3, "PER")))
    other = Document("a b", (Entity(2, 3, "PER", 1.0, "b"), Entity(0, 1, "PER")))
    assert list(judge_texts({"train": [one, other]})) == []


@given(
    st.lists(
        st.builds(
            Document,
            st.sampled_from(["a", "b", " ", "", "\ud800"]),
            st.sampled_from([(), (PER,), (LOC,), (PER, LOC), (LOC, PER)]),
            id=st.uuids().map(str),
        ),
        max_size=8,
    ),
    st.integers(0, 8),
)
def test_they_are_those_of_comparing_every_pair(documents, border):
    splits = {"train": documents[:border], "dev": documents[border:]}
    expected = contradictory(splits)
    found = list(judge_texts(splits))
    assert [each.count for each in found] == ([len(expected)] if expected else [])
    if expected:
        held = sum(each.text in expected for each in documents)
        assert f" in {held} documents " in found[0].finding


@pytest.mark.realdata
def test_wnut_17_marks_twelve_texts_in_different_ways(data_dir):
    splits = real(data_dir / "wnut17", "conll")
    markings = defaultdict(list)
    for document in (*splits["train"], *splits["dev"]):
        markings[document.text].append(frozenset(entity.key for entity in document.entities))
    different = {text: each for text, each in markings.items() if len(set(each)) > 1}
    assert (len(different), sum(map(len, different.values()))) == (12, 27)
    (found,) = judge_texts(splits)
    assert found.finding == "12 texts stand in 27 documents with different marks"
