"""Cut text into the ids of a SentencePiece model, in graph.

The word rule comes first: it finds the units of raw text, as for WordPiece. Then each unit is cut
by itself with a mark before it that says that a word begins, and so is each given word. A unit thus
has the same pieces however it came, and its neighbours change none of them. In scripts without
spaces each character is a unit, without such a mark, and given words are cut into these.

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
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import concat, index_in_row, row_labels, row_lengths
from tfner.tokenizers.registry import register_tokenizer
from tfner.tokenizers.sentencepiece_model import (
    SENTENCEPIECE_FILES,
    SentencePieceModel,
    is_sentencepiece,
    read_sentencepiece,
)
from tfner.tokenizers.text_libraries import SENTENCEPIECE
from tfner.tokenizers.text_ops import load_text_op
from tfner.tokenizers.unit_tokens import UnitFinder, UnitPieces

MARK = "▁"  # says that a word begins
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
        self._units = UnitFinder()
        self._mark = model.number_of(MARK)
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
        return self._units.tokenize_text(text_B, self._cut)

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], each alone; unit i is word i."""
        return self._units.tokenize_words(words_BW, self._cut)

    def _cut(self, code_N: tf.Tensor, splits: tf.Tensor) -> UnitPieces:
        """Cut U units, given as code points; a unit is one pre-token."""
        encode = tf.raw_ops.UnicodeEncode
        unit_U = encode(input_values=code_N, input_splits=splits, output_encoding="UTF-8")
        cut = load_text_op(SENTENCEPIECE).tf_text_fast_sentencepiece_tokenize
        plain = {"add_bos": False, "add_eos": False, "reverse": False}
        number_T, piece_splits = cut(self._model, unit_U, nbest_size=0, alpha=1.0, **plain)
        number_T, piece_splits = self._without_marks(number_T, piece_splits, code_N, splits)
        known_T = number_T + self.layout.shift
        ids_T = tf.where(tf.equal(number_T, UNKNOWN), self.unk_id, known_T)
        first_T = tf.equal(index_in_row(piece_splits), 0)
        return UnitPieces(ids_T, piece_splits, first_T)

    def _without_marks(
        self, number_T: tf.Tensor, piece_splits: tf.Tensor, code_N: tf.Tensor, splits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Leave out marks of a begin that are pieces by themselves where no word begins.

        That is at characters of scripts without spaces: encoders have learned from texts in which
        almost none has a mark before it.

        Returns:
            Numbers of pieces, and where each unit's begin.
        """
        alone_N = self._units.are_alone(code_N)
        alone_U = tf.gather(alone_N, splits[:-1])
        length_U = row_lengths(piece_splits)
        has_more_U = length_U > 1
        units = tf.range(tf.size(length_U))
        unit_T, within_T = row_labels(units, piece_splits)
        is_mark_T = tf.equal(number_T, self._mark) & tf.equal(within_T, 0)
        is_bare_T = is_mark_T & tf.gather(alone_U & has_more_U, unit_T)
        kept_T = tf.boolean_mask(number_T, tf.logical_not(is_bare_T))
        bare_before = concat([0], tf.cumsum(tf.cast(is_bare_T, tf.int32)))
        return kept_T, piece_splits - tf.gather(bare_before, piece_splits)


def converted_model(content: bytes) -> np.ndarray:
    """Build TF.Text's form of a model, uint8; this alone needs tensorflow_text's Python."""
    from tensorflow_text.core.pybinds import pywrap_model_converter

    try:
        converted = pywrap_model_converter.convert_sentencepiece_model(content)
    except RuntimeError as error:
        expected = "expected a SentencePiece model that TF.Text can hold"
        raise ModelError(f"{expected}: {first_line(error)}") from error
    return np.frombuffer(converted, np.uint8)
