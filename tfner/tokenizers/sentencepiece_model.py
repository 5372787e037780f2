"""Read the SentencePiece model of a checkpoint, or say why it cannot be used.

A family of checkpoints is an entry of LAYOUTS, by the name of its tokenizer's class in
transformers: it says which ids the pieces of its model have.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_at_most
from tfner.safeio.printable import first_line, show
from tfner.safeio.sources import check_inside
from tfner.tokenizers import sentencepiece_proto as proto
from tfner.tokenizers.charsmap import check_charsmap
from tfner.tokenizers.vocabulary import (
    ANY_KIND,
    check_piece,
    check_vocabulary_fits,
    class_name,
    is_bert_class,
    read_config,
    refusal,
    token_text,
)

MODEL_FILE = "sentencepiece.bpe.model"  # the name that XLM-R chose; it holds no BPE
SENTENCEPIECE_FILES = (MODEL_FILE, "tokenizer_config.json", "config.json")
LARGEST_MODEL = 64 << 20  # bytes
SPECIAL_TOKENS = ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token")
FIRST_PIECES = (("<unk>", proto.UNKNOWN), ("<s>", proto.CONTROL), ("</s>", proto.CONTROL))
EXPECTED_FLAGS = {
    "trainer_spec": {"treat_whitespace_as_suffix": False, "byte_fallback": False},
    "normalizer_spec": {
        "add_dummy_prefix": True,
        "remove_extra_whitespaces": True,
        "escape_whitespaces": True,
    },
}


@dataclass(frozen=True)
class PieceLayout:
    """Say which ids a family gives to the pieces of its SentencePiece model.

        >>> layout = PieceLayout(before=("<s>", "<pad>", "</s>", "<unk>"), shift=1)
        >>> layout.vocabulary(("<unk>", "<s>", "</s>", "▁a", "b"))
        ('<s>', '<pad>', '</s>', '<unk>', '▁a', 'b', '<mask>')

    Args:
        before: the pieces that ids begin with.
        shift: what is added to a piece's number in the model; the unknown piece alone, number 0,
            has the id of `unk_token`.
        cls_token, sep_token, pad_token, unk_token, mask_token: the special pieces.
    """

    before: tuple[str, ...]
    shift: int
    cls_token: str = "<s>"
    sep_token: str = "</s>"
    pad_token: str = "<pad>"
    unk_token: str = "<unk>"
    mask_token: str = "<mask>"

    def vocabulary(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        """List the pieces in the order of ids, given those of the model."""
        replaced = len(self.before) - self.shift
        return (*self.before, *pieces[replaced:], self.mask_token)

    def special_ids(self, vocabulary: tuple[str, ...]) -> tuple[int, ...]:
        """Find the ids of SPECIAL_TOKENS, in their order."""
        return tuple(vocabulary.index(getattr(self, name)) for name in SPECIAL_TOKENS)


LAYOUTS = {
    "XLMRobertaTokenizer": PieceLayout(before=("<s>", "<pad>", "</s>", "<unk>"), shift=1),
    # The model's own <s> and </s> are the ones that count: 5 and 6.
    "CamembertTokenizer": PieceLayout(
        before=("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"), shift=4
    ),
}
# One more whenever the same pieces are cut in another way. 2: scripts without spaces by character.
CUTTING = 2
DEFAULT_LAYOUT = "XLMRobertaTokenizer"
# `model_type` → the class of its tokenizer, where old files name none and it is not XLM-R's.
OF_MODELS = {"camembert": "CamembertTokenizer"}


@dataclass(frozen=True)
class SentencePieceModel:
    """Hold what decides the ids of a checkpoint's pieces.

    Args:
        content: the model file.
        vocabulary: the pieces in the order of their ids.
        layout: which ids they have.
        fingerprint: a hash of what decides ids.
    """

    content: bytes
    vocabulary: tuple[str, ...]
    layout: PieceLayout
    fingerprint: str

    def number_of(self, piece: str) -> int:
        """Give the number of a piece in the model; -1 if it has none."""
        if piece not in self.vocabulary:
            return -1
        return self.vocabulary.index(piece) - self.layout.shift


def is_sentencepiece(folder: Path) -> bool:
    """Tell whether a checkpoint folder has a tokenizer of SentencePiece's, by class or by file."""
    check_inside(folder, SENTENCEPIECE_FILES)
    kind = class_name(folder)
    if kind in LAYOUTS:
        return True
    has_vocab_txt = (folder / "vocab.txt").is_file()
    return (folder / MODEL_FILE).is_file() and not has_vocab_txt and not is_bert_class(kind)


def read_sentencepiece(folder: Path) -> SentencePieceModel:
    """Read the model of a checkpoint folder, and check that this house cuts as its makers do.

    Raises:
        ModelError: there is no model, it is damaged, of another kind, of a family that is not
            known, or has more pieces than the encoder.
    """
    check_inside(folder, SENTENCEPIECE_FILES)
    layout = find_layout(folder)
    path = folder / MODEL_FILE
    if not path.is_file():
        raise ModelError(f"expected {MODEL_FILE} in {folder}, found none")
    content, model = read_model(path)
    check_algorithm(path, model)
    pieces = tuple(read_pieces(path, model))
    check_special_tokens(folder, layout)
    model_config = read_config(folder, "config.json")
    vocabulary = layout.vocabulary(pieces)
    check_distinct(path, vocabulary)
    check_vocabulary_fits(folder, vocabulary, model_config.get("vocab_size"))
    hashed = fingerprint(model, layout)
    return SentencePieceModel(content, vocabulary, layout, hashed)


def find_layout(folder: Path) -> PieceLayout:
    """Find the layout of the class that a folder names; without a name the model's, or XLM-R's.

    Raises:
        ModelError: the class is of a family that is not known.
    """
    kind = class_name(folder)
    if kind in ANY_KIND:
        model = str(read_config(folder, "config.json").get("model_type"))
        kind = OF_MODELS.get(model, DEFAULT_LAYOUT)
    if kind not in LAYOUTS:
        names = ", ".join(LAYOUTS)
        expected = f"a tokenizer of a known family beside {MODEL_FILE} ({names})"
        raise refusal(folder, expected, show(kind))
    return LAYOUTS[kind]


def read_model(path: Path) -> tuple[bytes, Any]:
    """Read a model file: its bytes, and the message that they are."""
    try:
        content = read_at_most(path, LARGEST_MODEL)
        return content, proto.parse_model(content)
    except OSError as fault:
        raise ModelError(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except DecodeError as fault:
        reason = first_line(fault)
        raise ModelError(f"{path}: damaged, or no SentencePiece model: {reason}") from None


def check_algorithm(path: Path, model: Any) -> None:
    """Refuse a model that is not unigram, or cleans and marks words in another way than XLM-R's."""
    number = model.trainer_spec.model_type
    if number != proto.UNIGRAM:
        got = proto.ALGORITHMS.get(number, number)
        raise refusal(path, "a unigram model of SentencePiece", got)
    for section, flags in EXPECTED_FLAGS.items():
        for name, expected in flags.items():
            value = getattr(getattr(model, section), name)
            if value != expected:
                raise refusal(path, f"{name} to be {expected}", value)
    check_charsmap(path, model.normalizer_spec.precompiled_charsmap)


def read_pieces(path: Path, model: Any) -> Iterator[str]:
    """Give the pieces of a model by number: <unk>, <s> and </s>, then others, each once."""
    found = set()
    for number, piece in enumerate(model.pieces):
        where = f"{path}: piece {number}"
        text = decode_piece(piece.piece, where)
        known = FIRST_PIECES[number] if number < len(FIRST_PIECES) else (text, proto.NORMAL)
        if (text, piece.type) != known:
            got = f"{show(text)} of type {piece.type}"
            raise refusal(where, f"{show(known[0])} of type {known[1]}", got)
        if not text or text in found:
            raise refusal(where, "another piece than all before it", show(text))
        if not math.isfinite(piece.score):
            raise refusal(where, "a finite score", piece.score)
        found.add(text)
        yield text
    if len(found) <= len(FIRST_PIECES):
        raise refusal(path, "pieces beside the special ones", len(found))


def check_distinct(path: Path, vocabulary: tuple[str, ...]) -> None:
    """Refuse a model with an ordinary piece that is spelled as a special one of the family."""
    if len(set(vocabulary)) < len(vocabulary):
        counts = Counter(vocabulary)
        piece, _ = counts.most_common(1)[0]
        raise refusal(path, "no ordinary piece that is spelled as a special one", show(piece))


def decode_piece(content: bytes, where: str) -> str:
    """Decode a piece."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise refusal(where, "text in utf-8", content[:99]) from None
    check_piece(text, where)
    return text


def check_special_tokens(folder: Path, layout: PieceLayout) -> None:
    """Refuse a tokenizer_config.json that gives a special token another text than its family."""
    config = read_config(folder, "tokenizer_config.json")
    for name in SPECIAL_TOKENS:
        expected = getattr(layout, name)
        got = token_text(config.get(name)) or expected
        if got != expected:
            where = folder / "tokenizer_config.json"
            raise refusal(where, f"{name} to be {expected}", show(got))


def fingerprint(model: Any, layout: PieceLayout) -> str:
    """Hash what decides ids: pieces, their scores, how text is cleaned, and the layout."""
    scores = np.array([piece.score for piece in model.pieces], np.float32)
    pieces = b"\0".join(piece.piece for piece in model.pieces)
    decisive = {"cutting": CUTTING, **asdict(layout)}
    settings = json.dumps(decisive, ensure_ascii=False, sort_keys=True)
    charsmap = model.normalizer_spec.precompiled_charsmap
    hashed = hashlib.sha256()
    for content in (settings.encode(), pieces, scores.tobytes(), charsmap):
        digest = hashlib.sha256(content).digest()
        hashed.update(digest)
    return hashed.hexdigest()
