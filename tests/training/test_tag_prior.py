"""Where the data are few the head begins from how often each tag is."""

from __future__ import annotations

import io
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tiny
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_runs import write_run
from rich.console import Console

from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.data.encoded_corpus import EncodedCorpus, encode
from tfner.data.soft_labels import add_soft_labels, join_corpora
from tfner.formats import read_documents
from tfner.model.heads.head import Head
from tfner.tagging.schemes import LabelSet
from tfner.training.fit import compile_model
from tfner.training.run_inputs import load_run_inputs
from tfner.training.schedule import Schedule
from tfner.training.state.run_folder import RunFolder
from tfner.training.tag_prior import begin_from_prior, log_prior, prior_strength

SENTENCE = "anna B-PER\nlund I-PER\nmet O\nacme B-ORG\n\n"
LABELS = LabelSet(("ORG", "PER"))
TAGS = "O", "B-ORG", "I-ORG", "B-PER", "I-PER"
SCHEDULE = Schedule(epochs=3, passes=1, steps_per_pass=1)
FEW, MANY = 12, 1600


def settings_for(home: Path, *overrides: str, checkpoint: Path | None = None, sentences: int = FEW):
    (home / "train.conll").write_text(SENTENCE * sentences)
    values = {
        "name": "run",
        "data": {"train": str(home / "train.conll")},
        "encoder": {
            "checkpoint": str(checkpoint or tiny.checkpoint()),
            "max_length": 24,
            "overlap": 6,
        },
        "export": {"enabled": False},
        "runs_dir": str(home / "runs"),
    }
    (home / "run.yaml").write_text(yaml.safe_dump(values))
    return load_settings(home / "run.yaml", overrides)


def inputs_for(settings):
    console = Console(file=io.StringIO())
    return load_run_inputs(settings, RunFolder(settings.run_dir), console, writes=False)


def corpus_of(settings) -> EncodedCorpus:
    documents = list(read_documents(settings.data.train, settings.data, Ledger()))
    return encode(documents, tiny.tokenizer(), LABELS, Ledger(), max_length=24, overlap=6)


def counted(corpus: EncodedCorpus) -> list[int]:
    """Tags of labelled pieces, one by one."""
    found: Counter[int] = Counter()
    for labels, mask in zip(corpus.labels.to_list(), corpus.label_mask.to_list(), strict=True):
        found.update(tag for tag, learned in zip(labels, mask, strict=True) if learned)
    return [found[tag] for tag in range(len(TAGS))]


def test_the_tags_of_labelled_pieces_are_counted(tmp_path):
    corpus = corpus_of(settings_for(tmp_path))
    counts = corpus.tag_counts(len(TAGS)).tolist()
    assert counts == counted(corpus)
    assert dict(zip(TAGS, counts, strict=True))["I-ORG"] == 0
    assert sum(counts) == 48


def test_what_teachers_say_is_added_up(tmp_path):
    corpus = corpus_of(settings_for(tmp_path))
    random = np.random.default_rng(1)
    rows = [random.dirichlet(np.ones(5), 48).astype(np.float16) for _ in range(2)]
    gold, more = (
        add_soft_labels(corpus, each, gold=is_gold)
        for each, is_gold in zip(rows, (True, False), strict=True)
    )
    expected = np.concatenate(rows).astype(float).sum(axis=0)
    np.testing.assert_allclose(join_corpora([gold, more]).tag_counts(5), expected, rtol=1e-6)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_the_prior_is_a_distribution_in_the_order_of_the_counts(counts):
    logs = log_prior(np.array(counts))
    assert np.isfinite(logs).all()
    assert np.exp(logs).sum() == pytest.approx(1)
    assert (np.argsort(logs, kind="stable") == np.argsort(counts, kind="stable")).all()


def test_the_fewer_the_data_the_more_of_it():
    strengths = [prior_strength("auto", sentences) for sentences in range(1, 3000)]
    assert strengths == sorted(strengths, reverse=True)
    assert [strengths[sentences - 1] for sentences in (800, 1600)] == [1, 0]
    assert 0 < strengths[1599 - 1] < strengths[801 - 1] < 1


@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_a_run_over_few_data_begins_from_it(tmp_path, head, caplog):
    inputs = inputs_for(settings_for(tmp_path, f"model.head={head}"))
    with caplog.at_level(logging.INFO, "tfner"):
        model = compile_model(inputs, SCHEDULE)
    assert "head: begins from how often each tag is, at 100 %" in caplog.messages
    expected = log_prior(np.array(counted(inputs.corpora["train"])))
    np.testing.assert_allclose(model.head.bias.numpy(), expected, rtol=1e-6)
    if head == "crf":
        assert not model.head.transitions.numpy().any()


def test_a_run_over_many_data_does_not(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "tfner"):
        inputs = inputs_for(settings_for(tmp_path, sentences=MANY))
        model = compile_model(inputs, SCHEDULE)
    assert not model.head.bias.numpy().any()
    assert "how often each tag is" not in caplog.text


def test_longer_texts_are_counted_by_their_windows(tmp_path):
    assert corpus_of(settings_for(tmp_path)).sentences == FEW
    (tmp_path / "long.conll").write_text(SENTENCE.replace("\n\n", "\n") * 40)
    settings = settings_for(tmp_path, f"data.train={tmp_path / 'long.conll'}")
    corpus = corpus_of(settings)
    assert (len(corpus.pieces), corpus.sentences) == (1, len(corpus.lengths))
    assert corpus.sentences > 5


@pytest.mark.parametrize("sentences", [FEW, MANY])
def test_how_much_of_it_can_be_set(tmp_path, sentences):
    inputs = inputs_for(settings_for(tmp_path, "training.tag_prior=0.5", sentences=sentences))
    half = log_prior(np.array(counted(inputs.corpora["train"]))) / 2
    bias = compile_model(inputs, SCHEDULE).head.bias.numpy()
    np.testing.assert_allclose(bias, half, rtol=1e-6)
    none = inputs_for(settings_for(tmp_path, "training.tag_prior=0", sentences=sentences))
    assert not compile_model(none, SCHEDULE).head.bias.numpy().any()


def test_tags_that_come_from_a_tagger_keep_what_it_has_learned(tmp_path):
    old = write_run(tmp_path / "old", ("LOC", "PER"), head="crf")
    model = compile_model(inputs_for(settings_for(tmp_path, checkpoint=old.path)), SCHEDULE)
    counts = corpus_of(settings_for(tmp_path)).tag_counts(len(TAGS))
    bias = dict(zip(TAGS, model.head.bias.numpy(), strict=True))
    prior = dict(zip(TAGS, log_prior(counts), strict=True))
    assert [tag for tag in TAGS if bias[tag] == pytest.approx(prior[tag])] == ["B-ORG", "I-ORG"]


def test_a_head_without_a_bias_takes_no_notice(tmp_path):
    begin_from_prior(Head(LABELS), corpus_of(settings_for(tmp_path)), strength=1)
