"""Read the tokenizer of a checkpoint folder: the vocabulary and the settings, or an error that says why it cannot be used here."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_utf8
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.safeio.sources import check_inside

# Classes of transformers whose bare vocab.txt means BERT's tokenization; BertJapaneseTokenizer, for one, cuts words with MeCab.
BERT_CLASSES = (
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "ConvBertTokenizer",
)
LONGEST_PIECE = 10_000  # characters; a vocabulary of one line is no vocabulary
LARGEST_VOCABULARY = 64 << 20  # bytes
SURROGATE = re.compile("[\ud800-\udfff]")
TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a text"}
SPECIAL_TOKENS = ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")


@dataclass(frozen=True)
class TokenizerSettings:
    """How BERT's tokenizer cleans, cuts and looks up; the defaults are those of bert-base-uncased."""

    lowercase: bool = True
    strip_accents: bool | None = None  # None follows `lowercase`
    tokenize_chinese_chars: bool = True
    clean_text: bool = True
    max_chars_per_word: int = 100
    continuing_prefix: str = "##"
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    pad_token: str = "[PAD]"
    mask_token: str = "[MASK]"

    @property
    def strips_accents(self) -> bool:
        """What `strip_accents` comes to."""
        return self.lowercase if self.strip_accents is None else self.strip_accents


def read_checkpoint_tokenizer(folder: str | Path) -> tuple[tuple[str, ...], TokenizerSettings]:
    """The vocabulary, in the order of ids, and the settings of a BERT checkpoint.

    Reads vocab.txt, tokenizer.json and tokenizer_config.json. What tokenizer_config.json says goes before tokenizer.json, as in
    transformers' BertTokenizerFast; what neither says is as in bert-base-uncased.

    Raises:
        ModelError: there is no vocabulary, the two files disagree, or the tokenizer is not BERT's WordPiece.
    """
    folder = Path(folder)
    check_inside(folder, ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "config.json"))
    saved, config = (
        read_json(folder / "tokenizer.json"),
        read_json(folder / "tokenizer_config.json"),
    )
    listed = read_vocab_txt(folder / "vocab.txt")
    if saved is not None:
        vocabulary = saved_vocabulary(folder / "tokenizer.json", saved)
        if listed and listed != vocabulary:
            raise ModelError(
                f"{folder}: vocab.txt and tokenizer.json differ, expected the same pieces in the same order"
            )
    elif listed:
        check_class(folder, config, read_json(folder / "config.json"))
        vocabulary = listed
    else:
        raise ModelError(f"expected vocab.txt or tokenizer.json in {folder}, found neither")
    settings = read_settings(folder, saved or {}, config or {})
    check_special_tokens(folder, vocabulary, settings)
    check_rows(folder, len(vocabulary))
    return vocabulary, settings


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if there is no file."""
    return read_json_object(path, ModelError) if path.is_file() else None


def read_vocab_txt(path: Path) -> tuple[str, ...]:
    """One piece a line, lines ended as Python's text mode ends them; empty if there is no file."""
    if not path.is_file():
        return ()
    text = read_utf8(path, LARGEST_VOCABULARY, ModelError)
    places: dict[str, int] = {}
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        piece = line.rstrip("\n")
        check_piece(piece, f"{path}:{number}")
        if places.setdefault(piece, number) != number:
            raise ModelError(
                f"{path}:{number}: expected every piece once, got {show(piece)} again after line {places[piece]}"
            )
    return tuple(places)


def check_piece(piece: str, where: str) -> None:
    """Refuse what no vocabulary holds."""
    if len(piece) > LONGEST_PIECE:
        raise ModelError(
            f"{where}: expected a piece of at most {LONGEST_PIECE} characters, got a longer one: {show(piece)}"
        )
    if not piece.isascii() and SURROGATE.search(piece):
        raise ModelError(f"{where}: expected a piece of whole characters, got {show(piece)}")


def saved_vocabulary(path: Path, saved: dict[str, Any]) -> tuple[str, ...]:
    """The pieces in tokenizer.json by id, after a check that it is BERT's kind."""
    check_kind(path, saved)
    vocabulary = saved["model"].get("vocab")
    if not isinstance(vocabulary, dict) or not all(type(id) is int for id in vocabulary.values()):
        raise ModelError(
            f"{path}: expected model.vocab to be an object, which gives each piece a whole number, got {show(vocabulary)}"
        )
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ModelError(
            f"{path}: expected model.vocab to give the ids from 0 up, each to one piece"
        )
    for piece, id in vocabulary.items():
        check_piece(piece, f"{path}: model.vocab, id {id}")
    return tuple(sorted(vocabulary, key=vocabulary.__getitem__))


def check_kind(path: Path, saved: dict[str, Any]) -> None:
    """Refuse what is not WordPiece with BERT's normalizer and pre-tokenizer, by name."""
    for part, expected in (
        ("model", "WordPiece"),
        ("normalizer", "BertNormalizer"),
        ("pre_tokenizer", "BertPreTokenizer"),
    ):
        section = saved.get(part)
        kind = section.get("type") if isinstance(section, dict) else section
        if not isinstance(section, dict) or kind != expected:
            got = kind if isinstance(section, dict) and isinstance(kind, str) else show(section)
            raise ModelError(
                f"{path}: expected a BERT tokenizer, whose {part} is {expected}, got {got}"
            )
    tokens = saved.get("added_tokens") or []
    if not isinstance(tokens, list) or not all(
        isinstance(token, dict) and isinstance(token.get("content"), str) for token in tokens
    ):
        raise ModelError(
            f"{path}: expected added_tokens to be a list of objects with content, got {show(tokens)}"
        )
    added = [token["content"] for token in tokens if not token.get("special")]
    if added:
        raise ModelError(
            f"{path}: added tokens that are not special are not supported: {', '.join(map(repr, added[:5]))}"
        )


def check_class(folder: Path, *configs: dict[str, Any] | None) -> None:
    """Refuse a bare vocab.txt that belongs to another tokenizer."""
    for config in configs:
        kind = (config or {}).get("tokenizer_class")
        if kind is not None and str(kind).removesuffix("Fast") not in BERT_CLASSES:
            raise ModelError(
                f"{folder}: expected a BERT tokenizer (one of {', '.join(BERT_CLASSES)}), got {kind}"
            )


def read_settings(folder: Path, saved: dict[str, Any], config: dict[str, Any]) -> TokenizerSettings:
    """Join the settings of tokenizer.json and tokenizer_config.json."""
    normalizer, model = saved.get("normalizer", {}), saved.get("model", {})
    given = {
        "lowercase": config.get("do_lower_case", normalizer.get("lowercase")),
        "strip_accents": config.get("strip_accents", normalizer.get("strip_accents")),
        "tokenize_chinese_chars": config.get(
            "tokenize_chinese_chars", normalizer.get("handle_chinese_chars")
        ),
        "clean_text": normalizer.get("clean_text"),
        "max_chars_per_word": model.get("max_input_chars_per_word"),
        "continuing_prefix": model.get("continuing_subword_prefix"),
        **{name: token_text(config.get(name)) for name in SPECIAL_TOKENS},
    }
    given["unk_token"] = model.get("unk_token") or given["unk_token"]
    known = {name: value for name, value in given.items() if value is not None}
    check_settings(folder, known)
    return TokenizerSettings(**known)


def check_settings(folder: Path, given: Mapping[str, Any]) -> None:
    """Refuse a value of another type than the default's, and a word length that no integer of a graph holds."""
    for field in fields(TokenizerSettings):
        value, expected = (
            given.get(field.name),
            bool if field.default is None else type(field.default),
        )
        if value is not None and type(value) is not expected:
            raise ModelError(
                f"{folder}: the tokenizer's {field.name}: expected {TYPE_NAMES[expected]}, got {show(value)}"
            )
    longest = given.get("max_chars_per_word", 1)
    if not 0 < longest <= LONGEST_PIECE:
        raise ModelError(
            f"{folder}: the tokenizer's max_chars_per_word: expected 1 to {LONGEST_PIECE}, got {show(longest)}"
        )


def check_rows(folder: Path, pieces: int) -> None:
    """Refuse a vocabulary with more pieces than the encoder beside it has embeddings."""
    rows = (read_json(folder / "config.json") or {}).get("vocab_size")
    if isinstance(rows, int) and rows < pieces:
        raise ModelError(
            f"{folder}: expected at most {rows} pieces in the vocabulary, as config.json says, got {pieces}"
        )


def token_text(token: Any) -> str | None:
    """A special token is written as a string or as an object with `content`."""
    return token.get("content") if isinstance(token, dict) else token


def check_special_tokens(
    folder: Path, vocabulary: tuple[str, ...], settings: TokenizerSettings
) -> None:
    """Refuse a vocabulary without one of the special tokens."""
    missing = [
        getattr(settings, name)
        for name in SPECIAL_TOKENS
        if getattr(settings, name) not in vocabulary
    ]
    if missing:
        raise ModelError(
            f"{folder}: expected the special tokens {', '.join(missing)} in the vocabulary of {len(vocabulary)} pieces"
        )
