"""What splits share is counted, exactly and nearly, and against brute force on a real corpus."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from corpora import clean, marked, named, real

from tfner.corpus.verdicts.judge import judge_corpus
from tfner.corpus.verdicts.leakage import judge_leakage
from tfner.corpus.verdicts.minhash import normalize, shingles
from tfner.documents import Document

LONG = [
    "Anna",
    "Lund",
    "met",
    "Boris",
    "Volta",
    "by",
    "the",
    "old",
    "bank",
    "near",
    "the",
    "river",
    "in",
    "Oslo",
]


def test_documents_are_counted_by_the_way_in_which_they_leak():
    splits = clean()
    splits["train"].append(marked(*LONG, id="train.conll:999"))
    other = [*LONG, "today"]
    splits["dev"] += [
        marked(*LONG, id="dev.conll:1"),
        marked(*other, spans=[(0, 2, "PER")], id="dev.conll:2"),
        marked("Anna", "Lund", "met", "Boris", id="dev.conll:3"),
    ]
    found = named(judge_corpus(splits), "leakage")
    assert found.finding == (
        "2 of 63 documents of dev are in train too (1 word for word, 1 nearly, 1 with entities)"
    )
    assert [case.where for case in found.cases] == [
        ("dev.conll:2 ≈ 0.91 train.conll:999",),
        ("dev.conll:1 = train.conll:999",),
    ]
    assert found.severity == "warning"
    assert found.advice == "Take them out of one: the score on dev is that of memory there."


def test_the_same_split_twice_is_an_error():
    train = clean()["train"]
    (found,) = judge_leakage({"train": train, "dev": train})
    assert found.severity == "error"
    assert found.finding.startswith("150 of 150 documents of dev are in train too (150 word")


@pytest.mark.parametrize(("share", "severity"), [(9, "hint"), (10, "warning"), (100, "error")])
def test_severity_grows_with_the_share(share, severity):
    texts = [Document(f"{number} {number} {number}") for number in range(10_000, 12_000)]
    (found,) = judge_leakage({"train": texts[:1000], "dev": texts[1000 - share : 2000 - share]})
    assert found.severity == severity


def test_case_and_blanks_alone_are_near_and_not_word_for_word():
    splits = {"train": [Document("Anna met Bo")], "dev": [Document("ANNA  met Bo")]}
    (found,) = judge_leakage(splits)
    assert "0 word for word, 1 nearly" in found.finding


def test_of_a_text_that_stands_twice_the_first_is_named():
    train = [Document("the same", id=f"train:{number}") for number in range(2)]
    (found,) = judge_leakage({"train": train, "dev": [Document("the same", id="dev:1")]})
    assert found.cases[0].where == ("dev:1 = train:0",)


def test_each_pair_of_splits_has_a_verdict_and_empty_texts_have_none():
    text = Document("the same")
    splits = {"train": [text, Document("")], "dev": [Document(" "), text], "test": [text]}
    found = [each.finding.partition(" too")[0] for each in judge_leakage(splits)]
    assert found == [
        "1 of 2 documents of dev is in train",
        "1 of 1 document of test is in train",
        "1 of 1 document of test is in dev",
    ]


@pytest.mark.realdata
def test_ncbi_leaks_seven_sentences_into_dev(data_dir):
    """Give five headings, and two sentences whose wording differs by a number or a name."""
    (found,) = judge_leakage(real(data_dir / "ncbi_disease", "tsv"))
    assert "(5 word for word, 2 nearly, 2 with entities)" in found.finding
    assert found.severity == "hint"
    assert {case.where[0].split()[0] for case in found.cases} == {
        *("dev.tsv:895", "dev.tsv:11167", "dev.tsv:514", "dev.tsv:4554", "dev.tsv:4608"),
        *("dev.tsv:5722", "dev.tsv:21937"),
    }


@pytest.mark.slow
@pytest.mark.realdata
def test_ncbi_leaks_what_an_inverted_index_over_every_shingle_finds(data_dir):
    splits = real(data_dir / "ncbi_disease", "tsv")
    texts = {split: [d.text for d in documents] for split, documents in splits.items()}
    postings = defaultdict(list)
    sizes = []
    for number, text in enumerate(texts["train"]):
        own = shingles(normalize(text))
        sizes.append(len(own))
        for each in own:
            postings[each].append(number)
    rows = {each: np.array(numbers) for each, numbers in postings.items()}
    none = np.zeros(0, int)
    near = set()
    for document in splits["dev"]:
        own = shingles(normalize(document.text))
        holding = np.concatenate([rows.get(each, none) for each in own])
        shared = np.bincount(holding.astype(int), minlength=len(sizes))
        similar = shared / (len(own) + np.array(sizes) - shared)
        if similar.max() >= 0.8:
            near.add(document.id)
    exact = {d.id for d in splits["dev"] if d.text in set(texts["train"])}
    assert (len(exact), len(near)) == (5, 7)
    (found,) = judge_leakage(splits)
    assert {case.where[0].split()[0] for case in found.cases} == near
