"""Say what every tokenizer is and gives; the rest of the house knows this module alone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import tensorflow as tf


class Tokens(NamedTuple):
    """Hold the pieces and units of B texts.

    Every member is a tf.RaggedTensor with a row a text, int32 but for the two bool ones.

    ids: [B, (T)] ids of pieces, without the special tokens around them.
    start, end: [B, (T)] the piece's span in code points; of words, of them joined by one space. A
        tokenizer that does not know which characters a piece covers gives its unit's span.
    unit: [B, (T)] which unit of its text the piece belongs to, ascending.
    first_of_unit, first_of_pretoken: [B, (T)] bool, the piece is the first of its unit, of its
        pre-token (a tokenizer without pre-tokens gives `first_of_unit` twice).
    unit_start, unit_end: [B, (U)] the units' spans in code points.
    unit_start_byte, unit_end_byte: [B, (U)] the same in bytes of the UTF-8 that was given, exact
        for invalid UTF-8 too.
    """

    ids: tf.RaggedTensor
    start: tf.RaggedTensor
    end: tf.RaggedTensor
    unit: tf.RaggedTensor
    first_of_unit: tf.RaggedTensor
    first_of_pretoken: tf.RaggedTensor
    unit_start: tf.RaggedTensor
    unit_end: tf.RaggedTensor
    unit_start_byte: tf.RaggedTensor
    unit_end_byte: tf.RaggedTensor


class Tokenizer(Protocol):
    """Cut text into pieces and units by TensorFlow ops, the same in training and in an export.

    One that holds tensors is a tf.Module, so that an export tracks them.

    Attributes:
        files: what it reads in a checkpoint folder; a run keeps copies of them.
        ops: operations beyond TensorFlow's core that a server must have.
        vocabulary: the pieces in the order of their ids.
        cls_id, sep_id: ids put before and after each window.
        pad_id: id on padding; not 0 in every vocabulary.
        unk_id: id of what no piece covers; None if there is no such thing.
    """

    files: ClassVar[tuple[str, ...]]
    ops: ClassVar[tuple[str, ...]]
    vocabulary: tuple[str, ...]
    cls_id: int
    sep_id: int
    pad_id: int

    @property
    def unk_id(self) -> int | None: ...

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Tell whether a checkpoint folder holds a tokenizer of this kind."""
        ...

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> Tokenizer:
        """Open the tokenizer of a checkpoint folder.

        Raises:
            ModelError: the folder holds no tokenizer of this kind.
        """
        ...

    def fingerprint(self) -> str:
        """Hash all that decides the tokens: equal if and only if two tokenizers are the same."""
        ...

    def tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        """Tokenize texts, tf.string [B], any bytes; every unit has at least one piece."""
        ...

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], each alone.

        Unit i is word i, whether or not it has a piece.
        """
        ...
