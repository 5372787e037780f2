"""Cut texts and given words unit by unit: what tokenizers share that cut each unit by itself.

A unit thus has the same pieces however it came, and its neighbours change none of them. The span of
a piece is that of its unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfner.tokenizers import ragged_ops
from tfner.tokenizers.pretokens import Characters, PreTokenizer, decode
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import (
    add_row_begins,
    before,
    concat,
    index_in_row,
    indices_of,
    ranges,
    row_labels,
    row_lengths,
)
from tfner.tokenizers.token_rows import (
    Members,
    character_byte_ends,
    ragged_tokens,
    spans,
    unit_characters,
)
from tfner.tokenizers.units import WordRule
from tfner.tokenizers.vocabulary import TokenizerSettings

# Units are found in text as it is: no letter is changed before a unit is cut.
UNCHANGED = TokenizerSettings(lowercase=False, strip_accents=False)


class UnitPieces(NamedTuple):
    """Hold the T pieces of U units on end.

    Args:
        ids: int32 [T].
        splits: int32 [U + 1], where each unit's begin.
        first_of_pretoken: bool [T].
    """

    ids: tf.Tensor
    splits: tf.Tensor
    first_of_pretoken: tf.Tensor


# Cuts U units, given as code points, int32 [N], and their splits, int32 [U + 1].
Cut = Callable[[tf.Tensor, tf.Tensor], UnitPieces]


class UnitFinder(tf.Module):
    """Find the units of raw text by the word rule, and have each cut.

    Scripts without spaces have no words to go by: each Chinese character is a unit, and so is each
    kana, as most borders of Japanese entities lie between kana.
    """

    def __init__(self):
        super().__init__(name="unit_finder")
        self._pre_tokenizer = PreTokenizer(UNCHANGED, kana_alone=True)
        self._word_rule = WordRule()

    def are_alone(self, code_N: tf.Tensor) -> tf.Tensor:
        """Tell which characters are units by themselves, of scripts without spaces; bool [N]."""
        return self._pre_tokenizer.are_cjk(code_N)

    def tokenize_text(self, text_B: tf.Tensor, cut: Cut) -> Tokens:
        """Tokenize texts, tf.string [B], any bytes; what gets no piece is no unit."""
        with tf.device("/CPU:0"):
            text_B = tf.convert_to_tensor(text_B, tf.string)
            return self._tokenize_text(text_B, cut)

    def _tokenize_text(self, text_B: tf.Tensor, cut: Cut) -> Tokens:
        characters, pretokens = self._pre_tokenizer(text_B)
        begins_unit_P = self._word_rule(characters.code, pretokens)
        pretoken_U = indices_of(begins_unit_P)
        first_U, last_U = unit_characters(characters, pretokens, pretoken_U)
        splits, index_M = ranges(first_U, last_U + 1)
        code_M = tf.gather(characters.code, index_M)
        pieces = cut(code_M, splits)
        length_U = row_lengths(pieces.splits)
        has_piece_U = length_U > 0
        kept = indices_of(has_piece_U)
        first_U = tf.gather(first_U, kept)
        last_U = tf.gather(last_U, kept)
        begin_U = tf.gather(pieces.splits, kept)
        kept_splits = concat(begin_U, pieces.splits[-1:])
        pieces = pieces._replace(splits=kept_splits)
        index_N = index_in_row(characters.splits)
        length_B = tf.strings.length(text_B)
        byte_ends = character_byte_ends(characters, length_B)
        start_byte_U = tf.cast(tf.gather(characters.byte, first_U), tf.int32)
        end_byte_U = tf.cast(tf.gather(byte_ends, last_U + 1), tf.int32)
        of_units = *spans(index_N, first_U, last_U), start_byte_U, end_byte_U
        unit_splits = tf.searchsorted(first_U, characters.splits)
        number_U = index_in_row(unit_splits)
        return unit_tokens(pieces, number_U, of_units, unit_splits)

    def tokenize_words(self, words_BW: tf.RaggedTensor, cut: Cut) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], as raw text is; unit i is word i.

        A word that would be several units in raw text, since it holds characters of a script
        without spaces, is cut there, and a piece has the span of its own segment.
        """
        with tf.device("/CPU:0"):
            words = decode_words(words_BW)
            segments = self._segments(words.characters)
            return words.tokenize(segments, cut)

    def _segments(self, characters: Characters) -> tf.Tensor:
        """Find where words, and what stands alone in them, begin: int32 [S + 1]."""
        alone_N = self.are_alone(characters.code)
        begins_N = alone_N | before(alone_N)
        begins = add_row_begins(tf.cast(begins_N, tf.int32), characters.splits)
        begin_S = indices_of(begins[:-1] > 0)
        character_count = tf.shape(alone_N)
        return concat(begin_S, character_count)


def tokenize_words(words_BW: tf.RaggedTensor, cut: Cut) -> Tokens:
    """Tokenize given words, tf.string [B, (W)], each whole; unit i is word i."""
    with tf.device("/CPU:0"):
        words = decode_words(words_BW)
        return words.tokenize(words.characters.splits, cut)


class GivenWords(NamedTuple):
    """Hold the W words of B texts on end, decoded.

    Args:
        text: tf.string [W].
        splits: int32 [B + 1], where each text's words begin.
        characters: of all words.
    """

    text: tf.Tensor
    splits: tf.Tensor
    characters: Characters

    def tokenize(self, segments: tf.Tensor, cut: Cut) -> Tokens:
        """Tokenize words that are cut into segments: int32 [S + 1], where these begin.

        A piece has the span of its segment, in the words of its text joined by one space.
        """
        characters = self.characters
        pieces = cut(characters.code, segments)
        row_count = tf.size(self.splits) - 1
        rows = tf.range(row_count)
        row_W, number_W = row_labels(rows, self.splits)
        length_W = row_lengths(characters.splits)
        bytes_W = tf.strings.length(self.text)
        start_W = ragged_ops.joined_starts(length_W, self.splits, row_W)
        start_byte_W = ragged_ops.joined_starts(bytes_W, self.splits, row_W)
        of_units = start_W, start_W + length_W, start_byte_W, start_byte_W + bytes_W
        begin_S = segments[:-1]
        segment_W = tf.searchsorted(begin_S, characters.splits)
        splits_W = tf.gather(pieces.splits, segment_W)
        words = tf.range(tf.size(number_W))
        word_T, within_T = row_labels(words, splits_W)
        first_T = tf.equal(within_T, 0)
        # a character's position in its text is as far from its number as its word's is
        shift_W = start_W - characters.splits[:-1]
        shift_T = tf.gather(shift_W, word_T)
        segment_T, _ = row_labels(tf.range(tf.size(begin_S)), pieces.splits)
        start_T = tf.gather(begin_S, segment_T) + shift_T
        end_T = tf.gather(segments, segment_T + 1) + shift_T
        number_T = tf.gather(number_W, word_T)
        of_pieces = pieces.ids, start_T, end_T, number_T, first_T, pieces.first_of_pretoken
        piece_splits = tf.gather(splits_W, self.splits)
        return ragged_tokens(of_pieces, piece_splits, of_units, self.splits)


def decode_words(words_BW: tf.RaggedTensor) -> GivenWords:
    """Decode given words, tf.string [B, (W)]."""
    words_BW = words_BW.with_row_splits_dtype(tf.int32)
    word_W = words_BW.values
    return GivenWords(word_W, words_BW.row_splits, decode(word_W))


def unit_tokens(
    pieces: UnitPieces, number_U: tf.Tensor, of_units: Members, unit_splits: tf.Tensor
) -> Tokens:
    """Put pieces and units into rows, a text each, where a piece has the span of its unit.

    Args:
        pieces: those of all units.
        number_U: each unit's number in its text.
        of_units: start, end, start in bytes and end in bytes; int32 [U] each.
        unit_splits: int32 [B + 1], where each text's units begin.
    """
    unit_count = tf.size(number_U)
    units = tf.range(unit_count)
    unit_T, within_T = row_labels(units, pieces.splits)
    first_T = tf.equal(within_T, 0)
    start_U, end_U, *_ = of_units
    start_T = tf.gather(start_U, unit_T)
    end_T = tf.gather(end_U, unit_T)
    number_T = tf.gather(number_U, unit_T)
    of_pieces = pieces.ids, start_T, end_T, number_T, first_T, pieces.first_of_pretoken
    piece_splits = tf.gather(pieces.splits, unit_splits)
    return ragged_tokens(of_pieces, piece_splits, of_units, unit_splits)
