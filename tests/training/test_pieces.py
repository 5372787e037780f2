"""A BERT with a SentencePiece vocabulary, whose padding is 1: it trains, exports and answers."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_pieces
import yaml
from rich.console import Console

import tfner
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.encoded_corpus import encode
from tfner.data.token_stats import collect_token_stats
from tfner.documents import Document, Entity
from tfner.training.restore import open_model
from tfner.training.run import train

pytestmark = pytest.mark.long

SENTENCE = "{} B-PER\nmet O\n\u2581 O\n{} B-PER\nin O\n{} B-LOC\n"
TEXTS = [
    "Clara met Boris in Oslo",
    "東京都の大阪市でアンナがボリスに会った。 Boris, Anna; Paris",
    "</s> Anna <mask> <pad> \u2581 Oslo",
    "",
    "Anna met Boris in Lima near the old river. " * 12,
]


def carry_out(folder, batching, *, exports):
    """Give a run's folder and its export's, trained on sentences with a word that has no piece."""
    names = ("Anna", "Boris", "Clara", "David")
    triples = [(a, b, place) for a in names for b in names for place in ("Oslo", "Lima")]
    sentences = [SENTENCE.format(*triple) for triple in triples]
    (folder / "train.conll").write_text("\n".join(sentences * 4))
    (folder / "dev.conll").write_text("\n".join(sentences))
    values = {
        "name": "pieces",
        "data": {"train": str(folder / "train.conll"), "dev": str(folder / "dev.conll")},
        "encoder": {
            "checkpoint": str(tiny_pieces.checkpoint()),
            "max_length": 32,
            "overlap": 4,
        },
        "model": {"head": "softmax"},
        "training": {
            "epochs": 2,
            "batch_size": 8,
            "learning_rate": 5e-3,
            "batching": batching,
        },
        "export": {"enabled": exports},
        "runs_dir": str(folder / "runs"),
        "exports_dir": str(folder / "exports"),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    train(load_settings(folder / "run.yaml"), Console(file=io.StringIO()))
    return folder / "runs" / "pieces", folder / "exports" / "pieces"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return carry_out(tmp_path_factory.mktemp("packed"), "packed", exports=True)


def learned_f1(run_folder) -> float:
    report = json.loads((run_folder / "report.json").read_text())
    return report["entity"]["micro"]["f1"]


def test_it_learns_of_padded_rows_too(tmp_path):
    run_folder, _ = carry_out(tmp_path, "padded", exports=False)
    assert learned_f1(run_folder) > 0.9


def test_it_learns_and_its_export_answers_as_the_run_does(run):
    run_folder, export_folder = run
    assert learned_f1(run_folder) > 0.9
    exported = tfner.load(export_folder)
    restored = open_model(run_folder)
    wanted = restored.batch(TEXTS)
    for text, found, same in zip(TEXTS, exported.batch(TEXTS), wanted, strict=True):
        assert [(e.start, e.end, e.label) for e in found] == [
            (e.start, e.end, e.label) for e in same
        ]
        np.testing.assert_allclose([e.score for e in found], [e.score for e in same], atol=1e-4)
        assert all(text[e.start : e.end] == e.text for e in found)
    assert [(e.text, e.label) for e in exported(TEXTS[0])] == [
        ("Clara", "PER"),
        ("Boris", "PER"),
        ("Oslo", "LOC"),
    ]
    assert exported.card["tokenizer"] == tiny_pieces.tokenizer().fingerprint()


def test_the_run_keeps_the_model_file(run):
    copy = run[0] / "encoder" / tiny_pieces.MODEL_FILE
    assert copy.read_bytes() == tiny_pieces.model_bytes()


@pytest.fixture(scope="module")
def corpus():
    documents = [
        Document("Anna met Boris", (Entity(0, 4, "PER"), Entity(9, 14, "PER"))),
        Document("Oslo", (Entity(0, 4, "LOC"),), words=((0, 4),)),
        Document("the old \u2581 bank", (), words=((0, 3), (4, 7), (8, 9), (10, 14))),
    ]
    ledger = Ledger()
    tokenizer = tiny_pieces.tokenizer()
    found = encode(documents, tokenizer, tiny.LABELS, ledger, max_length=32, overlap=4)
    assert not ledger.entries
    return found


def test_windows_begin_and_end_with_the_pieces_of_the_family(corpus):
    ids = corpus.input_ids.to_list()
    assert {row[0] for row in ids} == {0}
    assert {row[-1] for row in ids} == {2}
    # a word without a piece moves no label
    assert [sum(row) for row in corpus.label_mask.to_list()] == [3, 1, 3]


def test_characters_without_a_piece_are_counted():
    documents = [Document("Anna met \u1313\u1313 in Oslo"), Document("\u1313x", words=((0, 2),))]
    ledger = Ledger()
    stats = collect_token_stats(documents, tiny_pieces.tokenizer(), tiny.LABELS, ledger)
    assert stats.unknown_characters == {"\u1313": 3}
    assert stats.units == [5, 1]


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_padded_and_packed_rows_say_the_same(corpus, implementation):
    pad_id = tiny_pieces.tokenizer().pad_id
    assert pad_id == 1
    padded = Batches(corpus, PaddedSettings(3, "padded", (), pad_id, 1))
    packed = PackedBatches(corpus, PackedSettings(3, 64, pad_id, 1))
    model = tiny.classifier(folder=tiny_pieces.checkpoint(), implementation=implementation)
    found = []
    for batches in padded, packed:
        ((x, y, mask),) = batches.training(1).as_numpy_iterator()
        real = x.get("attention_mask", x.get("segment_ids")) > 0
        assert (x["input_ids"][~real] == pad_id).all()
        logits = model({name: tf.constant(value) for name, value in x.items()}).numpy()
        labelled = logits[mask > 0]
        order = np.lexsort((y[mask > 0], x["input_ids"][mask > 0]))
        found.append(labelled[order])
    assert len(found[0]) == 7
    np.testing.assert_allclose(*found, atol=1e-4)
