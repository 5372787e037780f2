"""Text to WordPiece ids inside the TensorFlow graph, id for id and offset for offset what Hugging Face's BertTokenizerFast gives.

Each code point is looked up in a table that was read off the Hugging Face normalizer (`characters.py`); what comes out is cut into BERT's
pre-tokens; TF.Text's FastWordpieceTokenizeWithOffsets, with its own pre-tokenization switched off, cuts those into pieces. The pieces of a
pre-token tile it, so their places follow from their lengths. Special tokens written in a text are ordinary text.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.tokenizers.pretokens import Characters, Cut, PreTokenizer, places
from tfner.tokenizers.text_ops import load_text_ops
from tfner.tokenizers.units import WordRule
from tfner.tokenizers.vocabulary import TokenizerSettings, read_checkpoint_tokenizer

PLACE_BITS = 32
PLACE_MASK = (1 << PLACE_BITS) - 1


class Tokens(NamedTuple):
    """Pieces and units of B texts. Every member is a tf.RaggedTensor with a row a text, int32 but for the two bool ones.

    ids: [B, (T)] WordPiece ids, without [CLS] and [SEP].
    start, end: [B, (T)] the piece's span in code points of the text; of words, in the words joined by one space.
    unit: [B, (T)] which unit of its text the piece belongs to.
    first_of_unit, first_of_pretoken: [B, (T)] bool, whether it is the first piece of its unit, of its BERT pre-token.
    unit_start, unit_end: [B, (U)] the units' spans in code points.
    unit_start_byte, unit_end_byte: [B, (U)] the same in bytes of the UTF-8 that was given, exact for invalid UTF-8 too.
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


class Pieces(NamedTuple):
    """T pieces of P pre-tokens on end: ids, the first and last character of each, and where the pre-tokens begin, all int32.

    first_of_pretoken is bool; splits has P + 1 members, the others T.
    """

    ids: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor
    first_of_pretoken: tf.Tensor
    splits: tf.Tensor


class WordPieceTokenizer(tf.Module):
    """BERT's tokenizer as TensorFlow ops: core ops and FastWordpieceTokenizeWithOffsets, nothing else.

    Attributes:
        vocabulary: the pieces in the order of their ids.
        settings: how the text is cleaned and cut.
        unk_id, cls_id, sep_id, pad_id, mask_id: ids of the special tokens.
    """

    def __init__(self, vocabulary: tuple[str, ...], settings: TokenizerSettings):
        super().__init__(name="word_piece_tokenizer")
        self.vocabulary, self.settings = tuple(vocabulary), settings
        ids = {piece: number for number, piece in enumerate(vocabulary)}
        self.unk_id, self.cls_id, self.sep_id, self.pad_id, self.mask_id = (
            ids[token]
            for token in (
                settings.unk_token,
                settings.cls_token,
                settings.sep_token,
                settings.pad_token,
                settings.mask_token,
            )
        )
        self._pre_tokenizer, self._word_rule = PreTokenizer(settings), WordRule()
        with tf.device("/CPU:0"):
            self._model = tf.constant(word_piece_model(self.vocabulary, settings))
            self._piece_lengths = tf.constant(
                piece_lengths(self.vocabulary, settings.continuing_prefix)
            )
        self._too_long = tf.constant("x" * (max_bytes(settings) + 1))

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> WordPieceTokenizer:
        """Read vocab.txt and/or tokenizer.json, and tokenizer_config.json.

        Raises:
            ModelError: the folder holds no tokenizer of BERT's kind.
        """
        return cls(*read_checkpoint_tokenizer(folder))

    def fingerprint(self) -> str:
        """A hash of vocabulary and settings: equal if and only if two tokenizers are the same."""
        content = json.dumps(
            [self.vocabulary, asdict(self.settings)], ensure_ascii=False, sort_keys=True
        )
        return hashlib.sha256(content.encode()).hexdigest()

    def tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        """Tokenize texts, tf.string [B], any bytes; units by the word rule. A unit has at least one piece."""
        with tf.device("/CPU:0"):
            return self._tokenize_text(tf.convert_to_tensor(text_B, tf.string))

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], each on its own; unit i is word i, whether or not it has a piece."""
        with tf.device("/CPU:0"):
            words_BW = words_BW.with_row_splits_dtype(tf.int32)
            return self._tokenize_words(words_BW.values, words_BW.row_splits)

    def _tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        characters, cut = self._pre_tokenizer(text_B)
        pieces = self._pieces(cut)
        column_N = columns(characters.splits)
        new_P = self._word_rule(characters.code, cut)
        pretoken_U = places(new_P)
        first_U, last_U = unit_characters(characters, cut, pretoken_U)
        text_units = tf.searchsorted(first_U, characters.splits)
        unit_pieces = tf.gather(pieces.splits, tf.concat([pretoken_U, tf.shape(cut.first)], 0))
        unit_T, within_unit_T = spread(columns(text_units), unit_pieces)
        byte_ends = ends_in_bytes(characters, tf.strings.length(text_B))
        return ragged_tokens(
            tf.gather(pieces.splits, tf.searchsorted(cut.first, characters.splits)),
            text_units,
            ids=pieces.ids,
            start=tf.gather(column_N, pieces.first),
            end=tf.gather(column_N, pieces.last) + 1,
            unit=unit_T,
            first_of_unit=tf.equal(within_unit_T, 0),
            first_of_pretoken=pieces.first_of_pretoken,
            unit_start=tf.gather(column_N, first_U),
            unit_end=tf.gather(column_N, last_U) + 1,
            unit_start_byte=tf.cast(tf.gather(characters.byte, first_U), tf.int32),
            unit_end_byte=tf.cast(tf.gather(byte_ends, last_U + 1), tf.int32),
        )

    def _tokenize_words(self, word_W: tf.Tensor, splits_B: tf.Tensor) -> Tokens:
        characters, cut = self._pre_tokenizer(word_W)
        pieces = self._pieces(cut)
        column_N = columns(characters.splits)
        word_pieces = tf.gather(pieces.splits, tf.searchsorted(cut.first, characters.splits))
        row_W, number_W = spread(tf.range(tf.size(splits_B) - 1), splits_B)
        chars_W, bytes_W = row_lengths(characters.splits), tf.strings.length(word_W)
        start_W, start_byte_W = (
            joined_starts(chars_W, splits_B, row_W),
            joined_starts(bytes_W, splits_B, row_W),
        )
        word_T, within_word_T = spread(tf.range(tf.size(word_W)), word_pieces)
        offset_T = tf.gather(start_W, word_T)
        return ragged_tokens(
            tf.gather(word_pieces, splits_B),
            splits_B,
            ids=pieces.ids,
            start=tf.gather(column_N, pieces.first) + offset_T,
            end=tf.gather(column_N, pieces.last) + 1 + offset_T,
            unit=tf.gather(number_W, word_T),
            first_of_unit=tf.equal(within_word_T, 0),
            first_of_pretoken=pieces.first_of_pretoken,
            unit_start=start_W,
            unit_end=start_W + chars_W,
            unit_start_byte=start_byte_W,
            unit_end_byte=start_byte_W + bytes_W,
        )

    def _pieces(self, cut: Cut) -> Pieces:
        length_P = row_lengths(cut.splits)
        word_P = tf.raw_ops.UnicodeEncode(
            input_values=cut.output, input_splits=cut.splits, output_encoding="UTF-8"
        )
        word_P = tf.where(length_P > self.settings.max_chars_per_word, self._too_long, word_P)
        _, ids, splits, *_ = load_text_ops().fast_wordpiece_tokenize_with_offsets(
            input_values=word_P, wp_model=self._model
        )
        ids_T, splits_P = tf.cast(ids, tf.int32), tf.cast(splits, tf.int32)
        length_T = self._lengths(ids_T, splits_P, length_P)
        end_T = tf.cumsum(length_T)
        first_T, last_T = tf.gather(cut.source, end_T - length_T), tf.gather(cut.source, end_T - 1)
        return Pieces(ids_T, first_T, last_T, tf.equal(columns(splits_P), 0), splits_P)

    def _lengths(self, ids_T: tf.Tensor, piece_splits: tf.Tensor, length_P: tf.Tensor) -> tf.Tensor:
        """How many code points each piece covers. Pieces tile their pre-token; the unknown piece covers all of it."""
        length_T = tf.gather(self._piece_lengths, ids_T)
        unknown = tf.where(tf.equal(ids_T, self.unk_id))
        pretoken = tf.searchsorted(piece_splits, tf.cast(unknown[:, 0], tf.int32), side="right") - 1
        alone = tf.equal(
            tf.gather(piece_splits, pretoken + 1) - tf.gather(piece_splits, pretoken), 1
        )  # or "unk" begins a longer word
        covered = tf.where(alone, tf.gather(length_P, pretoken), self._piece_lengths[self.unk_id])
        return tf.tensor_scatter_nd_update(length_T, unknown, covered)


def unit_characters(
    characters: Characters, cut: Cut, pretoken_U: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The first and last character of each unit, given its first pre-token; stripped accents that follow belong to it: int32 (U,)."""
    next_U = tf.concat([pretoken_U[1:], tf.shape(cut.first)], 0)[: tf.size(pretoken_U)]
    last_U = tf.gather(cut.last, next_U - 1)

    def pass_marks() -> tf.Tensor:
        stops = tf.sort(tf.concat([places(tf.logical_not(cut.lost_mark)), characters.splits], 0))
        return tf.gather(stops, tf.searchsorted(stops, last_U, side="right")) - 1

    last_U = tf.cond(tf.reduce_any(cut.lost_mark), pass_marks, lambda: last_U)
    return tf.gather(cut.first, pretoken_U), last_U


def ends_in_bytes(characters: Characters, length_B: tf.Tensor) -> tf.Tensor:
    """The byte of its text at which the character before each ends: where this one begins, or the text's end; int64 (N+1,)."""
    begins = tf.concat([characters.byte, [0]], 0)
    return tf.tensor_scatter_nd_max(
        begins, characters.splits[1:, None], tf.cast(length_B, tf.int64)
    )


def row_lengths(splits: tf.Tensor) -> tf.Tensor:
    return splits[1:] - splits[:-1]


def columns(splits: tf.Tensor) -> tf.Tensor:
    """The place of each value within its row."""
    return tf.raw_ops.RaggedRange(starts=0, limits=row_lengths(splits), deltas=1, Tsplits=tf.int32)[
        1
    ]


def spread(label_R: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The label of its row for each value, and its place within the row, both from one range of 64-bit numbers."""
    begin_R = tf.bitwise.left_shift(tf.cast(label_R, tf.int64), PLACE_BITS)
    limit_R = begin_R + tf.cast(row_lengths(splits), tf.int64)
    number = tf.raw_ops.RaggedRange(
        starts=begin_R, limits=limit_R, deltas=tf.constant(1, tf.int64), Tsplits=tf.int32
    )[1]
    return tf.cast(tf.bitwise.right_shift(number, PLACE_BITS), tf.int32), tf.cast(
        tf.bitwise.bitwise_and(number, PLACE_MASK), tf.int32
    )


def joined_starts(length_W: tf.Tensor, splits_B: tf.Tensor, row_W: tf.Tensor) -> tf.Tensor:
    """Where each word begins if the words of a row are joined by one space."""
    start_W = tf.concat([[0], tf.cumsum(length_W + 1)], 0)
    return start_W[:-1] - tf.gather(tf.gather(start_W, splits_B), row_W)


def ragged_tokens(text_pieces: tf.Tensor, text_units: tf.Tensor, **flat: tf.Tensor) -> Tokens:
    """Put the flat values into rows."""
    pieces, units = (tf.cast(splits, tf.int64) for splits in (text_pieces, text_units))
    return Tokens(
        **{
            name: tf.RaggedTensor.from_row_splits(
                values, units if name.startswith("unit_") else pieces, validate=False
            )
            for name, values in flat.items()
        }
    )


def word_piece_model(vocabulary: tuple[str, ...], settings: TokenizerSettings) -> np.ndarray:
    """TF.Text's model of the vocabulary, uint8; the only place that needs the Python of tensorflow_text."""
    from tensorflow_text import build_fast_wordpiece_model

    try:
        model = build_fast_wordpiece_model(
            list(vocabulary),
            max_bytes(settings),
            settings.continuing_prefix,
            settings.unk_token,
            True,
            False,
        )
    except RuntimeError as error:
        raise ModelError(
            f"expected a vocabulary that TF.Text's WordPiece can hold, got {len(vocabulary)} pieces: {error}"
        ) from error
    return np.frombuffer(model, np.uint8)


def max_bytes(settings: TokenizerSettings) -> int:
    """TF.Text counts bytes where BERT counts characters: the graph counts, and this limit never comes first."""
    return 4 * settings.max_chars_per_word


def piece_lengths(vocabulary: tuple[str, ...], prefix: str) -> np.ndarray:
    """The code points that each piece stands for, without the prefix of continuations: int32 (V,)."""
    return np.array([len(piece.removeprefix(prefix)) for piece in vocabulary], np.int32)
