"""How a verdict is worded, and what documents are called in it."""

from __future__ import annotations

from tfner.corpus.verdicts import verdict
from tfner.corpus.verdicts.verdict import Case, Kind, add_location, locate, quote
from tfner.documents import Document

KIND = Kind("leakage", "error", "Take them out of {split}.")


def test_a_sentence_names_the_first_cases_and_counts_the_others():
    cases = [Case(f"case {number}", ("a", "b")) for number in range(100)]
    found = KIND.verdict("100 cases", cases, split="{dev}")
    assert found.sentence == "100 cases: case 0 (a, b); case 1 (a, b); case 2 (a, b); and 97 others"
    assert found.advice == "Take them out of {dev}."
    assert (found.count, len(found.cases)) == (100, verdict.CASES_KEPT)


def test_one_other_is_one():
    found = KIND.verdict("Four", [Case(str(number)) for number in range(4)])
    assert found.sentence == "Four: 0; 1; 2; and 1 other"
    assert KIND.verdict("None").sentence == "None"


def test_splits_of_one_file_name_are_told_apart():
    splits = {"a/x.conll": [Document("", id="x.conll:1")], "b/x.conll": [Document("")]}
    assert [each.where for each in locate(splits)] == [
        "a/x.conll x.conll:1",
        "b/x.conll document 1",
    ]


def test_a_case_names_each_of_a_few_documents_once():
    where = []
    for name in ("a", "a", "b", "c", "d"):
        add_location(where, name)
    assert where == ["a", "b", "c"]


def test_a_quoted_text_is_one_short_line_that_acts_on_no_terminal():
    assert quote("a\nb\x1b[2J") == '"a␊b␛[2J"'
    assert quote("x" * 1000) == f'"{"x" * 60}…"'
    assert quote("x" * 60) == f'"{"x" * 60}"'
