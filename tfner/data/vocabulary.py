"""Read the tokenizer of a checkpoint folder: the vocabulary and the settings, or an error that says why it cannot be used here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError

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

    Reads vocab.txt, tokenizer.json and tokenizer_config.json. A setting in tokenizer_config.json goes before tokenizer.json's, as in
    transformers' BertTokenizerFast; what neither gives has BERT's default.

    Raises:
        ModelError: there is no vocabulary, the two files disagree, or the tokenizer is not BERT's WordPiece.
    """
    folder = Path(folder)
    saved = read_json(folder / "tokenizer.json")
    vocabularies = [vocabulary for vocabulary in (read_vocab_txt(folder / "vocab.txt"), saved_vocabulary(folder, saved)) if vocabulary]
    if not vocabularies:
        raise ModelError(f"expected vocab.txt or tokenizer.json in {folder}, found neither")
    if len(set(vocabularies)) > 1:
        raise ModelError(f"{folder}: vocab.txt and tokenizer.json hold different vocabularies, expected the same pieces in the same order")
    settings = read_settings(folder, saved, read_json(folder / "tokenizer_config.json") or {})
    check_special_tokens(folder, vocabularies[0], settings)
    return vocabularies[0], settings


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if there is no file."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: expected JSON, got: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def read_vocab_txt(path: Path) -> tuple[str, ...]:
    """One piece a line; only a newline ends a line, since pieces may hold other separators of lines. Empty if there is no file."""
    if not path.is_file():
        return ()
    lines = path.read_bytes().decode("utf-8").split("\n")
    if not lines[-1]:
        lines.pop()
    return tuple(line.rstrip("\r") for line in lines)


def saved_vocabulary(folder: Path, saved: dict[str, Any] | None) -> tuple[str, ...]:
    """The pieces in tokenizer.json by id, after a check that it is BERT's kind; empty if there is no such file."""
    if saved is None:
        return ()
    check_kind(folder / "tokenizer.json", saved)
    vocabulary = saved["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[piece] for piece in pieces] != list(range(len(pieces))):
        raise ModelError(f"{folder / 'tokenizer.json'}: expected ids 0 to {len(pieces) - 1}, each once")
    return tuple(pieces)


def check_kind(path: Path, saved: dict[str, Any]) -> None:
    """Refuse what is not WordPiece with BERT's normalizer and pre-tokenizer, by name."""
    for part, expected in (("model", "WordPiece"), ("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        kind = (saved.get(part) or {}).get("type")
        if kind != expected:
            raise ModelError(f"{path}: expected a BERT tokenizer, whose {part} is {expected}, got {kind}")
    added = [token["content"] for token in saved.get("added_tokens", ()) if not token.get("special")]
    if added:
        raise ModelError(f"{path}: added tokens that are not special are not supported: {', '.join(map(repr, added[:5]))}")


def read_settings(folder: Path, saved: dict[str, Any] | None, config: dict[str, Any]) -> TokenizerSettings:
    """Join the settings of tokenizer_config.json and tokenizer.json."""
    normalizer, model = (saved["normalizer"], saved["model"]) if saved else ({}, {})
    given = {
        "lowercase": config.get("do_lower_case", normalizer.get("lowercase")),
        "strip_accents": config.get("strip_accents", normalizer.get("strip_accents")),
        "tokenize_chinese_chars": config.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars")),
        "clean_text": normalizer.get("clean_text"),
        "max_chars_per_word": model.get("max_input_chars_per_word"),
        "continuing_prefix": model.get("continuing_subword_prefix"),
        **{name: token_text(config.get(name)) for name in SPECIAL_TOKENS},
    }
    if model.get("unk_token") is not None:
        given["unk_token"] = model["unk_token"]
    return TokenizerSettings(**{name: value for name, value in given.items() if value is not None})


def token_text(token: Any) -> str | None:
    """A special token is written as a string or as an object with `content`."""
    return token.get("content") if isinstance(token, dict) else token


def check_special_tokens(folder: Path, vocabulary: tuple[str, ...], settings: TokenizerSettings) -> None:
    missing = [getattr(settings, name) for name in SPECIAL_TOKENS if getattr(settings, name) not in vocabulary]
    if missing:
        raise ModelError(f"{folder}: expected the special tokens {', '.join(missing)} in the vocabulary of {len(vocabulary)} pieces")
