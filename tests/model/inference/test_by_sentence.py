"""A tagger that reads raw text by sentence says of each what it says of that sentence alone."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.evaluation.calibration import Calibration
from tfner.serving.export.signatures import Signatures

OUTPUTS = ("entity_start", "entity_end", "entity_start_byte", "entity_end_byte")
words = st.sampled_from([*tiny.WORDS, "annason", "U.S.", "東京", "(", "é"])
# Each begins with a capital and ends with a full stop; the longest need several windows.
sentences = st.lists(words, max_size=30).map(lambda found: " ".join(["Anna", *found, "left."]))
texts = st.lists(st.lists(sentences, max_size=4), min_size=1, max_size=3)


@functools.cache
def classifier(head: str):
    """Build a model whose tags depend on their neighbours."""
    model = tiny.classifier(head=head)
    if head == "crf":
        shape = model.head.transitions.shape
        model.head.transitions.assign(np.random.default_rng(2).normal(0, 2, shape))
    return model


@functools.cache
def signatures(head: str, by_sentence: bool, **options):
    tagger = tiny.tagger_over(classifier(head), tiny.LABELS, by_sentence=by_sentence, **options)
    return Signatures(tagger)


def ask(texts, head, by_sentence, **options):
    """For each text: label, score and the four borders of each entity, and their count."""
    signature = signatures(head, by_sentence, **options)
    outputs = signature.text(tf.constant([text.encode() for text in texts], tf.string))
    values = {name: value.numpy() for name, value in outputs.items()}
    answers = []
    for row, count in enumerate(values["entity_count"]):
        labels = values["entity_label"][row, :count].tolist()
        scores = values["entity_score"][row, :count].tolist()
        borders = [values[name][row, :count].tolist() for name in OUTPUTS]
        answers.append(list(zip(labels, scores, *borders, strict=True)))
    return answers


def shifted(entities, characters, size):
    moved = []
    for label, score, start, end, start_byte, end_byte in entities:
        borders = (start + characters, end + characters, start_byte + size, end_byte + size)
        moved.append((label, score, *borders))
    return moved


def one_by_one(documents, head, **options):
    """Ask about every sentence alone, and put what is found where it stands in its text."""
    found = []
    for document in documents:
        alone = ask(document, head, False, **options) if document else []
        characters = size = 0
        entities = []
        for sentence, own in zip(document, alone, strict=True):
            entities += shifted(own, characters, size)
            characters += len(sentence) + 1
            size += len(sentence.encode()) + 1
        found.append(entities)
    return found


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert [(label, *rest) for label, _, *rest in ours] == [
            (label, *rest) for label, _, *rest in theirs
        ]
        np.testing.assert_allclose(
            [score for _, score, *_ in ours], [score for _, score, *_ in theirs], atol=1e-5
        )


@pytest.mark.parametrize("head", ["softmax", "crf"])
@settings(max_examples=15)
@given(documents=texts)
def test_each_sentence_is_read_and_decoded_alone(head, documents):
    together = [" ".join(document) for document in documents]
    assert_same(ask(together, head, True), one_by_one(documents, head))


def test_a_neighbour_would_have_changed_it():
    documents = [["Anna met boris.", "Oslo river in paris.", "Anna saw acme corp."]] * 2
    together = [" ".join(document) for document in documents]
    assert ask(together, "crf", True) != ask(together, "crf", False)


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_thresholds_and_calibration_are_those_of_single_sentences(head):
    options = {"threshold": 0.4, "calibration": Calibration(slope=0.5, intercept=-0.4)}
    document = [f"Anna met {word} near oslo." for word in tiny.WORDS]
    found = ask([" ".join(document)], head, True, **options)
    assert_same(found, one_by_one([document], head, **options))
    assert 0 < len(found[0]) < len(ask([" ".join(document)], head, True)[0])


def test_the_most_entities_are_those_of_a_text():
    document = [f"Anna met {word} near oslo." for word in tiny.WORDS]
    text = " ".join(document)
    all_found = ask([text], "softmax", True)[0]
    assert len(all_found) > 3
    outputs = signatures("softmax", True, max_entities=3).text(tf.constant([text]))
    assert outputs["entity_start"].shape == (1, 3)
    assert outputs["entity_start"].numpy()[0].tolist() == [entity[2] for entity in all_found[:3]]
    assert outputs["entity_count"].numpy().tolist() == [len(all_found)]


def test_given_words_are_one_sentence_whatever_they_hold():
    given_words = tf.constant([["anna", "left", ".", "Boris", "met", "acme"]])
    asked = [signatures("crf", by_sentence).words(given_words) for by_sentence in (True, False)]
    assert asked[0]["tag"].numpy().tolist() == asked[1]["tag"].numpy().tolist()
    assert asked[0]["score"].numpy().tolist() == asked[1]["score"].numpy().tolist()


def test_texts_without_units_have_no_sentence():
    assert ask(["", "Anna. Boris.", " \n\n "], "crf", True) == [
        [],
        *ask(["Anna. Boris."], "crf", True),
        [],
    ]
    assert ask([], "crf", True) == []
