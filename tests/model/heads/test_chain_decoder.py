"""Decoding with learned transitions against all sequences, and from training to export."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from rich.console import Console

import tfner
from tfner.config import RunSettings
from tfner.model.heads.chain_decoder import (
    ChainDecoder,
    are_best,
    path_scores,
    sum_sequences,
)
from tfner.model.heads.viterbi import best_chains
from tfner.tagging.schemes import LabelSet
from tfner.training.restore import open_model
from tfner.training.run import train

LABELS = LabelSet(("LOC",))  # O, B-LOC, I-LOC
ALLOWED = LABELS.allowed
TAGS = len(LABELS.tags)


def legal_paths(units: int) -> list[tuple[int, ...]]:
    first, following, last = ALLOWED
    return [
        path
        for path in itertools.product(range(TAGS), repeat=units)
        if first[path[0]]
        and last[path[-1]]
        and all(following[pair] for pair in itertools.pairwise(path))
    ]


def score(path: tuple[int, ...], scores_UK: np.ndarray, transitions_KK: np.ndarray) -> float:
    own = sum(scores_UK[unit, tag] for unit, tag in enumerate(path))
    return own + sum(transitions_KK[pair] for pair in itertools.pairwise(path))


def draw(lengths: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores_MK = random.normal(0, 2, (sum(lengths), TAGS)).astype(np.float32)
    return scores_MK, random.normal(0, 2, (TAGS, TAGS)).astype(np.float32)


def rows_of(scores_MK: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    return np.split(scores_MK, np.cumsum(lengths)[:-1])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_best_sequences_and_marginals_are_those_of_all_legal_sequences(lengths, seed):
    scores_MK, transitions_KK = draw(lengths, seed)
    arguments = (tf.constant(scores_MK), tf.constant(lengths), tf.constant(transitions_KK))
    tags = best_chains(*arguments, *ALLOWED).numpy()
    found = np.exp(sum_sequences(*arguments, *ALLOWED).log_marginals)
    at = 0
    for scores_UK in rows_of(scores_MK, lengths):
        units = len(scores_UK)
        if units:
            paths = legal_paths(units)
            values = np.array([score(path, scores_UK, transitions_KK) for path in paths])
            assert tuple(tags[at : at + units]) == paths[values.argmax()]
            shares = np.exp(values - np.logaddexp.reduce(values))
            wanted = np.zeros((units, TAGS))
            for path, share in zip(paths, shares, strict=True):
                wanted[np.arange(units), path] += share
            assert_allclose(found[at : at + units], wanted, atol=1e-4)
        at += units


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_rows_that_are_not_searched_have_their_best_tags(lengths, seed):
    scores_MK, transitions_KK = draw(lengths, seed)
    scores_MK[:, 0] += np.random.default_rng(seed).uniform(0, 12, len(scores_MK))  # mostly sure
    decoder = ChainDecoder(tf.constant(transitions_KK), LABELS.tags, *ALLOWED)
    arguments = (tf.constant(scores_MK), tf.constant(lengths))
    searched = best_chains(*arguments, tf.constant(transitions_KK), *ALLOWED)
    assert decoder(*arguments).tags.numpy().tolist() == searched.numpy().tolist()


def test_only_a_sequence_above_all_others_together_is_surely_the_best():
    scores_MK = tf.constant([[4.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.2, 0.0, 0.0]])
    lengths_B, transitions_KK = tf.constant([1, 2]), tf.zeros([TAGS, TAGS])
    sums = sum_sequences(scores_MK, lengths_B, transitions_KK, *ALLOWED)
    tags_M = tf.zeros([3], tf.int32)
    path_M = path_scores(tags_M, scores_MK, lengths_B, transitions_KK, ALLOWED[1])
    assert are_best(tags_M, path_M, sums, lengths_B).numpy().tolist() == [True, False, False]


def test_scores_are_marginals_in_0_to_1_whatever_the_logits():
    scores_MK = np.array([[-np.inf, 300.0, 0.0], [np.nan, 0.0, 300.0], [-1e30, 0, 0]], np.float32)
    decoder = ChainDecoder(tf.zeros([TAGS, TAGS]), LABELS.tags, *ALLOWED)
    decoded = decoder(tf.constant(scores_MK), tf.constant([3]))
    assert np.isfinite(decoded.probabilities).all()
    assert 0 <= decoded.probabilities.numpy().min() <= decoded.probabilities.numpy().max() <= 1
    entity_scores = decoded.spans.entity_score.numpy()
    assert entity_scores.size
    assert 0 <= entity_scores.min() <= entity_scores.max() <= 1


def test_learned_transitions_change_what_is_found():
    # each unit by itself says O; B is always followed by I, and together they score more
    scores_MK = tf.constant([[1.0, 0.6, 0.0], [1.0, 0.0, 0.6]])
    lengths_B = tf.constant([2])
    bonus = np.zeros((TAGS, TAGS), np.float32)
    bonus[LABELS.id("B-LOC"), LABELS.id("I-LOC")] = 3.0
    plain = ChainDecoder(tf.zeros([TAGS, TAGS]), LABELS.tags, *ALLOWED)
    learned = ChainDecoder(tf.constant(bonus), LABELS.tags, *ALLOWED)
    assert plain(scores_MK, lengths_B).tags.numpy().tolist() == [0, 0]
    assert learned(scores_MK, lengths_B).tags.numpy().tolist() == [1, 2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crf")
    lines = [
        json.dumps({"text": f"the {who} runs", "entities": [[4, 4 + len(who), kind]]})
        for who, kind in (("anna", "PER"), ("oslo", "LOC"), ("boris", "PER"), ("lima", "LOC"))
    ]
    (folder / "data.jsonl").write_text("\n".join(lines * 10), encoding="utf-8")
    data = str(folder / "data.jsonl")
    values = {
        "name": "crf",
        "devices": "cpu",
        "data": {"train": data, "dev": data},
        "encoder": {"checkpoint": str(tiny.checkpoint()), "max_length": 8, "overlap": 2},
        "model": {"head": "crf"},
        "training": {"epochs": 3, "batch_size": 4, "learning_rate": 0.005},
        "runs_dir": str(folder / "runs"),
        "exports_dir": str(folder / "exports"),
    }
    settings = RunSettings.model_validate(values)
    return settings, train(settings, Console(quiet=True))


@pytest.mark.long
def test_it_trains_is_exported_and_loaded_again(run):
    settings, outcome = run
    assert outcome.reports["dev"].scores.micro.f1 == 1.0
    exported, restored = tfner.load(outcome.export), open_model(settings.run_dir)
    # longer than a window: the chain goes on across their borders
    text = " ".join(["the anna runs , the oslo runs ."] * 6)
    first, second = exported(text), restored(text)
    assert [entity.key for entity in first] == [entity.key for entity in second]
    assert ("anna", "PER") in {(entity.text, entity.label) for entity in first}
    scores = [[entity.score for entity in entities] for entities in (first, second)]
    assert_allclose(*scores, atol=1e-5)
    assert all(0 < score <= 1 for score in scores[0])
