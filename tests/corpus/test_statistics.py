"""Statistics of a corpus against plain counting."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import CorpusStatistics, Lengths, TokenStats, corpus_statistics
from tfner.documents import Document, Entity
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.tagging.word_tags import tags_on_words

TRAIN = [
    Document.from_words(["Anna", "Lee", "met", "Bo"], [(0, 2, "PER"), (3, 4, "PER")]),
    Document.from_words(["in", "Oslo"], [(1, 2, "LOC")]),
    Document.from_words(["in", "Oslo"]),
    Document.from_words([""]),
]
DEV = [
    Document.from_words(["in", "Oslo"]),
    Document.from_words(["in", "Oslo"]),
    Document.from_words([""]),
    Document.from_words(["new"]),
]


def printed(statistics: CorpusStatistics, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    statistics.print_table(console)
    return console.file.getvalue()


def rows(output):
    cells = [
        re.split(r"\s*│\s*", line.strip("│ "))
        for line in output.splitlines()
        if line.startswith("│")
    ]
    return {name: values for name, *values in cells}


def test_a_split_is_counted():
    split = corpus_statistics({"train": TRAIN}).splits["train"]
    assert (split.documents, split.empty, split.without_entities, split.duplicates) == (4, 1, 2, 1)
    assert (split.characters, split.units, split.pieces, split.entities) == (15 + 7 + 7, 9, None, 3)
    assert split.types == {"PER": 2, "LOC": 1}
    assert split.document_units == Lengths(2, 4, 4)
    assert split.entity_units == Lengths(1, 2, 2)
    assert split.entity_characters == Lengths(4, 8, 8)
    assert split.document_pieces is None


def test_texts_in_two_splits_are_counted_in_the_later_one():
    statistics = corpus_statistics(
        {"train": iter(TRAIN), "dev": iter(DEV), "test": iter([TRAIN[0]])}
    )
    assert statistics.shared == {"dev": {"train": 2}, "test": {"train": 1}}
    output = printed(statistics)
    assert "dev: 2 of 4 documents stand in train too" in output
    assert "test: 1 of 1 documents stand in train too" in output


def test_empty_documents_are_not_duplicates():
    empties = [Document(""), Document(" \n"), Document("")]
    statistics = corpus_statistics({"a": empties, "b": empties})
    assert (statistics.splits["a"].duplicates, statistics.splits["a"].empty, statistics.shared) == (
        0,
        3,
        {},
    )


def test_units_of_raw_text_are_known_only_when_given():
    raw = [Document("Anna Lee", (Entity(0, 8, "PER"),)), Document("x")]
    split = corpus_statistics({"train": raw}).splits["train"]
    assert (split.units, split.document_units, split.entity_units, split.entity_characters) == (
        None,
        None,
        None,
        Lengths(8, 8, 8),
    )
    facts = {"train": TokenStats(units=np.array([2, 1]), pieces=np.array([5, 1]))}
    split = corpus_statistics({"train": raw}, facts).splits["train"]
    assert (split.units, split.document_units) == (3, Lengths(1, 2, 2))
    assert (split.pieces, split.document_pieces) == (6, Lengths(1, 5, 5))


def test_an_empty_corpus_has_statistics_too():
    statistics = corpus_statistics({"train": []})
    assert statistics.splits["train"].document_units is None
    assert rows(printed(statistics))["documents"] == ["0"]
    assert "documents" not in printed(corpus_statistics({}))


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_lengths_are_nearest_rank_percentiles(values):
    expected = np.percentile(values, [50, 95, 100], method="inverted_cdf")
    assert [
        Lengths.of(values).p50,
        Lengths.of(values).p95,
        Lengths.of(values).maximum,
    ] == expected.tolist()


@given(st.lists(st.lists(st.text("ab \ud800", max_size=3), max_size=2), max_size=3))
def test_duplicates_equal_comparing_every_pair(splits):
    named = {str(number): [Document(text) for text in texts] for number, texts in enumerate(splits)}
    statistics = corpus_statistics(named)
    for later, texts in enumerate(splits):
        repeated = sum(text in texts[:place] for place, text in enumerate(texts) if text.strip())
        assert statistics.splits[str(later)].duplicates == repeated
        for earlier in range(later):
            shared = sum(text in splits[earlier] for text in texts if text.strip())
            assert statistics.shared.get(str(later), {}).get(str(earlier), 0) == shared


def test_the_table_has_a_column_for_each_split():
    facts = {
        "train": TokenStats(
            pieces=[9, 3, 3, 0], dropped={"misaligned": 3}, unknown_characters={"☃": 2, "\x1b": 5}
        ),
        "dev": TokenStats(pieces=[3, 3, 0, 1], dropped={"vanished": 1}),
    }
    output = printed(corpus_statistics({"train": TRAIN, "dev": DEV}, facts))
    table = rows(output)
    assert table["documents"] == ["4", "4"]
    assert table["pieces a document"] == ["3 / 9 / 9", "1 / 3 / 3"]
    assert table["units an entity"] == ["1 / 2 / 2", "–"]
    assert (table["misaligned"], table["vanished"]) == (["3", "0"], ["0", "1"])
    assert table["PER"] == ["2", "0"]
    assert "train: unknown to the vocabulary: ␛ U+001B (5), ☃ U+2603 (2)" in output


def test_only_the_most_frequent_unknown_characters_are_listed():
    facts = {"a": TokenStats(unknown_characters={chr(0x4E00 + n): n + 1 for n in range(13)})}
    line = printed(corpus_statistics({"a": []}, facts), width=300).splitlines()[-1]
    assert line.startswith("a: unknown to the vocabulary: 丌 U+4E0C (13), ")
    assert line.endswith("and 3 others")


def test_names_in_brackets_are_printed_as_they_are():
    output = printed(
        corpus_statistics(
            {"[red]": [Document("x", (Entity(0, 1, "[blue]"),))], "b": [Document("x")]}
        )
    )
    assert {"[red]", "[blue]"} <= set(re.findall(r"\[\w+\]", output))


def test_statistics_go_into_json():
    loaded = json.loads(
        json.dumps(
            corpus_statistics(
                {"train": TRAIN}, {"train": TokenStats(units=np.array([4, 2, 2, 1]))}
            ).to_dict()
        )
    )
    assert loaded["splits"]["train"]["document_units"] == {"p50": 2, "p95": 4, "maximum": 4}


@pytest.mark.realdata
def test_a_real_corpus_has_the_published_numbers(data_dir):
    documents = list(read_documents(data_dir / "wnut17" / "dev.conll", ReadSettings(), Ledger()))
    split = corpus_statistics({"dev": documents}).splits["dev"]
    assert (split.documents, split.entities, len(split.types)) == (1009, 836, 6)
    lengths = [
        sum(tag != "O" for tag in tags_on_words(d, [e])) for d in documents for e in d.entities
    ]
    assert split.entity_units == Lengths.of(lengths)
