"""Find the spans of units, and put what is known of pieces and units into rows, a text each."""

from __future__ import annotations

import tensorflow as tf

from tfner.tokenizers.pretokens import Characters, Pretokens
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import concat, indices_of

Members = tuple[tf.Tensor, ...]


def unit_characters(
    characters: Characters, pretokens: Pretokens, pretoken_U: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Find the first and last character of each unit, given its first pre-token; int32 [U] each.

    Stripped accents that follow a unit belong to it.
    """
    pretoken_count = tf.shape(pretokens.first)
    next_U = concat(pretoken_U[1:], pretoken_count)[: tf.size(pretoken_U)]
    last_U = tf.gather(pretokens.last, next_U - 1)
    stripped_N = pretokens.stripped_mark
    splits_B = characters.splits

    def pass_marks() -> tf.Tensor:
        kept_N = tf.logical_not(stripped_N)
        kept = indices_of(kept_N)
        borders = concat(kept, splits_B)
        stops = tf.sort(borders)
        next_stop_U = tf.searchsorted(stops, last_U, side="right")
        return tf.gather(stops, next_stop_U) - 1

    any_stripped = tf.reduce_any(stripped_N)
    last_U = tf.cond(any_stripped, pass_marks, lambda: last_U)
    return tf.gather(pretokens.first, pretoken_U), last_U


def character_byte_ends(characters: Characters, length_B: tf.Tensor) -> tf.Tensor:
    """Give the byte at which the character before each ends: this one's begin, or the text's end.

    Returns:
        int64 [N + 1].
    """
    begins = concat(characters.byte, [0])
    ends_B = tf.cast(length_B, tf.int64)
    return tf.tensor_scatter_nd_max(begins, characters.splits[1:, None], ends_B)


def spans(index_N: tf.Tensor, first_X: tf.Tensor, last_X: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Give start and end of what goes from a first to a last character; int32 [X] each."""
    return tf.gather(index_N, first_X), tf.gather(index_N, last_X) + 1


def ragged_tokens(
    of_pieces: Members, piece_splits: tf.Tensor, of_units: Members, unit_splits: tf.Tensor
) -> Tokens:
    """Put the members of Tokens, in order, into rows, a text each."""
    members = []
    for values, splits in (of_pieces, piece_splits), (of_units, unit_splits):
        splits = tf.cast(splits, tf.int64)
        members += [
            tf.RaggedTensor.from_row_splits(flat, splits, validate=False) for flat in values
        ]
    return Tokens(*members)
