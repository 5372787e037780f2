"""Hugging Face's BertTokenizerFast as oracle, over a vocabulary of some hundred pieces."""

from __future__ import annotations

import functools
import json
import string
from pathlib import Path

import tensorflow as tf
from transformers import BertTokenizerFast

from tfner.tokenizers.vocabulary import TokenizerSettings
from tfner.tokenizers.wordpiece import Tokens, WordPieceTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = [code for code in range(1, 0x110000) if code not in SURROGATES]


def vocabulary() -> tuple[str, ...]:
    """Letters of some scripts, alone and as continuations; punctuation, CJK, some longer pieces."""
    hangul = [*map(chr, range(0x1100, 0x1113)), *map(chr, range(0x1161, 0x1176))]
    letters = [*string.ascii_letters, *string.digits, *"äöüßéñÉçøабвгдежзГДאבגहि各分", *hangul]
    longer = [
        "the",
        "The",
        "##ing",
        "##er",
        "##ab",
        "abc",
        "각",
        "##é",
        "##\u0301",
        "##€",
        "€",
        "##x" * 3,
        "가",
        "##가",
    ]
    return tuple(
        dict.fromkeys(
            [
                *SPECIAL,
                *string.punctuation,
                *"–…“”«»。、東京都中文",
                *letters,
                *(f"##{c}" for c in letters),
                *longer,
            ]
        )
    )


def hugging_face(folder: Path, **options: bool | None) -> BertTokenizerFast:
    """BertTokenizerFast over vocab.txt in `folder`.

    Special tokens written in a text are ordinary text.
    """
    return BertTokenizerFast(
        vocab_file=str(folder / "vocab.txt"), split_special_tokens=True, **options
    )


def write_vocabulary(folder: Path, pieces: tuple[str, ...]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    return folder


def write_config(folder: Path, **settings: object) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@functools.cache
def ours(**settings: bool) -> WordPieceTokenizer:
    return WordPieceTokenizer(vocabulary(), TokenizerSettings(**settings))


@functools.cache
def compiled(tokenizer: WordPieceTokenizer):
    """tokenize_text in one graph for any number of texts."""
    return tf.function(tokenizer.tokenize_text, input_signature=[tf.TensorSpec([None], tf.string)])


def tokenize(tokenizer: WordPieceTokenizer, texts: list[str] | list[bytes]) -> Tokens:
    texts = [text.encode() if isinstance(text, str) else text for text in texts]
    return compiled(tokenizer)(tf.constant(texts, tf.string))


def differences(
    tokenizer: WordPieceTokenizer,
    oracle: BertTokenizerFast,
    texts: list[str],
    sent: list[bytes] | None = None,
) -> list[str]:
    """The texts with other ids or offsets than the oracle's: what came and what was expected."""
    tokens = tokenize(tokenizer, sent or texts)
    expected = oracle._tokenizer.encode_batch(texts, add_special_tokens=False)
    rows = zip(
        texts,
        expected,
        tokens.ids.to_list(),
        tokens.start.to_list(),
        tokens.end.to_list(),
        strict=True,
    )
    return [
        f"{text!a}: {ids} {list(zip(starts, ends, strict=True))}, "
        f"expected {encoding.ids} {encoding.offsets}"
        for text, encoding, ids, starts, ends in rows
        if encoding.ids != ids or encoding.offsets != list(zip(starts, ends, strict=True))
    ]
