"""Reading a checkpoint's SentencePiece model: which folders have one, what is refused and why."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny
import tiny_pieces
from sentencepiece import sentencepiece_model_pb2
from tiny_pieces import MODEL_FILE, model_bytes, write_pieces

from tfner.exceptions import ModelError
from tfner.tokenizers.charsmap import is_sound
from tfner.tokenizers.registry import open_tokenizer, tokenizer_files
from tfner.tokenizers.sentencepiece import SentencePieceTokenizer, converted_model
from tfner.tokenizers.sentencepiece_model import read_sentencepiece
from tfner.tokenizers.sentencepiece_proto import parse_model
from tfner.tokenizers.wordpiece import WordPieceTokenizer


def message(content: bytes | None = None):
    """Write a model as the package sentencepiece describes it."""
    found = sentencepiece_model_pb2.ModelProto()
    found.ParseFromString(model_bytes() if content is None else content)
    return found


def refusal(folder) -> str:
    with pytest.raises(ModelError) as caught:
        read_sentencepiece(folder)
    return str(caught.value)


# --- what is taken --------------------------------------------------------------------------------


def test_the_fields_that_are_read_are_sentencepieces_own():
    wanted, found = message(), parse_model(model_bytes())
    for mine, its in zip(found.pieces, wanted.pieces, strict=True):
        assert (mine.piece.decode(), mine.score, mine.type) == (its.piece, its.score, its.type)
    for section in ("trainer_spec", "normalizer_spec"):
        descriptor = getattr(wanted, section).DESCRIPTOR
        for field in getattr(found, section).DESCRIPTOR.fields:
            its = descriptor.fields_by_name[field.name]
            assert (field.number, field.default_value) == (its.number, its.default_value)
            assert getattr(getattr(found, section), field.name) == getattr(
                getattr(wanted, section), field.name
            )


@pytest.mark.parametrize(
    ("tokenizer_config", "config"),
    [
        ({"tokenizer_class": "XLMRobertaTokenizer"}, {}),
        ({"tokenizer_class": "XLMRobertaTokenizerFast"}, {}),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, {}),
        ({}, {"tokenizer_class": "XLMRobertaTokenizer"}),
        ({}, {}),
    ],
)
def test_a_folder_is_known_by_its_class_or_by_the_file_alone(tmp_path, tokenizer_config, config):
    write_pieces(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    (tmp_path / "config.json").write_text(json.dumps({**tiny.CONFIG, "vocab_size": 999, **config}))
    assert isinstance(open_tokenizer(tmp_path), SentencePieceTokenizer)


@pytest.mark.parametrize("config", [{}, {"tokenizer_class": "BertTokenizer"}])
def test_a_model_file_beside_berts_vocabulary_changes_nothing(tmp_path, config):
    shutil.copytree(tiny.checkpoint(), tmp_path, dirs_exist_ok=True)
    (tmp_path / MODEL_FILE).write_bytes(model_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert isinstance(open_tokenizer(tmp_path), WordPieceTokenizer)


def test_its_file_is_copied_and_downloaded_with_a_checkpoint():
    assert MODEL_FILE in tokenizer_files()


def test_special_tokens_may_be_named_and_described(tmp_path):
    write_pieces(tmp_path, cls_token="<s>", mask_token={"content": "<mask>", "lstrip": True})
    assert read_sentencepiece(tmp_path).vocabulary[-1] == "<mask>"


def test_fingerprints_differ_where_ids_may(tmp_path):
    def fingerprint(change=lambda model: None) -> str:
        model = message()
        change(model)
        return read_sentencepiece(write_pieces(tmp_path, model.SerializeToString())).fingerprint

    def swap(model):
        model.pieces[9].piece, model.pieces[8].piece = model.pieces[8].piece, model.pieces[9].piece

    def score(model):
        model.pieces[9].score -= 0.5

    def plain(model):
        model.normalizer_spec.precompiled_charsmap = b""

    def comment(model):
        model.trainer_spec.input.append("a path of the machine that trained it")

    same = fingerprint()
    assert same == tiny_pieces.tokenizer().fingerprint() == fingerprint(comment)
    assert len({same, fingerprint(swap), fingerprint(score), fingerprint(plain)}) == 4


# --- what is refused ------------------------------------------------------------------------------


def test_no_model_and_a_damaged_one(tmp_path):
    write_pieces(tmp_path, b"\xff\xff")
    assert f"{MODEL_FILE}: damaged, or no SentencePiece model" in refusal(tmp_path)
    write_pieces(tmp_path, model_bytes()[:-300_000])
    assert f"{MODEL_FILE}: " in refusal(tmp_path)
    write_pieces(tmp_path, b"")
    assert refusal(tmp_path).endswith("expected pieces beside the special ones, got 0")
    (tmp_path / MODEL_FILE).unlink()
    assert refusal(tmp_path) == f"expected {MODEL_FILE} in {tmp_path}, found none"


@pytest.mark.parametrize("name", ["BarthezTokenizer", "MBartTokenizer"])
def test_a_family_that_is_not_known_is_named_with_those_that_are(tmp_path, name):
    write_pieces(tmp_path, tokenizer_class=name)
    known = "XLMRobertaTokenizer, CamembertTokenizer"
    expected = f"expected a tokenizer of a known family beside {MODEL_FILE} ({known})"
    with pytest.raises(ModelError) as caught:
        open_tokenizer(tmp_path)
    assert str(caught.value) == f"{tmp_path}: {expected}, got '{name}'"


@pytest.mark.parametrize(("number", "name"), [(2, "BPE"), (3, "word"), (4, "char")])
def test_another_algorithm_is_named(tmp_path, number, name):
    model = message()
    model.trainer_spec.model_type = number
    write_pieces(tmp_path, model.SerializeToString())
    assert refusal(tmp_path).endswith(f"expected a unigram model of SentencePiece, got {name}")


@pytest.mark.parametrize(
    ("section", "flag", "value"),
    [
        ("trainer_spec", "treat_whitespace_as_suffix", True),
        ("trainer_spec", "byte_fallback", True),
        ("normalizer_spec", "add_dummy_prefix", False),
        ("normalizer_spec", "remove_extra_whitespaces", False),
        ("normalizer_spec", "escape_whitespaces", False),
    ],
)
def test_another_way_of_cleaning_and_marking_words_is_named(tmp_path, section, flag, value):
    model = message()
    setattr(getattr(model, section), flag, value)
    write_pieces(tmp_path, model.SerializeToString())
    assert refusal(tmp_path).endswith(f"expected {flag} to be {not value}, got {value}")


def alter_piece(number: int, **values):
    def alter(model) -> None:
        for name, value in values.items():
            setattr(model.pieces[number], name, value)

    return alter


@pytest.mark.parametrize(
    ("alter", "fault"),
    [
        (
            alter_piece(0, piece="[UNK]"),
            "expected '<unk>' of type 2, got '[UNK]' of type 2",
        ),
        (alter_piece(1, type=1), "piece 1: expected '<s>' of type 3, got '<s>' of type 1"),
        (alter_piece(7, piece="x y", type=4), "expected 'x y' of type 1, got 'x y' of type 4"),
        (alter_piece(7, piece=""), "piece 7: expected another piece than all before it, got ''"),
        (alter_piece(7, piece="<s>"), "expected another piece than all before it"),
        (alter_piece(7, piece="<mask>"), "no ordinary piece that is spelled as a special one"),
        (alter_piece(7, score=float("nan")), "piece 7: expected a finite score, got nan"),
        (alter_piece(7, score=float("inf")), "piece 7: expected a finite score, got inf"),
        (alter_piece(7, piece="x" * 10_001), "expected a piece of at most 10000 characters"),
    ],
)
def test_pieces_that_no_such_model_has(tmp_path, alter, fault):
    model = message()
    alter(model)
    write_pieces(tmp_path, model.SerializeToString())
    assert fault in refusal(tmp_path)


def test_a_piece_that_is_no_text(tmp_path):
    content = bytes.fromhex("0a030a01ff")  # a piece, the byte 0xff, before all others
    write_pieces(tmp_path, content + model_bytes())
    assert "piece 0: expected text in utf-8, got b'\\xff'" in refusal(tmp_path)


def test_special_tokens_of_another_text(tmp_path):
    write_pieces(tmp_path, pad_token="[PAD]")
    assert refusal(tmp_path).endswith("expected pad_token to be <pad>, got '[PAD]'")


def test_more_pieces_than_embeddings(tmp_path):
    write_pieces(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**tiny.CONFIG, "vocab_size": 100}))
    assert "expected at most 100 pieces in the vocabulary" in refusal(tmp_path)


def test_a_link_out_of_the_folder(tmp_path):
    folder = write_pieces(tmp_path / "checkpoint")
    (folder / MODEL_FILE).rename(tmp_path / "elsewhere")
    (folder / MODEL_FILE).symlink_to("../elsewhere")
    with pytest.raises(ModelError, match="expected a file of this folder, got a link to"):
        open_tokenizer(folder)


# --- the table that cleans text -------------------------------------------------------------------


def test_a_table_of_sentencepieces_own_is_sound():
    charsmap = message().normalizer_spec.precompiled_charsmap
    assert len(charsmap) > 100_000
    assert is_sound(charsmap)


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table[:3],
        lambda table: table[:1000],
        lambda table: b"\xff\xff\xff\xff" + table[4:],
        lambda table: bytes(4) + table[4:],
        lambda table: table[:-1] + b"x",
        lambda table: table[: 4 + int.from_bytes(table[:4], "little")] + b"ab\0",
    ],
    ids=["no size", "cut off", "a size beyond it", "no trie", "an open text", "other texts"],
)
def test_sizes_and_texts_that_do_not_fit(tmp_path, damage):
    model = message()
    table = model.normalizer_spec.precompiled_charsmap
    model.normalizer_spec.precompiled_charsmap = damage(table)
    write_pieces(tmp_path, model.SerializeToString())
    expected = "precompiled_charsmap: damaged, or no table of SentencePiece"
    assert refusal(tmp_path).endswith(expected)


def test_every_offset_that_leads_out_of_the_table_is_found():
    table = message().normalizer_spec.precompiled_charsmap
    size = int.from_bytes(table[:4], "little")
    units = np.frombuffer(table, "<u4", size // 4, 4)
    inner = np.flatnonzero((units >> 31) == 0)
    for unit in np.random.default_rng(3).choice(inner, 50).tolist():
        forged = units.copy()
        forged[unit] = (1 << 9) | (0x1FFFF << 10)  # as far as an offset reaches
        assert not is_sound(table[:4] + forged.tobytes() + table[4 + size :])


# --- any bytes ------------------------------------------------------------------------------------


def test_a_file_with_wrong_bytes_is_refused_or_read(tmp_path):
    random = np.random.default_rng(4)
    content = model_bytes()
    kinds = set()
    for _ in range(150):
        damaged = bytearray(content)
        # the pieces are at the begin, settings and the table's head behind them
        for at in random.integers(0, 9_000, 3):
            damaged[at] = random.integers(256)
        write_pieces(tmp_path, bytes(damaged))
        try:
            converted = converted_model(read_sentencepiece(tmp_path).content)
            kinds.add(type(converted))
        except ModelError as error:
            kinds.add(type(error))
    assert kinds == {np.ndarray, ModelError}
