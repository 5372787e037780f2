"""Files of token, gold and predicted tag come back as they were written, and match each other."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.resampling import sum_groups
from tfner.evaluation.scores import score_entities
from tfner.exceptions import DataError
from tfner.formats.scored_columns import match_scored, read_scored
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer

BLOCK = "Anna B-PER B-PER\nmet O O\nBo B-PER I-PER\n\n"
WORDS = st.lists(st.sampled_from(["Anna", "met", "Bo", "#", "-"]), min_size=1, max_size=6)


def scored(folder, content, name="a.txt", **settings):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return read_scored(path, ReadSettings(**settings), Ledger())


def matched(folder, a, b):
    return list(match_scored(scored(folder, a), scored(folder, b, "b.txt")))


def refused(folder, a, b, message):
    with pytest.raises(DataError) as caught:
        matched(folder, a, b)
    assert str(caught.value).replace(f"{folder}/", "") == message


@st.composite
def documents(draw):
    """Documents of given words, with gold and two predictions of whole words."""
    words = draw(WORDS)
    document = Document.from_words(words)
    spans = st.sampled_from([(start, end, "PER") for start, end in document.words])
    sides = [draw(st.lists(spans, unique=True)) for _ in range(3)]
    gold, *found = [[entity_at(document.text, *span) for span in side] for side in sides]
    return document.with_entities(gold), *found


@given(st.lists(documents(), min_size=1, max_size=4))
def test_what_was_written_of_two_systems_gives_their_scores(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("scored")
    for side, name in ((1, "a"), (2, "b")):
        with open_writer("conlleval", folder / name) as writer:
            for entry in corpus:
                writer.write(entry[0], entry[side])
    sides = [read_scored(folder / name, ReadSettings(), Ledger()) for name in "ab"]
    pairs = list(match_scored(*sides))
    assert [document.text for document, _, _ in pairs] == [entry[0].text for entry in corpus]
    for side in (1, 2):
        found = score_entities((pair[0].entities, pair[side]) for pair in pairs)
        assert found == score_entities((entry[0].entities, entry[side]) for entry in corpus)


@given(st.lists(documents(), min_size=1, max_size=8), st.data())
def test_sentences_that_were_written_have_the_groups_that_they_had(tmp_path_factory, corpus, data):
    names = st.lists(st.sampled_from(["", "", "x", "y", "z"]), min_size=len(corpus), max_size=8)
    groups = [name and f"{name}{run}" for run, name in in_runs(data.draw(names)[: len(corpus)])]
    gold = [replace(one, group=group) for (one, *_), group in zip(corpus, groups, strict=True)]
    folder = tmp_path_factory.mktemp("groups")
    with open_writer("conlleval", folder / "a") as writer:
        for document, (_, found, _) in zip(gold, corpus, strict=True):
            writer.write(document, found)
    read = [each.document for each in read_scored(folder / "a", ReadSettings(), Ledger())]
    assert [document.text for document in read] == [document.text for document in gold]
    numbers = np.arange(len(gold))
    apart = np.eye(len(gold), dtype=np.int64)[numbers]
    np.testing.assert_array_equal(sum_groups(read, apart), sum_groups(gold, apart))
    if not any(groups):
        assert "-DOCSTART-" not in (folder / "a").read_text()


def in_runs(names):
    """Number the runs of equal names: what comes again is another document."""
    run = 0
    for before, name in zip(["", *names], names, strict=False):
        run += name != before
        yield run, name


def test_a_word_that_says_docstart_begins_no_document(tmp_path):
    document = Document.from_words(["-DOCSTART-", "-DOCSTART-x", "Bo"], [(0, 2, "A")])
    with open_writer("conlleval", tmp_path / "a") as writer:
        writer.write(document, document.entities)
    (sentence,) = read_scored(tmp_path / "a", ReadSettings(), Ledger())
    assert sentence.sentence.words == ["␣-DOCSTART-", "␣-DOCSTART-x", "Bo"]
    assert sentence.document.group == ""


def test_illegal_predicted_tags_are_read_as_conlleval_reads_them(tmp_path):
    ledger = Ledger()
    (tmp_path / "a").write_text(BLOCK)
    (sentence,) = read_scored(tmp_path / "a", ReadSettings(), ledger)
    assert [entity.text for entity in sentence.predicted] == ["Anna", "Bo"]
    assert ledger.counts == {"repaired": 1}
    with pytest.raises(DataError, match=r"a:3: expected legal IOB2 tags"):
        read_scored(tmp_path / "a", ReadSettings(strict=True), Ledger())


def test_columns_between_token_and_tags_are_skipped(tmp_path):
    (sentence,) = scored(tmp_path, "Anna\tNNP\tB-PER\tO\nmet\tVBD\tO\tO\n")
    assert [entity.text for entity in sentence.document.entities] == ["Anna"]
    assert sentence.predicted == ()


def test_sentences_of_one_document_are_of_one_group(tmp_path):
    lines = "-DOCSTART- O O\n\n"
    groups = [each.document.group for each in scored(tmp_path, lines + BLOCK * 2 + lines + BLOCK)]
    assert groups == ["a.txt:1", "a.txt:1", "a.txt:11"]


def test_words_cut_in_other_ways_are_the_same_text(tmp_path):
    a = "e-mail B-X B-X\nfrom O O\nBo O O\n"
    b = "e- B-X O\nmail I-X B-X\nfrom O O\nBo O B-X\n"
    ((document, found_a, found_b),) = matched(tmp_path, a, b)
    assert document.text == "e-mail from Bo"
    assert [entity.key for entity in document.entities] == [(0, 6, "X")]
    assert [entity.text for entity in found_a] == ["e-mail"]
    assert [entity.text for entity in found_b] == ["mail", "Bo"]
    assert found_b[1] == Entity(12, 14, "X", text="Bo")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "Anna B-PER\nmet O\n",
            "a.txt: expected token, gold tag and predicted tag in each line, got 2 columns in most",
        ),
        (
            "Anna NNP B-PER\nmet VBD O\n",
            "a.txt:1: expected a gold tag, O or such as B-PER, in column 1, got 'NNP'",
        ),
        (
            "Anna B-PER B-PER\nmet O PER\n",
            "a.txt:2: expected a predicted tag, O or such as B-PER, in column 2, got 'PER'",
        ),
        (
            "Anna B-PER B-PER\nmet O\nBo O O\n",
            "a.txt:2: expected a predicted tag, O or such as B-PER, in column 2, got none",
        ),
    ],
)
def test_a_file_without_both_tags_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(DataError) as caught:
        scored(tmp_path, content)
    assert str(caught.value).replace(f"{tmp_path}/", "") == message


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            BLOCK + BLOCK,
            BLOCK + BLOCK.replace("met", "saw"),
            "b.txt:6: expected 'met' as in a.txt:6, got 'saw'",
        ),
        (
            BLOCK,
            "Anna B-PER B-PER\nmet O O\n",
            "b.txt:1: expected 3 words in the sentence as in a.txt:1, got 2",
        ),
        (
            BLOCK,
            BLOCK.replace("Bo B-PER", "Bo O"),
            "b.txt:3: expected the gold entity PER 'Bo' as in a.txt:3, got none",
        ),
        (
            "\n" + BLOCK,
            BLOCK.replace("met O", "met B-LOC"),
            "b.txt:2: expected no gold entity LOC 'met', as in a.txt:3, got one",
        ),
        (
            BLOCK,
            BLOCK + BLOCK,
            "b.txt:5: expected no further sentence, got one beyond the 1 of the other file",
        ),
        (
            BLOCK * 3,
            BLOCK,
            "a.txt:5: expected no further sentence, got one beyond the 1 of the other file",
        ),
    ],
)
def test_files_of_other_text_or_gold_are_refused_with_the_line(tmp_path, a, b, message):
    refused(tmp_path, a, b, message)


def test_a_line_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(DataError, match=re.escape("a.txt:1: expected a line of at most 8 char")):
        scored(tmp_path, BLOCK, max_line=8)
