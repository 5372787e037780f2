"""Read the tokenizer of a checkpoint folder: the vocabulary and the settings, or an error that says why it cannot be used here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError

# Classes of transformers whose bare vocab.txt means BERT's tokenization; BertJapaneseTokenizer, for one, cuts words with MeCab.
BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "ConvBertTokenizer")
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
    saved, config = read_json(folder / "tokenizer.json"), read_json(folder / "tokenizer_config.json")
    listed = read_vocab_txt(folder / "vocab.txt")
    if saved is not None:
        vocabulary = saved_vocabulary(folder / "tokenizer.json", saved)
        if listed and listed != vocabulary:
            raise ModelError(f"{folder}: vocab.txt and tokenizer.json differ, expected the same pieces in the same order")
    elif listed:
        check_class(folder, config, read_json(folder / "config.json"))
        vocabulary = listed
    else:
        raise ModelError(f"expected vocab.txt or tokenizer.json in {folder}, found neither")
    settings = read_settings(saved or {}, config or {})
    check_special_tokens(folder, vocabulary, settings)
    return vocabulary, settings


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
    """One piece a line, lines ended as Python's text mode ends them; empty if there is no file."""
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8") as lines:
            vocabulary = tuple(line.rstrip("\n") for line in lines)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: expected UTF-8, got: {error}") from error
    places: dict[str, int] = {}
    for number, piece in enumerate(vocabulary, 1):
        if places.setdefault(piece, number) != number:
            raise ModelError(f"{path}:{number}: expected every piece once, got {piece!r} again after line {places[piece]}")
    return vocabulary


def saved_vocabulary(path: Path, saved: dict[str, Any]) -> tuple[str, ...]:
    """The pieces in tokenizer.json by id, after a check that it is BERT's kind."""
    check_kind(path, saved)
    vocabulary = saved["model"].get("vocab")
    if not isinstance(vocabulary, dict) or sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ModelError(f"{path}: expected model.vocab to give the ids from 0 up, each to one piece")
    return tuple(sorted(vocabulary, key=vocabulary.__getitem__))


def check_kind(path: Path, saved: dict[str, Any]) -> None:
    """Refuse what is not WordPiece with BERT's normalizer and pre-tokenizer, by name."""
    for part, expected in (("model", "WordPiece"), ("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        section = saved.get(part)
        kind = section.get("type") if isinstance(section, dict) else section
        if kind != expected:
            raise ModelError(f"{path}: expected a BERT tokenizer, whose {part} is {expected}, got {kind}")
    added = [token["content"] for token in saved.get("added_tokens", ()) if not token.get("special")]
    if added:
        raise ModelError(f"{path}: added tokens that are not special are not supported: {', '.join(map(repr, added[:5]))}")


def check_class(folder: Path, *configs: dict[str, Any] | None) -> None:
    """Refuse a bare vocab.txt that belongs to another tokenizer."""
    for config in configs:
        kind = (config or {}).get("tokenizer_class")
        if kind is not None and str(kind).removesuffix("Fast") not in BERT_CLASSES:
            raise ModelError(f"{folder}: expected a BERT tokenizer (one of {', '.join(BERT_CLASSES)}), got {kind}")


def read_settings(saved: dict[str, Any], config: dict[str, Any]) -> TokenizerSettings:
    """Join the settings of tokenizer.json and tokenizer_config.json."""
    normalizer, model = saved.get("normalizer", {}), saved.get("model", {})
    given = {
        "lowercase": config.get("do_lower_case", normalizer.get("lowercase")),
        "strip_accents": config.get("strip_accents", normalizer.get("strip_accents")),
        "tokenize_chinese_chars": config.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars")),
        "clean_text": normalizer.get("clean_text"),
        "max_chars_per_word": model.get("max_input_chars_per_word"),
        "continuing_prefix": model.get("continuing_subword_prefix"),
        **{name: token_text(config.get(name)) for name in SPECIAL_TOKENS},
    }
    given["unk_token"] = model.get("unk_token") or given["unk_token"]
    return TokenizerSettings(**{name: value for name, value in given.items() if value is not None})


def token_text(token: Any) -> str | None:
    """A special token is written as a string or as an object with `content`."""
    return token.get("content") if isinstance(token, dict) else token


def check_special_tokens(folder: Path, vocabulary: tuple[str, ...], settings: TokenizerSettings) -> None:
    """Refuse a vocabulary without one of the special tokens."""
    missing = [getattr(settings, name) for name in SPECIAL_TOKENS if getattr(settings, name) not in vocabulary]
    if missing:
        raise ModelError(f"{folder}: expected the special tokens {', '.join(missing)} in the vocabulary of {len(vocabulary)} pieces")
