"""Convert fine-tuned checkpoints: probabilities, entities, exports, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_pieces
from numpy.testing import assert_allclose
from safetensors.numpy import load_file, save_file

import tfner
from tfner.conversion.fine_tuned import open_fine_tuned
from tfner.exceptions import ConfigError, ModelError
from tfner.model.encoders.families import build_encoder
from tfner.serving.export.bundle import live_recognizer
from tfner.training.teachers import ask_all, open_teacher

FIXTURES = Path(__file__).parents[1] / "fixtures/families"
NAMES = ["I-PER", "B-LOC", "O", "I-LOC", "B-PER"]
SENTENCES = [
    ["Anna", "met", "Boris", "in", "old", "Oslo", "."],
    ["Volta", "moved", "from", "Turin", "to", "Lund"],
    ["the", "roads"],
]


def write_fine_tuned(folder: Path, names: list[str] = NAMES, **config) -> Path:
    """A checkpoint as transformers writes one for token classification."""
    random = np.random.default_rng(3)
    tensors = {f"bert.{name}": value for name, value in tiny.tensors().items()}
    hidden = tiny.CONFIG["hidden_size"]
    tensors["classifier.weight"] = random.normal(0, 0.5, [len(names), hidden]).astype(np.float32)
    tensors["classifier.bias"] = random.normal(0, 0.5, [len(names)]).astype(np.float32)
    named = {str(number): name for number, name in enumerate(names)}
    settings = {"architectures": ["BertForTokenClassification"], "id2label": named, **config}
    return tiny.write_checkpoint(folder, tensors, **settings)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_fine_tuned(tmp_path_factory.mktemp("fine-tuned") / "people (v1)")


@pytest.fixture(scope="module")
def recognizer(checkpoint):
    return tfner.load(checkpoint)


def first_piece_probabilities(folder: Path, words: list[str]) -> np.ndarray:
    """By transformers' tokenizer and layers, and the head's weights: [words, outputs]."""
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(folder)
    batch = tokenizer(words, is_split_into_words=True)
    ids = np.array([batch["input_ids"]], np.int32)
    encoder = build_encoder(folder, implementation="reference")
    hidden = tiny.reference_states(encoder, ids, np.ones_like(ids))[0]
    tensors = load_file(folder / "model.safetensors")
    logits = hidden @ tensors["classifier.weight"].T + tensors["classifier.bias"]
    firsts = [batch.word_ids().index(number) for number in range(len(words))]
    return softmax(logits)[firsts]


def test_each_word_has_the_tag_and_probability_that_transformers_gives(checkpoint):
    tagger, card = open_fine_tuned(checkpoint, overrides=["decoder=greedy"])
    tagged = live_recognizer(tagger, card).tag_batch(SENTENCES)
    for words, (tags, probabilities) in zip(SENTENCES, tagged, strict=True):
        expected = first_piece_probabilities(checkpoint, words)
        assert tags == [NAMES[best] for best in expected.argmax(-1)]
        np.testing.assert_allclose(probabilities, expected.max(-1), atol=1e-5)


FAMILIES = {
    "electra-projected": ("ElectraForTokenClassification", "ElectraTokenizer"),
    "electra": ("ElectraForTokenClassification", "ElectraTokenizer"),
    "distilbert": ("DistilBertForTokenClassification", "DistilBertTokenizer"),
    "roberta": ("RobertaForTokenClassification", "BertTokenizer"),
    "xlm-roberta": ("XLMRobertaForTokenClassification", "XLMRobertaTokenizer"),
    "camembert": ("CamembertForTokenClassification", "CamembertTokenizer"),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_taggers_of_every_family_have_the_probabilities_of_their_own_layers(family, tmp_path):
    architecture, tokenizer_class = FAMILIES[family]
    folder = tmp_path / family
    shutil.copytree(FIXTURES / family, folder)
    tiny_pieces.add_tokenizer(folder, tokenizer_class)
    config = json.loads((folder / "config.json").read_text())
    hidden = config.get("dim", config.get("hidden_size"))
    config["id2label"] = {str(number): name for number, name in enumerate(NAMES)}
    config["architectures"] = [architecture]
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(5)
    weight = random.normal(0, 0.5, [len(NAMES), hidden]).astype(np.float32)
    bias = random.normal(0, 0.5, [len(NAMES)]).astype(np.float32)
    change_head(folder, **{"classifier.weight": weight, "classifier.bias": bias})
    tagger, card = open_fine_tuned(folder, overrides=["decoder=greedy"])
    tagged = live_recognizer(tagger, card).tag_batch(SENTENCES)
    encoder = build_encoder(folder, implementation="reference")
    for words, (tags, probabilities) in zip(SENTENCES, tagged, strict=True):
        ids, firsts = framed(tagger.tokenizer, words)
        states = tiny.reference_states(encoder, ids, np.ones_like(ids))[0]
        expected = softmax(states @ weight.T + bias)[firsts]
        assert tags == [NAMES[best] for best in expected.argmax(-1)]
        np.testing.assert_allclose(probabilities, expected.max(-1), atol=1e-5)


def framed(tokenizer, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of a sentence between the special ones, and where first pieces are."""
    tokens = tokenizer.tokenize_words(tf.ragged.constant([words]))
    pieces = [tokenizer.cls_id, *tokens.ids.values.numpy(), tokenizer.sep_id]
    firsts = np.flatnonzero(tokens.first_of_unit.values.numpy()) + 1
    return np.array([pieces], np.int32), firsts


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.long
def test_an_export_answers_as_the_folder_does(checkpoint, recognizer, tmp_path, line):
    to = tmp_path / "people"
    ended = line("convert", checkpoint, "--to", to)
    assert ended.code == 0, ended.stderr
    assert "IOB2; types: PER, LOC" in ended.stdout
    exported = tfner.load(to)
    text = "Anna met Boris in Oslo. Volta moved to Turin."
    assert exported(text) == recognizer(text)
    assert exported.card["converted_from"] == {
        "architecture": "BertForTokenClassification",
        "labels": NAMES,
    }
    assert exported.card["name"] == "people"
    assert "tensorflow" in exported.card["versions"]
    assert (to / "1" / "assets.extra" / "tf_serving_warmup_requests").is_file()


@pytest.mark.long
def test_it_teaches_from_its_folder_and_as_an_export(checkpoint, tmp_path, line):
    assert line("convert", checkpoint, "--to", tmp_path / "export").code == 0
    for folder in (checkpoint, tmp_path / "export"):
        teacher = open_teacher(str(folder))
        assert (teacher.labels.types, teacher.context) == (("PER", "LOC"), "none")
        (found,) = ask_all([teacher], teacher.labels, SENTENCES[:1], None)
        order = [NAMES.index(tag) for tag in teacher.labels.tags]
        expected = first_piece_probabilities(checkpoint, SENTENCES[0])[:, order]
        assert_allclose(found, expected, atol=2e-3)  # answers are kept in two bytes


def test_the_longest_window_is_the_encoders(recognizer):
    assert recognizer.card["max_length"] == tiny.CONFIG["max_position_embeddings"]


def change_head(folder: Path, **changes: np.ndarray | None) -> None:
    """Replace tensors of a checkpoint, or take those of None away."""
    tensors = load_file(folder / "model.safetensors") | changes
    kept = {name: value for name, value in tensors.items() if value is not None}
    save_file(kept, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"crf.transitions": np.zeros([5, 5], np.float32)},
            "expected one linear layer as head, classifier.weight and classifier.bias, got "
            "['classifier.bias', 'classifier.weight', 'crf.transitions']",
        ),
        (
            {"classifier.bias": None},
            "expected one linear layer as head, classifier.weight and classifier.bias, got "
            "['classifier.weight']",
        ),
        (
            {"classifier.bias": np.zeros([3], np.float32)},
            "expected 5 outputs, one a label, "
            "got classifier.weight [5, 32] and classifier.bias [3]",
        ),
    ],
)
def test_a_head_that_is_another_one_is_refused(tmp_path, changes, message):
    folder = write_fine_tuned(tmp_path / "tagger")
    change_head(folder, **changes)
    with pytest.raises(ModelError) as caught:
        open_fine_tuned(folder)
    assert str(caught.value) == f"{folder}: {message}"


def test_a_head_for_another_encoder_is_refused(tmp_path):
    folder = write_fine_tuned(tmp_path / "tagger")
    change_head(folder, **{"classifier.weight": np.zeros([5, 8], np.float32)})
    with pytest.raises(ModelError, match=r"expected a layer over 32 hidden numbers, got \[5, 8\]"):
        open_fine_tuned(folder)


def test_a_checkpoint_of_another_kind_is_refused_on_the_command_line(tmp_path, line):
    folder = write_fine_tuned(tmp_path / "tagger", architectures=["BertForMaskedLM"])
    ended = line("convert", folder, "--to", tmp_path / "export")
    assert ended.code == 2
    expected = "expected an architecture whose name ends in ForTokenClassification"
    assert f"{folder / 'config.json'}: {expected}, got ['BertForMaskedLM']" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "export").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path, line):
    ended = line("convert", tmp_path / "nowhere", "--to", tmp_path / "export")
    assert (ended.code, ended.stdout) == (2, "")
    assert f"CHECKPOINT: no such folder: {tmp_path / 'nowhere'}" in ended.stderr


def test_where_the_export_goes_is_asked_for(tmp_path, line):
    ended = line("convert", write_fine_tuned(tmp_path / "tagger"))
    assert ended.code == 2
    assert "command line: --to: " in ended.stderr
    assert "is required" in ended.stderr


def test_labels_without_names_are_named_on_the_command_line(tmp_path, line):
    folder = write_fine_tuned(tmp_path / "tagger", ["LABEL_0", "LABEL_1"])
    with pytest.raises(ConfigError, match=r"config.json: label 0: expected O, a type, or a tag"):
        open_fine_tuned(folder)
    tagger, _ = open_fine_tuned(folder, names=["O", "NAME"])
    assert tagger.labels.tags == ("O", "I-NAME")
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "LABEL_0", "1": "LABEL_1"}
