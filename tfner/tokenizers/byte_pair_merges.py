"""Merge the bytes of words into pieces by the ranks of merges, all words at once, in graph.

BPE merges the pair of least rank in a word, over and over, the leftmost first. One merge at a time
would take as many turns of a loop as the longest word has letters. So ranks are parted into rounds:
no merge of a round makes a piece that another one of it, or one before it, joins on. Within a round
then no pair comes up that was not there at its begin; of the pairs that are there each is merged
that has a lower rank than both its neighbours, all in one turn. GPT-2's 50,000 merges are 121
rounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.tokenizers.ragged_ops import concat, indices_of

ID_BITS = 32
NO_KEY = np.iinfo(np.int64).max
NOWHERE = -2  # an index that is no neighbour of another


class MergeTable(NamedTuple):
    """Hold merges to be looked up by pair; R of them, and at the end one more that is never made.

    Args:
        keys: int64 [R + 1], pairs of ids as one number each, ascending.
        ranks: int32 [R + 1], the rank of each.
        products: int32 [R + 1], by rank, the piece that comes out.
        round_ends: int32 [R + 1], by rank, the least rank of the round after its own.
        lone: bool [R + 1], by rank, the piece that comes out is joined on by a merge of lower rank,
            so that one merge at a time is made.
    """

    keys: np.ndarray | tf.Tensor
    ranks: np.ndarray | tf.Tensor
    products: np.ndarray | tf.Tensor
    round_ends: np.ndarray | tf.Tensor
    lone: np.ndarray | tf.Tensor


def merge_table(merges: np.ndarray) -> MergeTable:
    """Tabulate merges, int32 [R, 3]: by rank the ids of left piece, right piece and both joined.

    Of `a b`, `c d`, `ab c` the third joins on what the first makes:

    >>> table = merge_table(np.array([[0, 1, 4], [2, 3, 5], [4, 2, 6]], np.int32))
    >>> table.round_ends.tolist(), table.lone.tolist()
    ([2, 2, 3, 0], [False, False, False, False])
    """
    columns = merges.astype(np.int64)
    left_R, right_R, product_R = columns.T
    upper_R = left_R << ID_BITS
    key_R = upper_R | right_R
    order = np.argsort(key_R)
    lone_R = joined_before(merges)
    end_R = round_ends(merges, lone_R)
    return MergeTable(
        keys=np.append(key_R[order], NO_KEY),
        ranks=np.append(order, len(merges)).astype(np.int32),
        products=np.append(product_R, 0).astype(np.int32),
        round_ends=np.append(end_R, 0).astype(np.int32),
        lone=np.append(lone_R, False),
    )


def joined_before(merges: np.ndarray) -> np.ndarray:
    """Tell which merges make a piece that a merge of lower rank joins on: [R, 3] -> bool [R]."""
    count = len(merges)
    left_R, right_R, product_R = merges.T
    rank_R = np.arange(count)
    piece_count = merges.max(initial=0) + 1
    first_use = np.full(piece_count, count)
    np.minimum.at(first_use, left_R, rank_R)
    np.minimum.at(first_use, right_R, rank_R)
    return first_use[product_R] < rank_R


def round_ends(merges: np.ndarray, lone_R: np.ndarray) -> np.ndarray:
    """Find the end of the round that each merge is of; a lone one is a round: [R, 3] -> [R]."""
    borders = []
    made: set[int] = set()
    after_lone = False
    for rank, (left, right, product) in enumerate(merges.tolist()):
        lone = lone_R[rank]
        if lone or after_lone or left in made or right in made:
            borders.append(rank)
            made.clear()
        made.add(product)
        after_lone = lone
    count = len(merges)
    borders.append(count)
    rank_R = np.arange(count)
    next_R = np.searchsorted(borders, rank_R, side="right")
    border_E = np.array(borders)
    return border_E[next_R]


class Merger(tf.Module):
    """Hold a table of merges and apply it."""

    def __init__(self, table: MergeTable):
        super().__init__(name="merger")
        self._never = len(table.keys) - 1  # a rank above all
        self._any_lone = bool(np.any(table.lone))
        with tf.device("/CPU:0"):
            self._table = MergeTable(*map(tf.constant, table))

    def __call__(self, piece_S: tf.Tensor, word_S: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Merge the pieces of words on end; every word has one at least.

        >>> merger = Merger(merge_table(np.array([[0, 1, 4], [4, 2, 6]], np.int32)))
        >>> pieces, words = merger(tf.constant([0, 1, 2, 0, 1, 1]), tf.constant([0, 0, 0, 1, 1, 1]))
        >>> pieces.numpy().tolist(), words.numpy().tolist()
        ([6, 4, 1], [0, 1, 1])

        Args:
            piece_S: int32, ids of bytes.
            word_S: int32, the number of the word that each is of: 0, 1, ... without a gap.
        """

        def unfinished(_piece_S: tf.Tensor, _word_S: tf.Tensor, rank_S: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(rank_S < self._never)

        rank_S = self._rank(piece_S, word_S)
        start = piece_S, word_S, rank_S
        any_size = tf.TensorShape([None])
        shapes = (any_size,) * 3
        merged = tf.while_loop(unfinished, self._turn, start, shape_invariants=shapes)
        return merged[0], merged[1]

    def _turn(
        self, piece_S: tf.Tensor, word_S: tf.Tensor, rank_S: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Make all merges of each word's first round that no neighbour hinders."""
        table = self._table
        least_W = tf.math.segment_min(rank_S, word_S)
        end_W = tf.gather(table.round_ends, least_W)
        in_round_S = rank_S < tf.gather(end_W, word_S)
        at_C = indices_of(in_round_S)
        rank_C = tf.gather(rank_S, at_C)
        chosen_C = choose(at_C, rank_C, self._never)
        if self._any_lone:
            word_C = tf.gather(word_S, at_C)
            word_before_C = concat([-1], word_C[:-1])
            first_C = tf.not_equal(word_C, word_before_C)
            lone_C = tf.gather(table.lone, rank_C)
            chosen_C = tf.where(lone_C, first_C, chosen_C)
        chosen = indices_of(chosen_C)
        at_D, rank_D = tf.gather(at_C, chosen), tf.gather(rank_C, chosen)
        product_D = tf.gather(table.products, rank_D)
        left_D = tf.expand_dims(at_D, 1)
        piece_S = tf.tensor_scatter_nd_update(piece_S, left_D, product_D)
        stays_S = tf.ones_like(piece_S, tf.bool)
        goes_D = tf.zeros_like(at_D, tf.bool)
        stays_S = tf.tensor_scatter_nd_update(stays_S, left_D + 1, goes_D)
        staying = indices_of(stays_S)
        piece_S = tf.gather(piece_S, staying)
        word_S = tf.gather(word_S, staying)
        rank_S = self._rank(piece_S, word_S)
        return piece_S, word_S, rank_S

    def _rank(self, piece_S: tf.Tensor, word_S: tf.Tensor) -> tf.Tensor:
        """Look up the rank of each piece and the one after it in its word: int32 [S] -> [S]."""
        wide_S = tf.cast(piece_S, tf.int64)
        following_S = wide_S[1:]
        right_S = concat(following_S, [0])
        following_word_S = word_S[1:]
        next_word_S = concat(following_word_S, [-1])
        left_S = tf.bitwise.left_shift(wide_S, ID_BITS)
        key_S = left_S | right_S
        table = self._table
        found_S = tf.searchsorted(table.keys, key_S)
        found_key_S = tf.gather(table.keys, found_S)
        is_pair_S = tf.equal(word_S, next_word_S)
        is_known_S = tf.equal(found_key_S, key_S)
        is_merge_S = is_pair_S & is_known_S
        rank_S = tf.gather(table.ranks, found_S)
        return tf.where(is_merge_S, rank_S, self._never)


def choose(at_C: tf.Tensor, rank_C: tf.Tensor, never: int) -> tf.Tensor:
    """Choose pairs of which none touches another, each of lower rank than its neighbours.

    Of a row of equal pairs, as of `aaaa`, each second one is chosen, from the left:

    >>> choose(tf.constant([0, 1, 2, 5, 6]), tf.constant([3, 3, 3, 8, 7]), 9).numpy().tolist()
    [True, False, True, False, True]

    Args:
        at_C: int32, where the left piece of each stands, ascending.
        rank_C: int32, their ranks.
        never: a rank above all.

    Returns:
        bool [C].
    """
    all_but_last = at_C[:-1]
    before_C = concat([NOWHERE], all_but_last)
    after_before_C = before_C + 1
    touches_C = tf.equal(at_C, after_before_C)
    next_touches = touches_C[1:]
    touched_C = concat(next_touches, [False])
    left_C = tf.where(touches_C, concat([never], rank_C[:-1]), never)
    right_C = tf.where(touched_C, concat(rank_C[1:], [never]), never)
    begins_C = tf.not_equal(rank_C, left_C)
    begin_E = indices_of(begins_C)
    begin_number_C = tf.cast(begins_C, tf.int32)
    run_C = tf.cumsum(begin_number_C) - 1
    begin_C = tf.gather(begin_E, run_C)
    pair_count = tf.size(at_C)
    pairs = tf.range(pair_count)
    within_C = pairs - begin_C
    odd_C = within_C & 1
    is_even_C = tf.equal(odd_C, 0)
    # the neighbour before a run takes its first piece, and then every second one is another
    before_left_C = rank_C < left_C
    free_C = tf.gather(before_left_C, begin_C)
    before_right_C = rank_C <= right_C
    return is_even_C & free_C & before_right_C
