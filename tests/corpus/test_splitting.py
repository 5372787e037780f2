"""Documents are divided by group and text, each split near its share of documents and types."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.splitting import split_documents, unite
from tfner.documents import Document, Entity
from tfner.exceptions import DataError

THREE = {"train": 0.8, "dev": 0.1, "test": 0.1}
LABELS = ("PER", "LOC", "ORG")


def document(text: str, labels=(), group: str = "") -> Document:
    entities = [Entity(0, 1, label) for label in labels]
    return Document(text, tuple(entities), group=group)


@st.composite
def corpora(draw, most: int = 40):
    """Texts that are often the same, in groups or in none."""
    count = draw(st.integers(1, most))
    found = []
    for _ in range(count):
        text = draw(st.sampled_from(["a", "b", "c"])) + str(draw(st.integers(0, 30)))
        labels = draw(st.lists(st.sampled_from(LABELS), max_size=3))
        group = draw(st.sampled_from(["", "", "g1", "g2", "g3"]))
        found.append(document(text, labels, group))
    return found


@st.composite
def shares(draw):
    weights = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    return {f"split-{number}": weight / sum(weights) for number, weight in enumerate(weights)}


@given(corpora(), shares(), st.integers(0, 9))
def test_each_document_is_in_one_split_and_no_split_is_empty(documents, asked, seed):
    if len(unite(documents)) < len(asked):
        with pytest.raises(DataError, match=f"expected at least {len(asked)} groups or texts"):
            split_documents(documents, asked, seed)
        return
    splits = split_documents(documents, asked, seed)
    assert list(splits) == list(asked)
    assert sorted(chain.from_iterable(splits.values())) == list(range(len(documents)))
    assert all(numbers and numbers == sorted(numbers) for numbers in splits.values())
    where = {number: split for split, numbers in splits.items() for number in numbers}
    groups = {each.group for each in documents} - {""}
    for group in groups:
        members = [n for n, each in enumerate(documents) if each.group == group]
        assert len({where[n] for n in members}) == 1
    for text in {each.text for each in documents if not each.group}:
        members = [n for n, each in enumerate(documents) if each.text == text and not each.group]
        assert len({where[n] for n in members}) == 1
    assert split_documents(documents, asked, seed) == splits


@given(st.lists(st.lists(st.sampled_from(LABELS), max_size=2), min_size=20, max_size=60), shares())
def test_without_groups_each_split_has_its_share_of_documents(marks, asked):
    documents = [document(str(number), labels) for number, labels in enumerate(marks)]
    for split, numbers in split_documents(documents, asked, 1).items():
        share = asked[split] * len(documents)
        assert len(numbers) <= max(1, math.ceil(share - 1e-9))
        assert len(numbers) >= min(1, share) or len(numbers) >= math.floor(share) - len(asked)


def test_each_type_has_its_share_in_each_split():
    labels = ["PER"] * 300 + ["LOC"] * 100 + ["ORG"] * 20 + [None] * 580
    documents = [document(str(n), [label] if label else []) for n, label in enumerate(labels)]
    splits = split_documents(documents, THREE, 1)
    assert {split: len(numbers) for split, numbers in splits.items()} == {
        "train": 800,
        "dev": 100,
        "test": 100,
    }
    counts = {split: Counter(labels[n] for n in numbers) for split, numbers in splits.items()}
    for label, total in (("PER", 300), ("LOC", 100), ("ORG", 20)):
        assert counts["dev"][label] == pytest.approx(total / 10, abs=1)
        assert counts["test"][label] == pytest.approx(total / 10, abs=1)


def test_a_type_of_one_document_is_learned():
    documents = [document(str(n), ["PER"]) for n in range(30)] + [document("x", ["RARE"])]
    for seed in range(20):
        assert 30 in split_documents(documents, {"train": 0.9, "dev": 0.1}, seed)["train"]


def test_chance_alone_would_divide_rare_types_worse():
    """The oracle is a shuffle: over many seeds a type's share in dev strays from 10%."""
    import random

    documents = [document(str(n), ["ORG"] if n < 20 else []) for n in range(400)]

    def strays(numbers) -> float:
        return abs(sum(n < 20 for n in numbers) - 2)

    ours = [strays(split_documents(documents, THREE, seed)["dev"]) for seed in range(10)]
    by_chance = [strays(random.Random(seed).sample(range(400), 40)) for seed in range(10)]
    assert max(ours) == 0
    assert sum(by_chance) >= 8


def test_another_seed_gives_another_split():
    documents = [document(str(n)) for n in range(50)]
    drawn = {tuple(split_documents(documents, THREE, seed)["dev"]) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize("count", [2, 3, 5])
def test_of_few_documents_dev_has_one(count):
    documents = [document(str(n), ["PER"]) for n in range(count)]
    splits = split_documents(documents, {"train": 0.9, "dev": 0.1}, 1)
    assert len(splits["dev"]) == 1


def test_of_two_large_groups_each_split_has_one():
    documents = [document(str(n), group="ab"[n % 2]) for n in range(20)]
    splits = split_documents(documents, {"train": 0.9, "dev": 0.1}, 1)
    assert sorted(map(len, splits.values())) == [10, 10]


def test_one_group_cannot_be_divided():
    documents = [document(str(n), group="news") for n in range(20)]
    with pytest.raises(DataError) as caught:
        split_documents(documents, {"train": 0.9, "dev": 0.1}, 1)
    assert str(caught.value) == (
        "expected at least 2 groups or texts, one for each split, got 1 in 20 documents: "
        "all are of the group 'news'"
    )
