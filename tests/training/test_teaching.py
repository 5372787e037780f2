"""Teachers in a run: what they are asked, what is kept of it, what is refused, what is reported."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
import yaml
from numpy.testing import assert_allclose
from rich.console import Console

from tfner.config import load_settings
from tfner.exceptions import ConfigError, ModelError
from tfner.model.heads.crf import CrfHead
from tfner.serving.export.signatures import Signatures
from tfner.tagging.schemes import LabelSet
from tfner.training import teachers as asked_here
from tfner.training import teaching
from tfner.training.run import train
from tfner.training.run_inputs import load_run_inputs
from tfner.training.state.run_folder import RunFolder
from tfner.training.teachers import (
    Teacher,
    ask_all,
    kept_answers,
    labels_of_card,
    open_teacher,
    open_teachers,
)

pytestmark = pytest.mark.long

SENTENCES = [["anna", "met", "\u200e", "boris"], ["oslo"], [], ["lund", "of"] * 30]
SENTENCE = "anna B-PER\nlund I-PER\nmet O\noslo B-LOC\n\n"
LINES = "anna met clara, in paris \u200e\n\nboris saw the U.S. bank\n"


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return open_teacher(str(tiny.exported()))


def settings_for(home: Path, name: str, *overrides: str):
    (home / "train.conll").write_text(SENTENCE * 6)
    (home / "more.txt").write_text(LINES)
    values = {
        "name": name,
        "data": {"train": str(home / "train.conll")},
        "encoder": {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4},
        "training": {"epochs": 1, "batch_size": 4, "teachers": [str(tiny.exported())]},
        "export": {"enabled": False},
        "runs_dir": str(home / "runs"),
    }
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return load_settings(path, overrides)


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_an_export_tells_the_probabilities_that_it_decodes_by(teacher):
    probabilities = ask_all([teacher], tiny.LABELS, SENTENCES, None)
    tagged = tiny.loaded().tag_batch(SENTENCES)
    for found, words, (tags, scores) in zip(probabilities, SENTENCES, tagged, strict=True):
        assert found.shape == (len(words), len(tiny.LABELS))
        for row, tag, score in zip(found, tags, scores, strict=True):
            # the word of a formatting character alone has no piece: nobody sees it
            assert row.sum() == pytest.approx(1.0 if score else 0.0, abs=1e-3)
            assert row[tiny.LABELS.id(tag)] == pytest.approx(score, abs=2e-3)


@pytest.mark.long
def test_a_teacher_with_a_crf_tells_marginals():
    head = CrfHead(tiny.LABELS)
    model = tiny.classifier()
    head.build(tf.TensorShape([None, None, tiny.CONFIG["hidden_size"]]))
    transitions = np.random.default_rng(2).normal(0, 2, (len(tiny.LABELS),) * 2)
    head.set_weights([*model.head.get_weights(), transitions])
    model.head = head
    signatures = Signatures(tiny.tagger_over(model, tiny.LABELS))
    words = tf.constant([["anna", "met", "boris"], ["oslo", "", ""]])
    probabilities = signatures.word_probabilities(words).numpy()
    answer = signatures.words(words)
    tags = np.vectorize(lambda tag: tiny.LABELS.tags.index(tag.decode() or "O"))(answer["tag"])
    found = np.take_along_axis(probabilities, tags[..., None], -1)[..., 0]
    assert_allclose(found, answer["score"], atol=1e-5)
    without = Signatures(tiny.tagger())
    plain = without.word_probabilities(words).numpy()
    assert np.abs(plain - probabilities).max() > 0.05


def test_several_teachers_are_averaged_over_those_that_see_a_word():
    def says(row):
        return lambda words: tf.constant([[row] * words.shape[1]] * words.shape[0], tf.float32)

    labels = LabelSet(("PER",))
    rows = ([0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0])
    teachers = [Teacher(str(n), labels, str(n), says(row)) for n, row in enumerate(rows)]
    (found,) = ask_all(teachers, labels, [["a"]], None)
    assert_allclose(found, [[0.25, 0.25, 0.5]])
    (nothing,) = ask_all(teachers[2:], labels, [["a"]], None)
    assert_allclose(nothing, [[0.0, 0.0, 0.0]])


def test_answers_are_kept_and_asked_again_only_where_their_file_is_damaged(
    teacher, tmp_path, monkeypatch, caplog
):
    first = kept_answers(teacher, SENTENCES, tmp_path)
    (path,) = tmp_path.iterdir()
    silent = Teacher(teacher.path, teacher.labels, teacher.fingerprint, ask=pytest.fail)
    assert_allclose(kept_answers(silent, SENTENCES, tmp_path), first)
    damaged = bytearray(path.read_bytes())
    damaged[-40] ^= 1
    path.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        assert_allclose(kept_answers(teacher, SENTENCES, tmp_path), first)
    assert "asking again" in caplog.text
    other = Teacher(teacher.path, teacher.labels, "another", teacher.ask)
    kept_answers(other, SENTENCES, tmp_path)
    kept_answers(teacher, SENTENCES[1:], tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_answer_of_another_number_of_tags_is_refused(teacher):
    wrong = Teacher("there", LabelSet(("PER",)), "", teacher.ask)
    with pytest.raises(ModelError, match=r"^there: expected probabilities of 3 tags, got the sha"):
        ask_all([wrong], LabelSet(("PER",)), [["a"]], None)


def test_an_export_that_tells_no_probabilities_is_refused_with_a_way_out(monkeypatch):
    older = SimpleNamespace(signatures={})
    card = {"labels": ["PER"], "tag_scheme": "IOB2"}
    monkeypatch.setattr(asked_here, "check_version", lambda folder: (card, frozenset()))
    monkeypatch.setattr(asked_here, "load_graph", lambda folder: older)
    with pytest.raises(ModelError, match=r"got an older one; export its run again"):
        open_teacher(str(tiny.exported()))
    for card in ({}, {"labels": "PER"}, {"labels": [1], "tag_scheme": "IOB2"}):
        with pytest.raises(ModelError, match=r"^there: expected labels, a list of names, got"):
            labels_of_card(Path("there"), card)
    with pytest.raises(ModelError, match=r"^there: tag scheme of a label set: expected one"):
        labels_of_card(Path("there"), {"labels": ["PER"], "tag_scheme": "BILOU"})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("teaching")


@pytest.fixture(scope="module")
def finished(home):
    overrides = (f"data.unlabelled={home / 'more.txt'}", "training.gradient_accumulation=2")
    return train(settings_for(home, "student", *overrides), quiet())


def test_a_run_reports_what_teachers_labelled_and_keeps_their_answers(finished):
    report = json.loads(finished.folder.report.read_text())
    # "anna met clara , in paris" and "boris saw the U.S. bank"
    wanted = {"documents": 3, "taught": 11, "unseen": 0}
    assert report["taught"] == {
        "train": {"documents": 6, "taught": 24, "unseen": 0},
        "unlabelled": wanted,
    }
    assert report["seconds"]["teachers"] > 0
    assert "Labelled by teachers" in finished.folder.page.read_text()
    environment = json.loads(finished.folder.environment.read_text())
    assert environment["data"]["unlabelled"]["documents"] == 3
    ((path, described),) = environment["teachers"].items()
    assert path == str(tiny.exported())
    assert len(described["sha256"]) == 64
    assert len(list(finished.folder.soft_labels.iterdir())) == 2


def test_raw_text_is_learned_as_it_will_be_read(home, teacher, monkeypatch, caplog):
    monkeypatch.setattr(asked_here, "open_teacher", lambda path: replace(teacher, by_sentence=True))
    (home / "texts.txt").write_text("Anna met Boris. Clara left.\nAnna came\n")
    source = f"data.unlabelled={home / 'texts.txt'}"
    with caplog.at_level(logging.INFO):
        settings = settings_for(home, "cut", source)
        cut = load_run_inputs(settings, RunFolder(settings.run_dir), quiet(), writes=False)
    assert "data.unlabelled: 2 documents, read as 3 sentences" in caplog.messages
    texts = [document.text for document in cut.splits.documents["unlabelled"]]
    assert texts == ["Anna met Boris.", "Clara left.", "Anna came"]
    said = f"{teacher.path}: reads raw text sentence by sentence, and is asked for whole texts"
    assert said not in caplog.messages
    whole = settings_for(home, "whole", source, "export.raw_text=whole")
    inputs = load_run_inputs(whole, RunFolder(whole.run_dir), quiet(), writes=False)
    assert len(inputs.splits.documents["unlabelled"]) == 2
    assert said in caplog.messages


def test_a_run_folder_teaches_too(finished):
    student = open_teacher(str(finished.folder.path))
    assert student.labels.types == ("LOC", "PER")
    for found, words in zip(
        ask_all([student], student.labels, SENTENCES, None), SENTENCES, strict=True
    ):
        seen = [word != "\u200e" for word in words]
        assert_allclose(found.sum(axis=1), seen, atol=1e-3)


@pytest.mark.slow
def test_runs_and_exports_teach_a_student_with_a_crf_and_other_batches(home, finished):
    changes = ("model.head=crf", "training.batching=bucketed", f"data.cache={home / 'cache'}")
    source = f"training.teachers=[{finished.folder.path}, {tiny.exported()}]"
    outcome = train(settings_for(home, "second", source, *changes), quiet())
    assert json.loads(outcome.folder.report.read_text())["taught"]["train"]["taught"] == 24
    assert not outcome.folder.soft_labels.exists()
    assert len(list((home / "cache").glob("*.teacher"))) == 2


def test_that_a_teacher_of_documents_is_asked_for_sentences_is_said(
    home, teacher, monkeypatch, caplog
):
    reads_documents = replace(teacher, context="document")
    monkeypatch.setattr(asked_here, "open_teacher", lambda path: reads_documents)
    with caplog.at_level(logging.WARNING):
        open_teachers(settings_for(home, "lone"), tiny.LABELS)
    said = f"{tiny.exported()}: reads documents, and is asked for each sentence by itself"
    assert caplog.messages == [said]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.head=softmax", "training.label_smoothing=0.1"],
            "^training.label_smoothing: expected 0 with training.t",
        ),
        (
            ["model.head=softmax", "training.class_weights={O: 0.5}"],
            "^training.class_weights: expected none with traini",
        ),
        (["model.head=bilstm"], "^model.head: expected one of crf, softmax, got 'bilstm'$"),
        (["labels=[PER, RIVER]"], r"^training.teachers: .*got none of \['RIVER'\]"),
        (["model.tag_scheme=BIOES"], "^training.teachers: .*expected tags in BIOES"),
    ],
)
def test_what_a_teacher_cannot_teach_is_refused_before_a_run_begins(
    home, teacher, monkeypatch, overrides, message
):
    monkeypatch.setattr(asked_here, "open_teacher", lambda path: teacher)
    with pytest.raises(ConfigError, match=message):
        train(settings_for(home, "refused", *overrides), quiet())
    assert not (home / "runs" / "refused" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training.teachers=[nowhere]"],
            "^training.teachers: expected the folder of an exp.*nowh",
        ),
        (
            ["training.teachers=[]", "data.unlabelled=nowhere"],
            "data.unlabelled: expected training.t",
        ),
        (["data.train=prepared:shards"], "data.train: expected documents with training.teachers"),
        (["training.teacher_weight=1.5"], "training.teacher_weight"),
        (["data.unlabelled=nowhere"], "^data.unlabelled: no such file or folder: nowhere"),
    ],
)
def test_mistakes_in_the_settings_of_teachers_are_named(home, overrides, message):
    with pytest.raises(ConfigError, match=message):
        settings_for(home, "mistaken", *overrides)


@pytest.fixture
def asked_of(monkeypatch, caplog):
    """Note what has been logged whenever the teachers begin with a split."""
    caplog.set_level(logging.INFO)
    real = teaching.soft_label_rows
    logged = []

    def soft_label_rows(inputs, documents, cache):
        logged.append(list(caplog.messages))
        return real(inputs, documents, cache)

    monkeypatch.setattr(teaching, "soft_label_rows", soft_label_rows)
    return logged


@pytest.mark.parametrize("batching", ["packed", "bucketed"])
def test_a_training_that_is_too_short_is_said_once_before_the_teachers_begin(
    home, asked_of, caplog, batching
):
    name = f"short-{batching}"
    overrides = (f"data.unlabelled={home / 'more.txt'}", f"training.batching={batching}")
    settings = settings_for(home, name, "training.batch_size=2", *overrides)
    made = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: made.append(1))
    train(settings, quiet(), callbacks=[count])
    said = [message for message in caplog.messages if "updates in all are few" in message]
    assert len(asked_of) == 2
    assert said == [message for message in asked_of[0] if message in said]
    assert len(said) == 1
    assert said[0].startswith(f"{len(made)} updates in all are few")
