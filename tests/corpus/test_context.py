"""Sentences of one document are read together, and each gets back what was found in it."""

from __future__ import annotations

from itertools import chain, groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus import context
from tfner.corpus.context import Passage, join, join_sentences, passages_for_training
from tfner.documents import Document, Entity, entity_at
from tfner.tagging.borders import trim_span

WORDS = ("Mara", "left", "U.S.", "東京", "é", "\u200b", "")


@st.composite
def sentences(draw, group: str, *, worded: bool):
    """Draw a sentence with entities whose borders are no blanks, as readers give them."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=6))
    document = Document.from_words(words, group=group)
    if not worded:
        text = draw(st.sampled_from(("", " ", "\n"))) + document.text
        document = Document(text, group=group)
    borders = draw(st.sets(st.integers(0, len(document.text)), max_size=4))
    entities = []
    for start, end in zip(sorted(borders)[::2], sorted(borders)[1::2], strict=False):
        if trim_span(document.text, start, end, document.words) == (start, end):
            entities.append(entity_at(document.text, start, end, "PER", 0.5))
    return document.with_entities(entities)


@st.composite
def streams(draw):
    """Sentences of several documents, some without a group."""
    found = []
    for number in range(draw(st.integers(0, 4))):
        group = draw(st.sampled_from(("", f"document {number}")))
        kind = sentences(group, worded=draw(st.booleans()))
        found += draw(st.lists(kind, max_size=5))
    return found


@given(streams())
def test_joined_and_split_gives_the_entities_of_each_sentence_back(stream):
    passages = list(join_sentences(stream, "document"))
    found = [entities for each in passages for entities in each.split(each.document.entities)]
    assert found == [list(sentence.entities) for sentence in stream]


@given(streams())
def test_a_passage_is_its_sentences_one_behind_the_other(stream):
    passages = list(join_sentences(stream, "document"))
    assert list(chain.from_iterable(passage.sentences for passage in passages)) == stream
    for passage in passages:
        assert len({sentence.group for sentence in passage.sentences}) == 1
        assert len({sentence.words is None for sentence in passage.sentences}) == 1
        assert len(passage.sentences) == 1 or passage.sentences[0].group
        whole = passage.document
        for start, sentence in zip(passage.starts, passage.sentences, strict=True):
            assert whole.text[start : start + len(sentence.text)] == sentence.text
        words = list(chain.from_iterable(each.word_texts() for each in passage.sentences))
        assert whole.word_texts() == words
        for entity in whole.entities:
            assert whole.text[entity.start : entity.end] == entity.text


@given(streams())
def test_without_context_each_is_by_itself(stream):
    passages = list(join_sentences(stream, "none"))
    assert passages == [Passage(document, (document,)) for document in stream]
    assert all(passage.document is passage.sentences[0] for passage in passages)


def test_sentences_of_two_documents_are_not_joined():
    stream = [Document("a", group="one"), Document("b", group="two"), Document("c", group="two")]
    passages = join_sentences(stream, "document")
    assert [passage.document.text for passage in passages] == ["a", "b\nc"]


class TestAnEntityOverTheEndOfASentence:
    def test_is_cut_there(self):
        passage = join([Document("see Anna"), Document("Lund"), Document("Bo left")])
        (entity,) = [entity_at(passage.document.text, 4, 16, "PER", 0.5)]
        assert entity.text == "Anna\nLund\nBo"
        cut = [[Entity(4, 8, "PER", 0.5, "Anna")], [Entity(0, 4, "PER", 0.5, "Lund")]]
        assert passage.split([entity]) == [*cut, [Entity(0, 2, "PER", 0.5, "Bo")]]

    def test_leaves_no_entity_of_blanks(self):
        passage = join([Document("Anna \u200b"), Document(" "), Document("\u200b Bo")])
        entity = entity_at(passage.document.text, 0, len(passage.document.text), "PER")
        found = [[found.text for found in of_one] for of_one in passage.split([entity])]
        assert found == [["Anna"], [], ["Bo"]]

    def test_is_cut_between_given_words(self):
        one, other = Document.from_words(["see", "Anna"]), Document.from_words(["Lund", "left"])
        passage = join([one, other])
        words = passage.document.words
        entity = entity_at(passage.document.text, words[1][0], words[2][1], "PER")
        assert [[e.text for e in found] for found in passage.split([entity])] == [
            ["Anna"],
            ["Lund"],
        ]


def test_a_document_of_100_000_words_is_read_in_passages_of_bounded_size():
    sentence = Document.from_words(["word"] * 20, group="book")
    pulled = 0

    def stream():
        nonlocal pulled
        for _ in range(5000):
            pulled += 1
            yield sentence

    passages = join_sentences(stream(), "document")
    sizes, most_held = [], 0
    for passage in passages:
        sizes.append(len(passage.sentences))
        most_held = max(most_held, pulled - sum(sizes))
        assert len(passage.document.text) <= context.CHARACTERS
    assert sum(sizes) == 5000
    assert most_held <= 1  # the sentence that would have been too much
    assert len(sizes) == -(-5000 // (context.CHARACTERS // (len(sentence.text) + 1)))


def test_a_sentence_longer_than_a_passage_may_be_stands_alone(monkeypatch):
    monkeypatch.setattr(context, "CHARACTERS", 5)
    stream = [Document(text, group="a") for text in ("one", "a", "a long one", "b", "c")]
    passages = join_sentences(stream, "document")
    assert [passage.document.text for passage in passages] == ["one\na", "a long one", "b\nc"]


class TestPassagesForTraining:
    STREAM = tuple(Document("Bo left.", group=f"{number // 30}") for number in range(3000))

    def test_cover_every_sentence_once_and_end_where_a_document_ends(self):
        counts = list(passages_for_training(self.STREAM))
        assert sum(counts) == len(self.STREAM)
        ends = {sum(counts[:number]) for number in range(len(counts) + 1)}
        assert ends >= set(range(0, 3001, 30))

    def test_are_lone_sentences_and_longer_ones(self):
        counts = list(passages_for_training(self.STREAM))
        lone = counts.count(1) / len(counts)
        assert lone == pytest.approx(context.LONE_SHARE, abs=0.1)
        assert max(counts) == context.MOST_SENTENCES

    def test_of_a_document_do_not_depend_on_the_others(self):
        alone = [list(passages_for_training(list(each))) for _, each in by_group(self.STREAM)]
        assert list(chain.from_iterable(alone)) == list(passages_for_training(self.STREAM))

    def test_differ_between_documents(self):
        cuts = {tuple(passages_for_training(list(each))) for _, each in by_group(self.STREAM)}
        assert len(cuts) > 50

    def test_without_groups_are_lone_sentences(self):
        assert list(passages_for_training([Document("Bo")] * 5)) == [1] * 5


def by_group(documents):
    return groupby(documents, key=lambda document: document.group)
