"""Cut text into WordPiece ids as Hugging Face's BertTokenizerFast does, in graph.

Each code point is looked up in a table that was read off the Hugging Face normalizer
(`characters.py`); what comes out is cut into BERT's pre-tokens; TF.Text's
FastWordpieceTokenizeWithOffsets, with its own pre-tokenization switched off, cuts those into
pieces. The pieces of a pre-token tile it, so their spans follow from their lengths. Ids and offsets
are BertTokenizerFast's. Special tokens written in a text are ordinary text.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.tokenizers import ragged_ops
from tfner.tokenizers.pretokens import PreTokenizer, Pretokens
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import concat, index_in_row, indices_of, row_labels, row_lengths
from tfner.tokenizers.text_libraries import WORDPIECE
from tfner.tokenizers.text_ops import load_text_op
from tfner.tokenizers.token_rows import (
    Members,
    character_byte_ends,
    ragged_tokens,
    spans,
    unit_characters,
)
from tfner.tokenizers.units import WordRule
from tfner.tokenizers.vocabulary import (
    TOKENIZER_FILES,
    TokenizerSettings,
    read_checkpoint_tokenizer,
)


class PretokenPieces(NamedTuple):
    """Hold the T pieces of P pre-tokens on end.

    Args:
        ids, first, last: int32 [T], each piece's id, and its first and last character.
        first_of_pretoken: bool [T].
        splits: int32 [P + 1], where the pre-tokens begin among the pieces.
    """

    ids: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor
    first_of_pretoken: tf.Tensor
    splits: tf.Tensor


class WordPieceTokenizer(tf.Module):
    """Tokenize as BERT does by core ops of TensorFlow and FastWordpieceTokenizeWithOffsets.

        >>> special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
        >>> pieces = (*special, "new", "##er", "york", "'", "s")
        >>> tokenizer = WordPieceTokenizer(pieces, TokenizerSettings())
        >>> tokens = tokenizer.tokenize_text(["Newer York's"])
        >>> tokens.ids.to_list(), tokens.unit.to_list()
        ([[5, 6, 7, 8, 9]], [[0, 0, 1, 2, 2]])
        >>> tokens.start.to_list(), tokens.end.to_list()
        ([[0, 3, 6, 10, 11]], [[3, 5, 10, 11, 12]])
        >>> tokens.unit_start.to_list(), tokens.unit_end.to_list()
        ([[0, 6, 10]], [[5, 10, 12]])

    Attributes:
        vocabulary: the pieces in the order of their ids.
        settings: how the text is cleaned and cut.
        unk_id, cls_id, sep_id, pad_id, mask_id: ids of the special tokens.
    """

    files: ClassVar[tuple[str, ...]] = (*TOKENIZER_FILES, "special_tokens_map.json")
    ops: ClassVar[tuple[str, ...]] = (WORDPIECE,)

    def __init__(self, vocabulary: tuple[str, ...], settings: TokenizerSettings):
        super().__init__(name="word_piece_tokenizer")
        self.vocabulary = tuple(vocabulary)
        self.settings = settings
        ids = {piece: number for number, piece in enumerate(vocabulary)}
        self.unk_id = ids[settings.unk_token]
        self.cls_id = ids[settings.cls_token]
        self.sep_id = ids[settings.sep_token]
        self.pad_id = ids[settings.pad_token]
        self.mask_id = ids[settings.mask_token]
        self._pre_tokenizer = PreTokenizer(settings)
        self._word_rule = WordRule()
        prefix = settings.continuing_prefix
        lengths = [len(piece.removeprefix(prefix)) for piece in self.vocabulary]
        with tf.device("/CPU:0"):
            self._model = tf.constant(word_piece_model(self.vocabulary, settings))
            self._piece_lengths = tf.constant(lengths, tf.int32)  # in code points
        self._too_long = tf.constant("x" * (max_bytes(settings) + 1))

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Take any folder: BERT's checkpoints name no kind, and the reader says what is wrong."""
        return True

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> WordPieceTokenizer:
        """Read vocab.txt and/or tokenizer.json, and tokenizer_config.json.

        Raises:
            ModelError: the folder holds no tokenizer of BERT's kind.
        """
        return cls(*read_checkpoint_tokenizer(folder))

    def fingerprint(self) -> str:
        """Hash vocabulary and settings: equal if and only if two tokenizers are the same."""
        settings = asdict(self.settings)
        content = [self.vocabulary, settings]
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        encoded = text.encode()
        return hashlib.sha256(encoded).hexdigest()

    def tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        """Tokenize texts, tf.string [B], any bytes; units by the word rule, each with a piece."""
        with tf.device("/CPU:0"):
            return self._tokenize_text(tf.convert_to_tensor(text_B, tf.string))

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], each alone; unit i is word i.

        >>> special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
        >>> tokenizer = WordPieceTokenizer((*special, "new", "##er"), TokenizerSettings())
        >>> tokens = tokenizer.tokenize_words(tf.ragged.constant([["Newer", "", "new"]]))
        >>> tokens.ids.to_list(), tokens.unit.to_list()
        ([[5, 6, 5]], [[0, 0, 2]])
        >>> tokens.start.to_list(), tokens.unit_start.to_list()
        ([[0, 3, 7]], [[0, 6, 7]])
        """
        with tf.device("/CPU:0"):
            words_BW = words_BW.with_row_splits_dtype(tf.int32)
            return self._tokenize_words(words_BW.values, words_BW.row_splits)

    def _tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        characters, pretokens = self._pre_tokenizer(text_B)
        pieces = self._pieces(pretokens)
        index_N = index_in_row(characters.splits)
        begins_unit_P = self._word_rule(characters.code, pretokens)
        pretoken_U = indices_of(begins_unit_P)
        first_U, last_U = unit_characters(characters, pretokens, pretoken_U)
        unit_splits = tf.searchsorted(first_U, characters.splits)
        pretoken_count = tf.shape(pretokens.first)
        begins_U = concat(pretoken_U, pretoken_count)
        piece_splits_U = tf.gather(pieces.splits, begins_U)
        labels = row_labels(index_in_row(unit_splits), piece_splits_U)
        start_T, end_T = spans(index_N, pieces.first, pieces.last)
        of_pieces = piece_members(pieces, start_T, end_T, labels)
        byte_ends = character_byte_ends(characters, tf.strings.length(text_B))
        start_byte_U = tf.cast(tf.gather(characters.byte, first_U), tf.int32)
        end_byte_U = tf.cast(tf.gather(byte_ends, last_U + 1), tf.int32)
        of_units = *spans(index_N, first_U, last_U), start_byte_U, end_byte_U
        pretoken_splits = tf.searchsorted(pretokens.first, characters.splits)
        piece_splits = tf.gather(pieces.splits, pretoken_splits)
        return ragged_tokens(of_pieces, piece_splits, of_units, unit_splits)

    def _tokenize_words(self, word_W: tf.Tensor, splits_B: tf.Tensor) -> Tokens:
        characters, pretokens = self._pre_tokenizer(word_W)
        pieces = self._pieces(pretokens)
        index_N = index_in_row(characters.splits)
        pretoken_splits_W = tf.searchsorted(pretokens.first, characters.splits)
        piece_splits_W = tf.gather(pieces.splits, pretoken_splits_W)
        row_W, number_W = row_labels(tf.range(tf.size(splits_B) - 1), splits_B)
        length_W, bytes_W = row_lengths(characters.splits), tf.strings.length(word_W)
        start_W = ragged_ops.joined_starts(length_W, splits_B, row_W)
        start_byte_W = ragged_ops.joined_starts(bytes_W, splits_B, row_W)
        word_T, within_word_T = row_labels(tf.range(tf.size(word_W)), piece_splits_W)
        offset_T = tf.gather(start_W, word_T)
        start_T, end_T = spans(index_N, pieces.first, pieces.last)
        labels = tf.gather(number_W, word_T), within_word_T
        of_pieces = piece_members(pieces, start_T + offset_T, end_T + offset_T, labels)
        of_units = start_W, start_W + length_W, start_byte_W, start_byte_W + bytes_W
        piece_splits = tf.gather(piece_splits_W, splits_B)
        return ragged_tokens(of_pieces, piece_splits, of_units, splits_B)

    def _pieces(self, pretokens: Pretokens) -> PretokenPieces:
        """Cut pre-tokens into pieces; one that is too long is made a text that no piece covers."""
        length_P = row_lengths(pretokens.splits)
        encode = tf.raw_ops.UnicodeEncode
        output = pretokens.output
        splits = pretokens.splits
        word_P = encode(input_values=output, input_splits=splits, output_encoding="UTF-8")
        longest = self.settings.max_chars_per_word
        too_long_P = length_P > longest
        word_P = tf.where(too_long_P, self._too_long, word_P)
        cut = load_text_op(WORDPIECE).fast_wordpiece_tokenize_with_offsets
        _, ids, splits, *_ = cut(input_values=word_P, wp_model=self._model)
        ids_T, splits_P = tf.cast(ids, tf.int32), tf.cast(splits, tf.int32)
        length_T = self._lengths(ids_T, splits_P, length_P)
        end_T = tf.cumsum(length_T)
        first_T = tf.gather(pretokens.source, end_T - length_T)
        last_T = tf.gather(pretokens.source, end_T - 1)
        is_first_T = tf.equal(index_in_row(splits_P), 0)
        return PretokenPieces(ids_T, first_T, last_T, is_first_T, splits_P)

    def _lengths(self, ids_T: tf.Tensor, splits_P: tf.Tensor, length_P: tf.Tensor) -> tf.Tensor:
        """Count the code points of each piece; an unknown piece covers its whole pre-token."""
        length_T = tf.gather(self._piece_lengths, ids_T)
        unknown = tf.where(tf.equal(ids_T, self.unk_id))
        index_X = tf.cast(unknown[:, 0], tf.int32)
        pretoken_X = tf.searchsorted(splits_P, index_X, side="right") - 1
        # not alone: a piece that is spelled like the unknown token begins a longer word
        alone_X = tf.equal(tf.gather(row_lengths(splits_P), pretoken_X), 1)
        whole_X = tf.gather(length_P, pretoken_X)
        covered_X = tf.where(alone_X, whole_X, self._piece_lengths[self.unk_id])
        return tf.tensor_scatter_nd_update(length_T, unknown, covered_X)


def piece_members(
    pieces: PretokenPieces, start_T: tf.Tensor, end_T: tf.Tensor, labels: Members
) -> Members:
    """Give the members of Tokens that pieces have, [T]; `labels` are units and indices in them."""
    unit_T, within_unit_T = labels
    first_of_unit_T = tf.equal(within_unit_T, 0)
    return pieces.ids, start_T, end_T, unit_T, first_of_unit_T, pieces.first_of_pretoken


def word_piece_model(vocabulary: tuple[str, ...], settings: TokenizerSettings) -> np.ndarray:
    """Build TF.Text's model of the vocabulary, uint8; this alone needs tensorflow_text's Python."""
    from tensorflow_text import build_fast_wordpiece_model

    try:
        texts = settings.continuing_prefix, settings.unk_token
        longest = max_bytes(settings)
        model = build_fast_wordpiece_model(list(vocabulary), longest, *texts, True, False)
    except RuntimeError as error:
        expected = "expected a vocabulary that TF.Text's WordPiece can hold"
        raise ModelError(f"{expected}, got {len(vocabulary)} pieces: {error}") from error
    return np.frombuffer(model, np.uint8)


def max_bytes(settings: TokenizerSettings) -> int:
    """Bound a word's bytes, which TF.Text counts, so that the limit in characters comes first."""
    return 4 * settings.max_chars_per_word
