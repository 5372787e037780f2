"""Any bytes in the files of a checkpoint folder are read as a tokenizer of BERT's kind.

Or refused by an error that names the file.
"""

from __future__ import annotations

import json
from dataclasses import fields

from json_mutator import PARTS
from reader_targets import check, chunks, folder

from tfner.exceptions import ConfigError, ModelError
from tfner.safeio.sources import check_encoder
from tfner.tokenizers.vocabulary import SPECIAL_TOKENS, TokenizerSettings, read_checkpoint_tokenizer

FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "config.json")
KINDS = {"bool": bool, "bool | None": (bool, type(None)), "int": int, "str": str}

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
VOCAB_TXT = "".join(f"{piece}\n" for piece in PIECES)
NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
MODEL = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
    "vocab": {piece: number for number, piece in enumerate(PIECES)},
}
TOKENIZER_JSON = {
    "added_tokens": [{"id": 0, "content": "[PAD]", "special": True}],
    "normalizer": NORMALIZER,
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": MODEL,
}
TOKENIZER_CONFIG = {
    "do_lower_case": True,
    "strip_accents": None,
    "unk_token": "[UNK]",
    "cls_token": {"content": "[CLS]"},
    "tokenizer_class": "BertTokenizer",
}
CONFIG = {"max_position_embeddings": 512, "tokenizer_class": "BertTokenizer"}
CONTENTS = (VOCAB_TXT, json.dumps(TOKENIZER_JSON), json.dumps(TOKENIZER_CONFIG), json.dumps(CONFIG))
SEEDS = [
    PARTS.join(
        content.encode() if which >> number & 1 else b"" for number, content in enumerate(CONTENTS)
    )
    for which in range(1, 16)
]
WORDS = [
    *(
        json.dumps(key) + ":"
        for section in (TOKENIZER_JSON, NORMALIZER, MODEL, TOKENIZER_CONFIG, CONFIG)
        for key in section
    ),
    *(
        "true",
        "false",
        "null",
        "1e999",
        "-1",
        "0",
        "512",
        "9" * 30,
        '""',
        "[]",
        "{}",
        "[[[[",
        '"\\ud83d"',
        '"content":',
    ),
    *("\n", "[UNK]\n", "\0\0"),
]


def checkpoint(data: bytes) -> None:
    """Four parts for four files; a part without bytes is a file that is not there."""
    place = folder() / "checkpoint"
    place.mkdir(exist_ok=True)
    for name, content in zip(FILES, chunks(data, len(FILES)), strict=True):
        (place / name).unlink(missing_ok=True)
        if content:
            (place / name).write_bytes(content)
    read_tokenizer(str(place))
    read_positions(str(place))


def read_tokenizer(place: str) -> None:
    try:
        vocabulary, settings = read_checkpoint_tokenizer(place)
    except ModelError as error:
        check(place in str(error), error)
        return
    assert all(isinstance(piece, str) for piece in vocabulary)
    assert len(set(vocabulary)) == len(vocabulary)
    assert {getattr(settings, name) for name in SPECIAL_TOKENS} <= set(vocabulary)
    for field in fields(TokenizerSettings):
        value = getattr(settings, field.name)
        assert isinstance(value, KINDS[str(field.type)]), (field.name, value)
        assert field.type != "int" or not isinstance(value, bool), (field.name, value)
    check(settings.max_chars_per_word > 0, settings)


def read_positions(place: str) -> None:
    try:
        check_encoder(place, 128)
    except ConfigError as error:
        check(place in str(error), error)
