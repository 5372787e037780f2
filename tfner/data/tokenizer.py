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

from tfner.data import characters
from tfner.data.characters import BLOCK_MASK, BLOCK_SHIFT, COUNT_MASK, COUNT_SHIFT, KIND_MASK, LETTER, MARK_BIT, SPACE, VALUE_SHIFT
from tfner.data.text_ops import load_text_ops
from tfner.data.units import unit_starts
from tfner.data.vocabulary import TokenizerSettings, read_checkpoint_tokenizer

SLOT_SHIFT = 3  # an output is numbered 8 * (place of its character) + (place within its expansion)


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


class Source(NamedTuple):
    """N code points of B texts on end, and M outputs of the normalizer with the character that each comes from."""

    code_N: tf.Tensor
    entry_N: tf.Tensor
    byte_N: tf.Tensor
    column_N: tf.Tensor
    splits_B: tf.Tensor
    output_splits_N: tf.Tensor
    source_M: tf.Tensor
    kind_M: tf.Tensor
    output_M: tf.Tensor


class Pieces(NamedTuple):
    """P pre-tokens and T pieces of B texts on end; the splits are int32, (P+1,), (B+1,) and (B+1,)."""

    ids_T: tf.Tensor
    start_T: tf.Tensor
    end_T: tf.Tensor
    first_of_pretoken_T: tf.Tensor
    pretoken_splits: tf.Tensor
    text_pretokens: tf.Tensor
    text_pieces: tf.Tensor


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
            ids[token] for token in (settings.unk_token, settings.cls_token, settings.sep_token, settings.pad_token, settings.mask_token)
        )
        table = characters.character_table(
            lowercase=settings.lowercase,
            strip_accents=settings.strips_accents,
            tokenize_chinese_chars=settings.tokenize_chinese_chars,
            clean_text=settings.clean_text,
        )
        with tf.device("/CPU:0"):
            self._model = tf.constant(word_piece_model(self.vocabulary, settings))
            self._index, self._blocks = tf.constant(table.index), tf.constant(table.blocks)
            self._expansions = tf.constant(table.expansions)
            self._piece_lengths = tf.constant(piece_lengths(self.vocabulary, settings.continuing_prefix))
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
        content = json.dumps([self.vocabulary, asdict(self.settings)], ensure_ascii=False, sort_keys=True)
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
        source = self._normalize(text_B)
        starts, space_before_P = self._pretokens(source)
        pieces = self._pieces(source, starts)
        first_P = tf.gather(source.source_M, starts)
        kind_P, code_P = tf.gather(source.kind_M, starts), tf.gather(source.code_N, first_P)
        new_unit_P = unit_starts(kind_P, code_P, space_before_P)
        unit_P = tf.cumsum(tf.cast(new_unit_P, tf.int32)) - 1
        pretoken_U = tf.cast(tf.where(new_unit_P)[:, 0], tf.int32)
        text_units = tf.searchsorted(concat(pretoken_U, tf.size(starts)), pieces.text_pretokens)
        begin_U = tf.gather(starts, pretoken_U)
        first_U = tf.gather(source.source_M, begin_U)
        last_U = tf.gather(source.source_M, concat(begin_U[1:], tf.size(source.source_M))[: tf.size(begin_U)] - 1)
        last_U = with_marks(source, last_U)
        end_byte = ends_in_bytes(source.byte_N, source.splits_B, tf.strings.length(text_B))
        pretoken_T = tf.cumsum(tf.cast(pieces.first_of_pretoken_T, tf.int32)) - 1
        number_U = tf.ragged.range(text_units[1:] - text_units[:-1], row_splits_dtype=tf.int32).values
        return ragged_tokens(
            pieces.text_pieces,
            text_units,
            ids=pieces.ids_T,
            start=tf.gather(source.column_N, pieces.start_T),
            end=tf.gather(source.column_N, pieces.end_T) + 1,
            unit=tf.gather(number_U, tf.gather(unit_P, pretoken_T)),
            first_of_unit=pieces.first_of_pretoken_T & tf.gather(new_unit_P, pretoken_T),
            first_of_pretoken=pieces.first_of_pretoken_T,
            unit_start=tf.gather(source.column_N, first_U),
            unit_end=tf.gather(source.column_N, last_U) + 1,
            unit_start_byte=tf.gather(source.byte_N, first_U),
            unit_end_byte=tf.gather(end_byte, last_U),
        )

    def _tokenize_words(self, word_W: tf.Tensor, splits_B: tf.Tensor) -> Tokens:
        source = self._normalize(word_W)
        starts, _ = self._pretokens(source)
        pieces = self._pieces(source, starts)
        row_W = row_ids(splits_B, tf.size(word_W))
        chars_W, bytes_W = source.splits_B[1:] - source.splits_B[:-1], tf.strings.length(word_W)
        start_W, start_byte_W = joined_starts(chars_W, splits_B, row_W), joined_starts(bytes_W, splits_B, row_W)
        word_T = row_ids(pieces.text_pieces, tf.size(pieces.ids_T))
        offset_T = tf.gather(start_W, word_T)
        return ragged_tokens(
            tf.gather(pieces.text_pieces, splits_B),
            splits_B,
            ids=pieces.ids_T,
            start=tf.gather(source.column_N, pieces.start_T) + offset_T,
            end=tf.gather(source.column_N, pieces.end_T) + 1 + offset_T,
            unit=word_T - tf.gather(splits_B, tf.gather(row_W, word_T)),
            first_of_unit=tf.not_equal(word_T, tf.concat([[-1], word_T[:-1]], 0)),
            first_of_pretoken=pieces.first_of_pretoken_T,
            unit_start=start_W,
            unit_end=start_W + chars_W,
            unit_start_byte=start_byte_W,
            unit_end_byte=start_byte_W + bytes_W,
        )

    def _normalize(self, text_B: tf.Tensor) -> Source:
        splits_B, code_N, byte_N = tf.raw_ops.UnicodeDecodeWithOffsets(input=text_B, input_encoding="UTF-8")
        splits_B = tf.cast(splits_B, tf.int32)  # the op's own Tsplits=tf.int32 ends the process with a failed check
        block_N = tf.gather(self._index, tf.bitwise.right_shift(code_N, BLOCK_SHIFT))
        entry_N = tf.gather(self._blocks, block_N + tf.bitwise.bitwise_and(code_N, BLOCK_MASK))
        count_N = tf.bitwise.bitwise_and(tf.bitwise.right_shift(entry_N, COUNT_SHIFT), COUNT_MASK)
        slot_N = tf.range(tf.size(code_N)) * (1 << SLOT_SHIFT)
        output_splits, slot_M = tf.raw_ops.RaggedRange(starts=slot_N, limits=slot_N + count_N, deltas=1, Tsplits=tf.int32)
        source_M = tf.bitwise.right_shift(slot_M, SLOT_SHIFT)
        entry_M = tf.gather(entry_N, source_M)
        value_M = tf.bitwise.right_shift(entry_M, VALUE_SHIFT)
        several_M = tf.gather(count_N, source_M) > 1
        expansion_M = tf.where(several_M, value_M + slot_M - source_M * (1 << SLOT_SHIFT), 0)
        output_M = tf.where(several_M, tf.gather(self._expansions, expansion_M), tf.gather(code_N, source_M) + value_M)
        column_N = tf.raw_ops.RaggedRange(starts=0, limits=splits_B[1:] - splits_B[:-1], deltas=1, Tsplits=tf.int32)[1]
        kind_M = tf.bitwise.bitwise_and(entry_M, KIND_MASK)
        return Source(code_N, entry_N, tf.cast(byte_N, tf.int32), column_N, splits_B, output_splits, source_M, kind_M, output_M)

    def _pretokens(self, source: Source) -> tuple[tf.Tensor, tf.Tensor]:
        """Where pre-tokens begin among the outputs, and whether white space or a text's begin stands before each."""
        space_N = tf.cast(tf.equal(tf.bitwise.bitwise_and(source.entry_N, KIND_MASK), SPACE), tf.int32)
        text_N = tf.tensor_scatter_nd_add(concat(space_N, 0), source.splits_B[:, None], tf.ones_like(source.splits_B))
        chunk_M = tf.gather(tf.cumsum(text_N), source.source_M)
        space_before_M = tf.not_equal(chunk_M, tf.concat([[-1], chunk_M[:-1]], 0))
        alone_M = tf.not_equal(source.kind_M, LETTER)
        new_M = space_before_M | alone_M | tf.concat([alone_M[:1], alone_M[:-1]], 0)
        starts = tf.cast(tf.where(new_M)[:, 0], tf.int32)
        return starts, tf.gather(space_before_M, starts)

    def _pieces(self, source: Source, starts: tf.Tensor) -> Pieces:
        pretoken_splits = concat(starts, tf.size(source.output_M))
        length_P = pretoken_splits[1:] - pretoken_splits[:-1]
        word_P = tf.raw_ops.UnicodeEncode(input_values=source.output_M, input_splits=pretoken_splits, output_encoding="UTF-8")
        word_P = tf.where(length_P > self.settings.max_chars_per_word, self._too_long, word_P)
        result = load_text_ops().fast_wordpiece_tokenize_with_offsets(input_values=word_P, wp_model=self._model)
        ids_T, piece_splits = tf.cast(result[1], tf.int32), tf.cast(result[2], tf.int32)
        first_T = tf.scatter_nd(piece_splits[:-1, None], tf.ones_like(piece_splits[:-1]), tf.shape(ids_T)) > 0
        length_T = tf.gather(self._piece_lengths, ids_T)
        unknown = tf.where(tf.equal(ids_T, self.unk_id) & first_T)[:, 0]
        unknown_length = tf.gather(length_P, tf.searchsorted(piece_splits, tf.cast(unknown, tf.int32), side="right") - 1)
        length_T = tf.tensor_scatter_nd_update(length_T, unknown[:, None], unknown_length)
        end_T = tf.cumsum(length_T)
        text_pretokens = tf.searchsorted(pretoken_splits, tf.gather(source.output_splits_N, source.splits_B))
        return Pieces(
            ids_T,
            tf.gather(source.source_M, end_T - length_T),
            tf.gather(source.source_M, end_T - 1),
            first_T,
            pretoken_splits,
            text_pretokens,
            tf.gather(piece_splits, text_pretokens),
        )


def with_marks(source: Source, last_U: tf.Tensor) -> tf.Tensor:
    """The last character of each unit, moved on over the deleted combining marks that follow it."""
    mark_N = tf.not_equal(tf.bitwise.bitwise_and(source.entry_N, MARK_BIT), 0)

    def move() -> tf.Tensor:
        stops = tf.sort(tf.concat([tf.cast(tf.where(~mark_N)[:, 0], tf.int32), source.splits_B], 0))
        return tf.gather(stops, tf.searchsorted(stops, last_U, side="right")) - 1

    return tf.cond(tf.reduce_any(mark_N), move, lambda: last_U)


def ends_in_bytes(byte_N: tf.Tensor, splits_B: tf.Tensor, length_B: tf.Tensor) -> tf.Tensor:
    """Where each character ends within its text: where the next one begins, or at the end of the text."""
    ends = tf.tensor_scatter_nd_max(concat(byte_N, 0), splits_B[1:, None], length_B)
    return ends[1:]


def joined_starts(length_W: tf.Tensor, splits_B: tf.Tensor, row_W: tf.Tensor) -> tf.Tensor:
    """Where each word begins if the words of a row are joined by one space."""
    start_W = tf.concat([[0], tf.cumsum(length_W + 1)], 0)
    return start_W[:-1] - tf.gather(tf.gather(start_W, splits_B), row_W)


def row_ids(splits: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The row of each of `count` values."""
    return tf.searchsorted(splits, tf.range(count), side="right") - 1


def concat(values: tf.Tensor, last: tf.Tensor | int) -> tf.Tensor:
    return tf.concat([values, [last]], 0)


def ragged_tokens(text_pieces: tf.Tensor, text_units: tf.Tensor, **flat: tf.Tensor) -> Tokens:
    """Put the flat values into rows."""
    pieces, units = (tf.cast(splits, tf.int64) for splits in (text_pieces, text_units))
    return Tokens(
        **{
            name: tf.RaggedTensor.from_row_splits(values, units if name.startswith("unit_") else pieces, validate=False)
            for name, values in flat.items()
        }
    )


def word_piece_model(vocabulary: tuple[str, ...], settings: TokenizerSettings) -> np.ndarray:
    """TF.Text's model of the vocabulary, uint8; the only place that needs the Python of tensorflow_text."""
    from tensorflow_text import build_fast_wordpiece_model

    model = build_fast_wordpiece_model(
        list(vocabulary), max_bytes(settings), settings.continuing_prefix, settings.unk_token, True, False
    )
    return np.frombuffer(model, np.uint8)


def max_bytes(settings: TokenizerSettings) -> int:
    """TF.Text counts bytes where BERT counts characters: the graph counts, and this limit never comes first."""
    return 4 * settings.max_chars_per_word


def piece_lengths(vocabulary: tuple[str, ...], prefix: str) -> np.ndarray:
    """The code points that each piece stands for, without the prefix of continuations: int32 (V,)."""
    return np.array([len(piece.removeprefix(prefix)) for piece in vocabulary], np.int32)
