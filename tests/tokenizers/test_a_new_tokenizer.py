"""A tokenizer that nobody planned for, in one file: it encodes, trains, exports and reloads."""

from __future__ import annotations

import hashlib
import io
import json
import string
from pathlib import Path

import pytest
import tensorflow as tf
import tiny
import yaml
from rich.console import Console

import tfner
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.encoded_corpus import encode
from tfner.documents import Document, Entity
from tfner.tokenizers.protocol import Tokenizer, Tokens
from tfner.tokenizers.ragged_ops import joined_starts, row_labels, row_lengths
from tfner.tokenizers.registry import open_tokenizer, register_tokenizer, tokenizer_files
from tfner.tokenizers.wordpiece import WordPieceTokenizer
from tfner.training.restore import open_model
from tfner.training.run import train

SPECIAL = ("<pad>", "<s>", "</s>", "<other>")


@register_tokenizer
class LetterTokenizer(tf.Module):
    """One piece a character; what stands between spaces is a unit."""

    files = ("vocab.txt", "tokenizer_config.json", "letters.txt")
    ops = ()
    pad_id, cls_id, sep_id = range(3)
    unk_id = None

    def __init__(self, letters: str):
        super().__init__(name="letter_tokenizer")
        self.vocabulary = (*SPECIAL, *letters)
        ids = [3] * 129
        for number, letter in enumerate(letters, len(SPECIAL)):
            ids[ord(letter)] = number
        self._ids = tf.constant(ids, tf.int32)

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        config = folder / "tokenizer_config.json"
        return config.is_file() and "LetterTokenizer" in config.read_text()

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> LetterTokenizer:
        lines = (Path(folder) / "vocab.txt").read_text().split("\n")
        return cls("".join(lines[len(SPECIAL) :]))

    def fingerprint(self) -> str:
        return hashlib.sha256("".join(self.vocabulary).encode()).hexdigest()

    def tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        code, byte = tf.strings.unicode_decode_with_offsets(text_B, "UTF-8")
        splits, row = tf.cast(code.row_splits, tf.int32), tf.cast(code.value_rowids(), tf.int32)
        index = tf.range(tf.size(code.values)) - tf.gather(splits, row)
        ink = tf.not_equal(code.values, ord(" "))
        border = tf.concat([tf.logical_not(ink), [True]], 0)
        border_before = tf.tensor_scatter_nd_update(
            tf.concat([[True], border[:-1]], 0), splits[:, None], tf.ones_like(splits, tf.bool)
        )
        border_after = border_before[1:] | border[1:]
        first = ink & border_before[:-1]
        number = tf.cumsum(tf.cast(first, tf.int32), exclusive=True)
        before_row = tf.gather(tf.concat([number, [0]], 0), tf.gather(splits, row))
        unit = tf.cumsum(tf.cast(first, tf.int32)) - 1 - before_row
        width = 1 + sum(tf.cast(code.values >= least, tf.int32) for least in (0x80, 0x800, 0x10000))
        byte = tf.cast(byte.values, tf.int32)

        def kept(values: tf.Tensor, flags: tf.Tensor) -> tf.RaggedTensor:
            return tf.ragged.boolean_mask(code.with_values(values), code.with_values(flags))

        last = ink & border_after
        return Tokens(
            ids=kept(self._look_up(code.values), ink),
            start=kept(index, ink),
            end=kept(index + 1, ink),
            unit=kept(unit, ink),
            first_of_unit=kept(first, ink),
            first_of_pretoken=kept(first, ink),
            unit_start=kept(index, first),
            unit_end=kept(index + 1, last),
            unit_start_byte=kept(byte, first),
            unit_end_byte=kept(byte + width, last),
        )

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        words_BW = words_BW.with_row_splits_dtype(tf.int32)
        word_W, splits = words_BW.values, words_BW.row_splits
        code = tf.strings.unicode_decode(word_W, "UTF-8").with_row_splits_dtype(tf.int32)
        row_W, number_W = row_labels(tf.range(tf.size(splits) - 1), splits)
        word_T, within_T = row_labels(tf.range(tf.size(word_W)), code.row_splits)
        start_W = joined_starts(row_lengths(code.row_splits), splits, row_W)
        bytes_W = tf.strings.length(word_W)
        byte_W = joined_starts(bytes_W, splits, row_W)
        start_T = tf.gather(start_W, word_T) + within_T
        piece_splits = tf.gather(code.row_splits, splits)

        def of_pieces(values: tf.Tensor) -> tf.RaggedTensor:
            return tf.RaggedTensor.from_row_splits(values, tf.cast(piece_splits, tf.int64))

        def of_units(values: tf.Tensor) -> tf.RaggedTensor:
            return tf.RaggedTensor.from_row_splits(values, tf.cast(splits, tf.int64))

        first = of_pieces(tf.equal(within_T, 0))
        return Tokens(
            ids=of_pieces(self._look_up(code.values)),
            start=of_pieces(start_T),
            end=of_pieces(start_T + 1),
            unit=of_pieces(tf.gather(number_W, word_T)),
            first_of_unit=first,
            first_of_pretoken=first,
            unit_start=of_units(start_W),
            unit_end=of_units(start_W + row_lengths(code.row_splits)),
            unit_start_byte=of_units(byte_W),
            unit_end_byte=of_units(byte_W + bytes_W),
        )

    def _look_up(self, code: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._ids, tf.minimum(code, 128))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder with a tiny configuration and the letters' vocabulary; no weights."""
    folder = tmp_path_factory.mktemp("letters")
    letters = string.ascii_lowercase
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *letters]))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LetterTokenizer"}')
    vocabulary = {"vocab_size": len(SPECIAL) + len(letters)}
    config = {**tiny.CONFIG, **vocabulary, "num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_registry_opens_it_where_it_is_recognized_and_wordpiece_elsewhere(checkpoint):
    tokenizer: Tokenizer = open_tokenizer(checkpoint)
    assert isinstance(tokenizer, LetterTokenizer)
    assert isinstance(open_tokenizer(tiny.checkpoint()), WordPieceTokenizer)
    assert "letters.txt" in tokenizer_files()
    assert "tokenizer.json" in tokenizer_files()


def test_its_tokens_are_what_the_protocol_says(checkpoint):
    tokenizer = open_tokenizer(checkpoint)
    text = tokenizer.tokenize_text(tf.constant(["ab é", " ", "", "c  d "]))
    words = tokenizer.tokenize_words(tf.ragged.constant([["ab", "é"], [], [], ["c", "", "d"]]))
    assert text.ids.to_list() == words.ids.to_list() == [[4, 5, 3], [], [], [6, 7]]
    assert text.unit.to_list() == [[0, 0, 1], [], [], [0, 1]]
    assert words.unit.to_list() == [[0, 0, 1], [], [], [0, 2]]
    assert text.start.to_list() == words.start.to_list() == [[0, 1, 3], [], [], [0, 3]]
    assert text.unit_start.to_list() == [[0, 3], [], [], [0, 3]]
    assert text.unit_end.to_list() == [[2, 4], [], [], [1, 4]]
    assert text.unit_start_byte.to_list() == [[0, 3], [], [], [0, 3]]
    assert text.unit_end_byte.to_list() == [[2, 5], [], [], [1, 4]]
    assert words.unit_end_byte.to_list() == [[2, 5], [], [], [1, 2, 4]]
    assert {name: member.dtype for name, member in text._asdict().items()} == {
        name: member.dtype for name, member in words._asdict().items()
    }


def test_it_encodes_and_batches_a_corpus(checkpoint):
    tokenizer, ledger = open_tokenizer(checkpoint), Ledger()
    documents = [
        Document("anna met bo", (Entity(0, 4, "PER"), Entity(9, 11, "PER"))),
        Document("oslo", (Entity(0, 4, "LOC"),), words=((0, 4),)),
    ]
    corpus = encode(documents, tokenizer, tiny.LABELS, ledger, max_length=16, overlap=2)
    assert not ledger.entries
    assert corpus.input_ids[1].numpy().tolist() == [1, *(4 + ord(c) - ord("a") for c in "oslo"), 2]
    assert corpus.label_mask[0].numpy().nonzero()[0].tolist() == [1, 5, 8]
    settings = PaddedSettings(2, "padded", (), tokenizer.pad_id, 1)
    (batch,) = Batches(corpus, settings).training(1).as_numpy_iterator()
    assert batch[0]["input_ids"].shape == (2, 11)
    assert batch[2].sum() == 4


@pytest.mark.long
def test_a_run_trains_exports_and_reloads_with_it(checkpoint, tmp_path):
    sentence = "{} B-PER\nmet O\n{} B-PER\nin O\n{} B-LOC\n"
    names = ("anna", "bo", "clara", "david")
    sentences = [
        sentence.format(person, other, place)
        for person in names
        for other in names
        for place in ("oslo", "lima")
    ]
    (tmp_path / "train.conll").write_text("\n".join(sentences * 4))
    (tmp_path / "dev.conll").write_text("\n".join(sentences))
    values = {
        "name": "letters",
        "data": {"train": str(tmp_path / "train.conll"), "dev": str(tmp_path / "dev.conll")},
        "encoder": {"checkpoint": str(checkpoint), "max_length": 32, "overlap": 4},
        "model": {"head": "softmax"},
        "training": {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3},
        "runs_dir": str(tmp_path / "runs"),
        "exports_dir": str(tmp_path / "exports"),
    }
    values["encoder"]["initialize"] = "random"
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    train(load_settings(tmp_path / "run.yaml"), Console(file=io.StringIO()))
    report = json.loads((tmp_path / "runs" / "letters" / "report.json").read_text())
    assert report["entity"]["micro"]["f1"] > 0.9
    exported = tfner.load(tmp_path / "exports" / "letters")
    restored = open_model(tmp_path / "runs" / "letters")
    text = "clara met bo in oslo"
    found = exported(text)
    assert found
    assert spans(found) == spans(restored(text))
    tokenizer = open_tokenizer(checkpoint)
    assert all(text[entity.start : entity.end] in text.split() for entity in found)
    assert exported.card["tokenizer"] == tokenizer.fingerprint()


def spans(entities) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.label) for entity in entities]
