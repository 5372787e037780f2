"""Load what is written for transformers in PyTorch, in versions 4 and 5, and compare the answers.

TFNER_PEER_PYTHON and TFNER_PEER5_PYTHON each name a Python with torch and transformers, in an
environment of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_bytes
import tiny_pieces

from tfner.conversion.transformers_folder import write_transformers_folder
from tfner.model.heads.head import DecoderOptions
from tfner.model.inference.tagger import Tagger
from tfner.serving.export.bundle import live_recognizer, make_card
from tfner.tokenizers.registry import open_tokenizer
from tfner.tokenizers.wordpiece import WordPieceTokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
FIXTURES = Path(__file__).parents[1] / "fixtures/families"
ROOT = Path(__file__).parents[2]
PEERS = ("TFNER_PEER_PYTHON", "TFNER_PEER5_PYTHON")
# Without punctuation, which the pipeline leaves at words where the tokenizer does not cut it off.
TEXT = "Anna met Boris in old Oslo and Volta moved from Turin to Lund"
SENTENCES = [
    ["Anna", "met", "Boris", "in", "old", "Oslo", "."],
    ["Volta", "moved", "from", "Turin", "to", "Lund"],
    ["the", "roads"],
]
# family → the class of its tokenizer
FAMILIES = {
    "bert": "BertTokenizer",
    "electra": "ElectraTokenizer",
    "electra-projected": "ElectraTokenizer",
    "distilbert": "DistilBertTokenizer",
    "roberta": "BertTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "camembert": "CamembertTokenizer",
}


def make_checkpoint(name: str, folder: Path) -> Path:
    """Write a family's weights with a small tokenizer of its kind."""
    shutil.copytree(FIXTURES / name, folder)
    tiny_pieces.add_tokenizer(folder, FAMILIES[name])
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Folders for transformers, by name, and what asks and answers of each are compared by."""
    home = tmp_path_factory.mktemp("folders")
    checkpoints = {name: make_checkpoint(name, home / name) for name in FAMILIES}
    checkpoints |= {"pieces": tiny_pieces.checkpoint(), "bytes": tiny_bytes.checkpoint()}
    return {name: Written(name, path, home) for name, path in checkpoints.items()}


class Written:
    """One folder, the tagger that it was written of, and the ids that both are asked for."""

    def __init__(self, name: str, checkpoint: Path, home: Path):
        self.model = tiny.classifier(folder=checkpoint)
        self.tokenizer = open_tokenizer(checkpoint)
        longest = self.model.encoder.max_positions
        self.tagger = Tagger(self.model, self.tokenizer, tiny.LABELS, max_length=longest, overlap=4)
        card = make_card(self.tagger, name=name)
        inputs = (self.model, self.tokenizer, card, checkpoint)
        self.folder = write_transformers_folder(*inputs, home / f"{name}-written").path
        tokens = self.tokenizer.tokenize_words(tf.ragged.constant(SENTENCES))
        framed = [
            [self.tokenizer.cls_id, *ids, self.tokenizer.sep_id] for ids in tokens.ids.to_list()
        ]
        self.ids = framed
        self.first_of_unit = tokens.first_of_unit.to_list()

    def logits(self, ids: list[int]) -> np.ndarray:
        batch = tf.constant([ids])
        return self.model({"input_ids": batch, "attention_mask": tf.ones_like(batch)}).numpy()[0]


@pytest.fixture(scope="module", params=PEERS)
def answered(request, written, tmp_path_factory):
    """Collect what the folders answer in PyTorch, by name."""
    python = os.environ.get(request.param)
    if not python:
        pytest.skip(f"{request.param} is not set: it names a Python with torch and transformers")
    folder = tmp_path_factory.mktemp("answers")
    questions = [
        {"folder": str(one.folder), "ids": one.ids, "words": SENTENCES, "text": TEXT}
        for one in written.values()
    ]
    (folder / "questions.json").write_text(json.dumps(questions))
    command = [python, "-m", "benchmarks.peers.tagger_folders"]
    files = [str(folder / "questions.json"), str(folder / "answers.json")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*command, *files], cwd=ROOT, env=environment, check=True)
    answers = json.loads((folder / "answers.json").read_text())
    return dict(zip(written, answers, strict=True))


every_folder = pytest.mark.parametrize("name", [*FAMILIES, "pieces", "bytes"])


@every_folder
def test_logits_are_those_of_the_tagger(name, written, answered):
    one, answer = written[name], answered[name]
    assert answer["faults"] == {}
    largest = 0.0
    for ids, found in zip(one.ids, answer["logits"], strict=True):
        expected = one.logits(ids)
        np.testing.assert_allclose(np.array(found), expected, rtol=0, atol=1e-5)
        largest = max(largest, np.abs(np.array(found) - expected).max())
    print(f"{name}: largest difference of a logit {largest:.1e}")


@every_folder
def test_words_are_cut_into_the_same_pieces(name, written, answered):
    one, answer = written[name], answered[name]
    assert answer["input_ids"] == one.ids
    for firsts, numbers in zip(one.first_of_unit, answer["word_ids"], strict=True):
        inner = numbers[1:-1]
        changes = [left != right for left, right in zip([None, *inner], inner, strict=False)]
        assert changes == firsts


@every_folder
def test_the_pipeline_finds_what_the_tagger_finds_greedily(name, written, answered):
    one = written[name]
    greedy = Tagger(
        one.model,
        one.tokenizer,
        tiny.LABELS,
        max_length=one.tagger.max_length,
        overlap=4,
        decoding=DecoderOptions("greedy"),
    )
    found = live_recognizer(greedy, make_card(greedy, name=name))(TEXT)
    expected = [(e.text, e.label) for e in found]
    entities = answered[name]["entities"]
    assert len(entities) > 3
    if isinstance(one.tokenizer, WordPieceTokenizer):
        # Elsewhere the pipeline guesses where words begin; of a first piece that is a blank alone,
        # which vocabularies as small as these often have, it makes a word.
        assert [(TEXT[start:end], kind) for start, end, kind, _ in entities] == expected
