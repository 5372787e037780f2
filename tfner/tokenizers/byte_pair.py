"""Cut text into the ids of a byte-level BPE as RobertaTokenizerFast does, in graph.

The word rule comes first: it finds the units of raw text, as for WordPiece. Each unit, and each
given word, is cut by itself with a space before it, which is how this vocabulary says that a word
begins; so a unit has the same pieces however it came. GPT-2's rule makes pre-tokens of it. The
distinct ones of a batch are cut once: a pre-token that is a piece is looked up, the bytes of the
others are merged. Special pieces written in a text, such as `</s>`, are ordinary text.

All of it is core operations of TensorFlow. Nothing is kept between calls.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
import tokenizers
from tokenizers.models import BPE

from tfner.tokenizers.byte_alphabet import piece_bytes
from tfner.tokenizers.byte_pair_merges import Merger, merge_table
from tfner.tokenizers.byte_pair_model import (
    BYTE_PAIR_FILES,
    BytePairModel,
    ids_by_piece,
    is_byte_pair,
    read_byte_pair,
)
from tfner.tokenizers.byte_pair_pretokens import PretokenRule, mark_begins
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import concat, index_in_row, indices_of, ranges, row_labels
from tfner.tokenizers.registry import register_tokenizer
from tfner.tokenizers.unit_tokens import UnitFinder, UnitPieces, tokenize_words

HASHES = 1 << 62  # numbers that bytes are hashed to; a word is compared too


class CutWords(NamedTuple):
    """Hold the T pieces of V words on end: int32 [T], and their splits, int32 [V + 1]."""

    ids: tf.Tensor
    splits: tf.Tensor


class WholePieces(NamedTuple):
    """Hold the pieces that are cut into themselves, to be looked up by what their bytes hash to.

    At the end of each member is one more, which no word equals.

    Args:
        hashes: int64 [W + 1], ascending.
        pieces: their bytes.
        ids: int32.
    """

    hashes: np.ndarray | tf.Tensor
    pieces: np.ndarray | tf.Tensor
    ids: np.ndarray | tf.Tensor


@register_tokenizer
class BytePairTokenizer(tf.Module):
    """Tokenize as RoBERTa does, by core operations of TensorFlow.

    The span of a piece is that of its unit: a piece may be some bytes of a character.

    Attributes:
        vocabulary: the pieces in the order of their ids, written in GPT-2's alphabet of bytes.
        cls_id, sep_id, pad_id, mask_id: ids of the special pieces.
        unk_id: None, as every byte has a piece.
    """

    files: ClassVar[tuple[str, ...]] = BYTE_PAIR_FILES
    ops: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: BytePairModel):
        super().__init__(name="byte_pair_tokenizer")
        self.vocabulary = model.vocabulary
        self.cls_id, self.sep_id, self.pad_id, self.mask_id = model.special_ids
        self.unk_id: int | None = None
        self._fingerprint = model.fingerprint
        self._units = UnitFinder()
        self._pretokens = PretokenRule()
        table = merge_table(model.merges)
        self._merger = Merger(table)
        whole = whole_pieces(model)
        with tf.device("/CPU:0"):
            self._byte_ids = tf.constant(model.byte_ids)
            self._whole = WholePieces(*map(tf.constant, whole))

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Take a folder that names a class which cuts as GPT-2 does, or holds its files."""
        return is_byte_pair(folder)

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> BytePairTokenizer:
        """Read vocab.json and merges.txt and/or tokenizer.json, and the configurations.

        Raises:
            ModelError: the folder holds no byte-level BPE.
        """
        model = read_byte_pair(Path(folder))
        return cls(model)

    def fingerprint(self) -> str:
        """Hash pieces, merges and special ids: equal if and only if two tokenizers are the same."""
        return self._fingerprint

    def tokenize_text(self, text_B: tf.Tensor) -> Tokens:
        """Tokenize texts, tf.string [B], any bytes; units by the word rule, each with a piece."""
        return self._units.tokenize_text(text_B, self._cut)

    def tokenize_words(self, words_BW: tf.RaggedTensor) -> Tokens:
        """Tokenize given words, tf.string [B, (W)], each alone; unit i is word i."""
        return tokenize_words(words_BW, self._cut)

    def _cut(self, code_N: tf.Tensor, splits: tf.Tensor) -> UnitPieces:
        """Cut U units, given as code points, into pre-tokens, and those into pieces."""
        code_M, marked_splits = mark_begins(code_N, splits)
        begins_M = self._pretokens(code_M, marked_splits)
        begin_P = indices_of(begins_M)
        code_count = tf.shape(code_M)
        pretoken_splits = concat(begin_P, code_count)
        encode = tf.raw_ops.UnicodeEncode
        word_P = encode(input_values=code_M, input_splits=pretoken_splits, output_encoding="UTF-8")
        cut = self._cut_words(word_P)
        within_T = index_in_row(cut.splits)
        first_T = tf.equal(within_T, 0)
        pretoken_U = tf.searchsorted(begin_P, marked_splits)
        unit_splits = tf.gather(cut.splits, pretoken_U)
        return UnitPieces(cut.ids, unit_splits, first_T)

    def _cut_words(self, word_P: tf.Tensor) -> CutWords:
        """Cut words of one byte at least, each distinct one once."""
        distinct = tf.raw_ops.Unique(x=word_P, out_idx=tf.int32)
        word_V = distinct.y
        distinct_P = distinct.idx
        whole = self._whole
        hash_V = hash_words(word_V)
        nearest_V = tf.searchsorted(whole.hashes, hash_V)
        piece_V = tf.gather(whole.pieces, nearest_V)
        is_other_V = tf.not_equal(piece_V, word_V)
        others = indices_of(is_other_V)
        other = tf.gather(word_V, others)
        merged = self._merge(other)
        # the pieces of a word lie on end: first those that are words, then the merged ones
        word_count = tf.size(word_V)
        whole_ids = tf.gather(whole.ids, nearest_V)
        ids = concat(whole_ids, merged.ids)
        merged_splits = word_count + merged.splits
        at = tf.expand_dims(others, 1)
        whole_V = tf.range(word_count)
        begin_V = tf.tensor_scatter_nd_update(whole_V, at, merged_splits[:-1])
        end_V = tf.tensor_scatter_nd_update(whole_V + 1, at, merged_splits[1:])
        begin_P = tf.gather(begin_V, distinct_P)
        end_P = tf.gather(end_V, distinct_P)
        splits, index_T = ranges(begin_P, end_P)
        ids_T = tf.gather(ids, index_T)
        return CutWords(ids_T, splits)

    def _merge(self, word_V: tf.Tensor) -> CutWords:
        """Cut words that are no pieces, byte by byte."""
        # in Latin-1 each byte is one character
        decoded = tf.raw_ops.UnicodeDecode(input=word_V, input_encoding="ISO-8859-1")
        splits = tf.cast(decoded.row_splits, tf.int32)
        byte_S = decoded.char_values
        piece_S = tf.gather(self._byte_ids, byte_S)
        word_count = tf.size(word_V)
        words = tf.range(word_count)
        word_S, _ = row_labels(words, splits)
        ids_T, word_T = self._merger(piece_S, word_S)
        borders = tf.range(word_count + 1)
        splits_V = tf.searchsorted(word_T, borders)
        return CutWords(ids_T, splits_V)


def hash_words(word_V: tf.Tensor) -> tf.Tensor:
    """Hash words to numbers below HASHES: int64 [V]."""
    return tf.raw_ops.StringToHashBucketFast(input=word_V, num_buckets=HASHES)


def whole_pieces(model: BytePairModel) -> WholePieces:
    """Tabulate the pieces that are cut into themselves; most pre-tokens of a text are one.

    A merge may make a piece of which other merges do not leave anything, so Hugging Face's BPE is
    asked about each.
    """
    products = model.merges[:, 2]
    made = np.unique([*model.byte_ids, *products])
    pieces = [model.vocabulary[number] for number in made]
    oracle = hugging_face_model(model)
    encode = tokenizers.Tokenizer(oracle).encode_batch
    is_whole = [len(encoding.ids) == 1 for encoding in encode(pieces)]
    ids = made[is_whole]
    contents = [piece_bytes(piece) for piece in itertools.compress(pieces, is_whole)]
    with tf.device("/CPU:0"):
        hashed = hash_words(tf.constant(contents))
    hashes = hashed.numpy()
    order = np.argsort(hashes)
    hashes = np.append(hashes[order], HASHES)
    ids = np.append(ids[order], 0)
    texts = np.array([*contents, b""], object)
    last_too = np.append(order, -1)
    return WholePieces(hashes, texts[last_too], ids.astype(np.int32))


def hugging_face_model(model: BytePairModel) -> BPE:
    """Build Hugging Face's BPE of the same pieces and merges."""
    pieces = model.vocabulary
    ids = ids_by_piece(pieces)
    numbers = model.merges.tolist()
    merges = [(pieces[left], pieces[right]) for left, right, _ in numbers]
    return BPE(ids, merges)
