"""A CRF over a text of several windows: learned window by window, decoded as one chain."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from numpy.testing import assert_allclose

from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.encoded_corpus import encode
from tfner.data.windows import cut_windows
from tfner.documents import Document, Entity
from tfner.model.inference.row_sizes import count_pieces

TAGS = len(tiny.LABELS)
WINDOW = {"max_length": 16, "overlap": 4}


@functools.cache
def classifier():
    """Build a model whose transitions decide as much as what it sees."""
    model = tiny.classifier(head="crf")
    random = np.random.default_rng(2)
    model.head.transitions.assign(random.normal(0, 3, (TAGS, TAGS)))
    return model


@functools.cache
def answer():
    """Trace a tagger as an export is: texts -> tokens, log probabilities, tags."""
    tagger = tiny.tagger_over(classifier(), tiny.LABELS, **WINDOW)
    tokenizer = tiny.tokenizer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def function(text_B):
        tokens = tokenizer.tokenize_text(text_B)
        unit, log_probs_MK = tagger.read(tokens)
        return tokens, log_probs_MK, tagger.decode(unit, log_probs_MK).tag

    return function


def long_text(seed: int, words: int = 60) -> str:
    return " ".join(np.random.default_rng(seed).choice(tiny.WORDS, words))


def slow_best(scores_UK: np.ndarray, transitions_KK: np.ndarray) -> list[int]:
    """Find the best legal sequence, by dynamic programming as it is taught."""
    first, following, last = tiny.LABELS.allowed
    onward = np.where(following, transitions_KK, -np.inf)
    best = np.where(first, scores_UK[0], -np.inf)
    came_from = []
    for scores in scores_UK[1:]:
        reached = best[:, None] + onward
        came_from.append(reached.argmax(0))
        best = reached.max(0) + scores
    path = [int(np.where(last, best, -np.inf).argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return path[::-1]


def test_a_text_of_several_windows_is_decoded_as_one_chain():
    transitions = classifier().head.transitions.numpy()
    differing = 0
    for seed in range(4):
        tokens, log_probs_MK, tags = answer()(tf.constant([long_text(seed)]))
        found = tags[0].numpy().tolist()
        scores_MK = log_probs_MK.numpy()
        assert found == slow_best(scores_MK, transitions)
        windows = cut_windows(count_pieces(tokens.ids), WINDOW["max_length"] - 2, WINDOW["overlap"])
        is_first = tokens.first_of_unit[0].numpy()
        borders = [is_first[:start].sum() for start in windows.own_start.numpy()[1:]]
        parts = [part for part in np.split(scores_MK, borders) if len(part)]
        assert len(parts) > 3
        differing += found != [tag for part in parts for tag in slow_best(part, transitions)]
    assert differing  # cut at the borders of windows it would be another


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_each_window_of_a_long_text_is_learned_as_a_chain_of_its_own(packed):
    texts = [long_text(7), long_text(8, words=5)]
    documents = [Document(text, [Entity(0, 4, "PER")]) for text in texts]
    corpus = encode(documents, tiny.tokenizer(), tiny.LABELS, Ledger(), **WINDOW)
    plain = PaddedSettings(64, "padded", (), 0, 1)
    batches = (
        PackedBatches(corpus, PackedSettings(64, 40, 0, 1)) if packed else Batches(corpus, plain)
    )
    x, y, mask = next(iter(batches.training(1)))
    random = np.random.default_rng(4)
    by_piece = tf.constant(random.normal(size=(len(tiny.vocabulary()), TAGS)), tf.float32)
    head = classifier().head
    segments = x.get("segment_ids")
    total, weight = head.loss_sums(y, tf.gather(by_piece, x["input_ids"]), mask, segments)
    one_by_one = Batches(corpus, PaddedSettings(1, "padded", (), 0, 1)).training(1)
    windows = list(one_by_one.take(int(corpus.input_ids.nrows())))
    assert len(windows) > 6
    apart = [head.loss_sums(y, tf.gather(by_piece, x["input_ids"]), mask) for x, y, mask in windows]
    units = sum(len(text.split()) for text in texts)
    assert float(weight) == units == sum(float(each.weight) for each in apart)
    assert_allclose(total, sum(float(each.total) for each in apart), rtol=1e-5)


@pytest.mark.parametrize("batch", [[], [""], ["", " ", "\x00\n"]])
def test_nothing_to_tag_is_no_error(batch):
    *_, tags = answer()(tf.constant(batch, tf.string))
    assert tags.to_list() == [[]] * len(batch)
