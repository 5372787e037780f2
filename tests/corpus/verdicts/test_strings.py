"""Marks that disagree with each other, against plain counting."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from corpora import marked, real
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.verdicts.strings import MOST_WORDS, count_usages, judge_strings, split_words
from tfner.documents import Document, Entity


def judged(*documents):
    return {each.name: each for each in judge_strings({"train": list(documents)})}


def raw(text, *names, label="PER", id=""):
    spans = [(text.index(name), text.index(name) + len(name)) for name in names]
    return Document(text, tuple(Entity(start, end, label) for start, end in spans), id=id)


def test_the_rarer_label_of_a_string_is_located():
    usual = [marked("in", "Lund", spans=[(1, 2, "LOC")], id=str(number)) for number in range(3)]
    found = judged(*usual, marked("Lund", "left", spans=[(0, 1, "PER")], id="odd"))
    assert found["several labels"].sentence == (
        '1 string has several labels, 1 of 4 marks not the usual one: "Lund" LOC 3, PER 1 '
        "(train odd)"
    )


def test_where_a_string_is_as_it_rarely_is_is_located():
    once = marked("may", "I", spans=[(0, 1, "PER")], id="once")
    found = judged(once, marked("may", "we", "may"), marked("he", "may"))
    assert found["unmarked strings"].sentence == (
        "1 string is marked here and unmarked there, 3 times; 1 mark would change for them to "
        'agree: "may" marked 1, unmarked 3 (marked in train once)'
    )


def test_the_longest_string_counts_and_not_those_within_it():
    city = marked("New", "York", "City", spans=[(0, 3, "LOC")])
    york = marked("York", spans=[(0, 1, "LOC")])
    found = judged(city, york, marked("to", "New", "York", "City", "now"))
    cases = [case.what for case in found["unmarked strings"].cases]
    assert cases == ['"New York City" marked 1, unmarked 1']


def test_a_string_within_an_entity_or_across_its_border_is_not_unmarked():
    york = marked("York", spans=[(0, 1, "LOC")])
    within = marked("New", "York", spans=[(0, 2, "LOC")])
    assert judged(york, within) == {}
    both = marked("York", "Lund", spans=[(0, 2, "LOC")])
    across = marked("Duke", "York", "Lund", spans=[(0, 2, "PER")])
    assert judged(both, across) == {}


def test_case_is_not_the_same_string():
    assert judged(marked("May", spans=[(0, 1, "PER")]), marked("may")) == {}


class TestRawText:
    def test_words_are_found_between_punctuation(self):
        found = judged(raw("Anna left", "Anna"), raw('("Anna", again)'), raw("Annabel left"))
        assert [c.what for c in found["unmarked strings"].cases] == ['"Anna" marked 1, unmarked 1']

    def test_an_entity_may_end_with_punctuation(self):
        found = judged(raw("the U.S. team", "U.S."), raw("in the U.S. today"))
        assert found["unmarked strings"].cases[0].what == '"U.S." marked 1, unmarked 1'

    def test_names_are_found_where_words_are_not_separated_but_no_single_character(self):
        found = judged(raw("日本と", "日本"), raw("京で", "京"), raw("東京は日本の"))
        assert [c.what for c in found["unmarked strings"].cases] == ['"日本" marked 1, unmarked 1']

    @given(st.text("aé 東.,-'\n", max_size=20))
    def test_words_cover_all_that_is_not_blank(self, text):
        row = split_words(Document(text))
        assert "".join(row.words) == "".join(text.split())
        for word, start, end in zip(*row, strict=True):
            assert text[start:end] == word


SENTENCES = st.lists(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([None, None, "X", "Y"])), max_size=5
    ),
    max_size=5,
)


@given(SENTENCES)
def test_marks_of_single_words_are_those_of_plain_counting(sentences):
    documents = []
    labels, unmarked = defaultdict(Counter), Counter()
    for sentence in sentences:
        words = [word for word, _ in sentence]
        spans = [(i, i + 1, label) for i, (_, label) in enumerate(sentence) if label]
        documents.append(Document.from_words(words, spans))
        for word, label in sentence:
            if label:
                labels[word][label] += 1
            else:
                unmarked[word] += 1
    usages = count_usages({"train": documents})
    assert {key: usage.labels for key, usage in usages.items()} == {
        (word,): counts for word, counts in labels.items()
    }
    assert all(usage.unmarked == unmarked[word] for (word,), usage in usages.items())
    found = {each.name: each.count for each in judge_strings({"train": documents})}
    assert found.get("several labels", 0) == sum(len(each) > 1 for each in labels.values())
    assert found.get("unmarked strings", 0) == sum(unmarked[word] > 0 for word in labels)


def test_an_entity_of_a_book_is_not_looked_for_at_every_word():
    words = ["a"] * 3000
    long = Document.from_words(words, [(0, MOST_WORDS + 1, "X")])
    assert judged(long) == {}


@pytest.mark.realdata
def test_ncbi_marks_apc_96_times_and_39_times_not(data_dir):
    splits = real(data_dir / "ncbi_disease", "tsv")
    marks, free = 0, 0
    for document in (*splits["train"], *splits["dev"]):
        marks += sum(document.text[e.start : e.end] == "APC" for e in document.entities)
        for start, end in document.words:
            covered = any(e.start < end and start < e.end for e in document.entities)
            free += document.text[start:end] == "APC" and not covered
    assert (marks, free) == (96, 39)
    found = {each.name: each for each in judge_strings(splits)}
    assert found["unmarked strings"].cases[0].what == '"APC" marked 96, unmarked 39'
    assert "several labels" not in found  # NCBI has one


@pytest.mark.realdata
def test_wnut_17_gives_eighteen_strings_several_labels(data_dir):
    splits = real(data_dir / "wnut17", "conll")
    labels = defaultdict(set)
    for document in (*splits["train"], *splits["dev"]):
        for entity in document.entities:
            labels[document.text[entity.start : entity.end]].add(entity.label)
    several = {text for text, each in labels.items() if len(each) > 1}
    found = {each.name: each for each in judge_strings(splits)}["several labels"]
    assert {case.what.split('"')[1] for case in found.cases} == several
    assert found.count == 18
    assert {"Tesla", "Texas", "AirPods"} < several
