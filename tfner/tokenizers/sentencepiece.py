"""Cut text into the ids of a SentencePiece model, in graph.

The word rule comes first: it finds the units of raw text, as for WordPiece. Then each unit is cut
by itself with a mark before it that says that a word begins, and so is each given word. A unit thus
has the same pieces however it came, and its neighbours change none of them.

TF.Text's FastSentencepieceTokenize cleans and cuts. It takes the model as a tensor, which an export
holds once. Special pieces written in a text, such as `</s>`, are ordinary text.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.safeio.printable import first_line
from tfner.tokenizers import ragged_ops
from tfner.tokenizers.pretokens import PreTokenizer, decode
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import (
    concat,
    index_in_row,
    indices_of,
    ranges,
    row_labels,
    row_lengths,
)
from tfner.tokenizers.registry import register_tokenizer
from tfner.tokenizers.sentencepiece_model import (
    SENTENCEPIECE_FILES,
    SentencePieceModel,
    is_sentencepiece,
    read_sentencepiece,
)
from tfner.tokenizers.text_ops import SENTENCEPIECE, load_text_op
from tfner.tokenizers.token_rows import (
    Members,
    character_byte_ends,
    ragged_tokens,
    spans,
    unit_characters,
)
from tfner.tokenizers.units import WordRule
from tfner.tokenizers.vocabulary import TokenizerSettings

# Units are found in text as it is: no letter is changed before SentencePiece cleans it.
UNCHANGED = TokenizerSettings(lowercase=False, strip_accents=False)
UNKNOWN = 0  # number of the unknown piece in a model


@register_tokenizer
class SentencePieceTokenizer(tf.Module):
    """Tokenize as XLM-R does, by core ops of TensorFlow and FastSentencepieceTokenize.

    The span of a piece is that of its unit: SentencePiece may change characters before it cuts.

    Attributes:
        vocabulary: the pieces in the order of their ids.
        layout: which ids the pieces of the model have.
        unk_id, cls_id, sep_id, pad_id, mask_id: ids of the special pieces.
    """

    files: ClassVar[tuple[str, ...]] = SENTENCEPIECE_FILES
    ops: ClassVar[tuple[str, ...]] = (SENTENCEPIECE,)

    def __init__(self, model: SentencePieceModel):
        super().__init__(name="sentence_piece_tokenizer")
        self.vocabulary = model.vocabulary
        self.layout = model.layout
        special = model.layout.special_ids(self.vocabulary)
        self.cls_id, self.sep_id, self.pad_id, self.unk_id, self.mask_id = special
        self._fingerprint = model.fingerprint
        self._pre_tokenizer = PreTokenizer(UNCHANGED)
        self._word_rule = WordRule()
        with tf.device("/CPU:0"):
            self._model = tf.constant(converted_model(model.content))

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Take a folder that names a class of XLM-R's kind, or holds its model file."""
        return is_sentencepiece(folder)

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> SentencePieceTokenizer:
        """Read sentencepiece.bpe.model, tokenizer_config.json and config.json.

        Raises:
            ModelError: the folder holds no tokenizer of a known family.
        """
        model = read_sentencepiece(Path(folder))
        return cls(model)

    def fingerprint(self) -> str:
        """Hash model and layout: equal if and only if two tokenizers are the same."""
        return self._fingerprint

    def tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        """Tokenize texts, tf.string [B], any bytes; units by the word rule.

        What SentencePiece cleans away whole, such as U+2581 alone, is no unit.
        """
        with tf.device("/CPU:0"):
            text_B = tf.convert_to_tensor(text_B, tf.string)
            return self._tokenize_text(text_B)

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], each alone; unit i is word i."""
        with tf.device("/CPU:0"):
            words_BW = words_BW.with_row_splits_dtype(tf.int32)
            return self._tokenize_words(words_BW.values, words_BW.row_splits)

    def _tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        characters, pretokens = self._pre_tokenizer(text_B)
        begins_unit_P = self._word_rule(characters.code, pretokens)
        pretoken_U = indices_of(begins_unit_P)
        first_U, last_U = unit_characters(characters, pretokens, pretoken_U)
        splits, index_M = ranges(first_U, last_U + 1)
        ids_T, piece_splits = self._cut(tf.gather(characters.code, index_M), splits)
        has_piece_U = row_lengths(piece_splits) > 0
        kept = indices_of(has_piece_U)
        first_U, last_U = tf.gather(first_U, kept), tf.gather(last_U, kept)
        piece_splits = concat(tf.gather(piece_splits, kept), piece_splits[-1:])
        index_N = index_in_row(characters.splits)
        length_B = tf.strings.length(text_B)
        byte_ends = character_byte_ends(characters, length_B)
        start_byte_U = tf.cast(tf.gather(characters.byte, first_U), tf.int32)
        end_byte_U = tf.cast(tf.gather(byte_ends, last_U + 1), tf.int32)
        of_units = *spans(index_N, first_U, last_U), start_byte_U, end_byte_U
        unit_splits = tf.searchsorted(first_U, characters.splits)
        number_U = index_in_row(unit_splits)
        return unit_tokens(ids_T, piece_splits, number_U, of_units, unit_splits)

    def _tokenize_words(self, word_W: tf.Tensor, splits_B: tf.Tensor) -> Tokens:
        characters = decode(word_W)
        ids_T, piece_splits = self._cut(characters.code, characters.splits)
        row_W, number_W = row_labels(tf.range(tf.size(splits_B) - 1), splits_B)
        length_W, bytes_W = row_lengths(characters.splits), tf.strings.length(word_W)
        start_W = ragged_ops.joined_starts(length_W, splits_B, row_W)
        start_byte_W = ragged_ops.joined_starts(bytes_W, splits_B, row_W)
        of_units = start_W, start_W + length_W, start_byte_W, start_byte_W + bytes_W
        return unit_tokens(ids_T, piece_splits, number_W, of_units, splits_B)

    def _cut(self, code_N: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Cut U units, given as code points, into pieces: ids [T], and their splits [U + 1]."""
        encode = tf.raw_ops.UnicodeEncode
        unit_U = encode(input_values=code_N, input_splits=splits, output_encoding="UTF-8")
        cut = load_text_op(SENTENCEPIECE).tf_text_fast_sentencepiece_tokenize
        plain = {"add_bos": False, "add_eos": False, "reverse": False}
        number_T, piece_splits = cut(self._model, unit_U, nbest_size=0, alpha=1.0, **plain)
        known_T = number_T + self.layout.shift
        ids_T = tf.where(tf.equal(number_T, UNKNOWN), self.unk_id, known_T)
        return ids_T, piece_splits


def unit_tokens(
    ids_T: tf.Tensor,
    piece_splits: tf.Tensor,
    number_U: tf.Tensor,
    of_units: Members,
    unit_splits: tf.Tensor,
) -> Tokens:
    """Put pieces and units into rows, a text each, where a piece has the span of its unit.

    Args:
        ids_T: the pieces of all units.
        piece_splits: int32 [U + 1], where each unit's begin.
        number_U: each unit's number in its text.
        of_units: start, end, start in bytes and end in bytes; int32 [U] each.
        unit_splits: int32 [B + 1], where each text's units begin.
    """
    unit_count = tf.size(number_U)
    units = tf.range(unit_count)
    unit_T, within_T = row_labels(units, piece_splits)
    first_T = tf.equal(within_T, 0)
    start_U, end_U, *_ = of_units
    start_T, end_T = tf.gather(start_U, unit_T), tf.gather(end_U, unit_T)
    number_T = tf.gather(number_U, unit_T)
    of_pieces = ids_T, start_T, end_T, number_T, first_T, first_T
    return ragged_tokens(of_pieces, tf.gather(piece_splits, unit_splits), of_units, unit_splits)


def converted_model(content: bytes) -> np.ndarray:
    """Build TF.Text's form of a model, uint8; this alone needs tensorflow_text's Python."""
    from tensorflow_text.core.pybinds import pywrap_model_converter

    try:
        converted = pywrap_model_converter.convert_sentencepiece_model(content)
    except RuntimeError as error:
        expected = "expected a SentencePiece model that TF.Text can hold"
        raise ModelError(f"{expected}: {first_line(error)}") from error
    return np.frombuffer(converted, np.uint8)
