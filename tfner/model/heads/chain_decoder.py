"""Decode chains: the best legal sequence under learned transitions, scored by marginals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfner.model.heads.chain import Chains, sum_paths, unit_marginals
from tfner.model.heads.decoder import Decoder
from tfner.model.heads.lines import pad_line, select_columns
from tfner.model.heads.viterbi import (
    FLOOR,
    KnownTags,
    best_chains,
    clean,
    greedy,
    update_runs,
)

# What rounding may have added to a probability, as a share of it and beyond.
SURE, ROUNDING = 0.99, 1e-5


class ChainDecoder(Decoder):
    """Decode with learned transitions besides those that are forbidden.

    The units of a text are one chain, however many windows they were read in. The probability of a
    tag is its marginal: the share of all legal sequences, by their probability, that have it there.

    Args:
        transitions: float32 [K, K], what the tag of the column scores after that of the row.
        decoder_arguments, options: of Decoder; the method "greedy" chooses each unit's most
            probable tag by its marginals.
    """

    def __init__(self, transitions: tf.Variable, *decoder_arguments: Any, **options: Any):
        super().__init__(*decoder_arguments, **options)
        self.transitions = transitions

    def choose(self, log_probs_MK: tf.Tensor, lengths_S: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Choose the tags of S sequences that stand in one line, and give their log marginals.

        `log_probs_MK` is what each unit scores by itself; a number that is added to all tags of a
        unit changes nothing.
        """
        transitions_KK = tf.convert_to_tensor(self.transitions)
        arguments = (log_probs_MK, lengths_S, transitions_KK, *self.allowed)
        sums = sum_sequences(*arguments)
        tags_M = greedy(sums.log_marginals)
        if self.method == "viterbi":
            _, allowed_next, _ = self.allowed
            path_M = path_scores(tags_M, log_probs_MK, lengths_S, transitions_KK, allowed_next)
            is_known_M = are_best(tags_M, path_M, sums, lengths_S)
            tags_M = best_chains(*arguments, known=KnownTags(tags_M, is_known_M))
        return tags_M, sums.log_marginals

    def log_marginals(self, log_probs_MK: tf.Tensor, lengths_B: tf.Tensor) -> tf.Tensor:
        """Compute the marginals of each unit's tags; float32 [M, K]."""
        transitions_KK = tf.convert_to_tensor(self.transitions)
        sums = sum_sequences(log_probs_MK, lengths_B, transitions_KK, *self.allowed)
        return sums.log_marginals


class SequenceSums(NamedTuple):
    """Hold sums over all legal sequences of each row, whose units stand in one line."""

    log_marginals: tf.Tensor  # float32 [M, K], of each unit's tags
    log_norms: tf.Tensor  # float32 [M]; those of a row add up to the log of the sum over all


def sum_sequences(
    scores_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    transitions_KK: tf.Tensor,
    allowed_first: np.ndarray,
    allowed_next: np.ndarray,
    allowed_last: np.ndarray,
) -> SequenceSums:
    """Sum over the legal sequences of each row; float [M, K] in one line, int32 [B].

    What is forbidden scores FLOOR: it is as good as impossible, and no sum is ever empty.

        >>> scores, every = tf.zeros([2, 2]), np.array([True, True])
        >>> may_follow = np.array([[True, False], [True, True]])         # 1 may not follow 0
        >>> arguments = (tf.constant([2]), tf.zeros([2, 2]), every, may_follow, every)
        >>> sums = sum_sequences(scores, *arguments)
        >>> print(tf.exp(sums.log_marginals).numpy().round(2))
        [[0.33 0.67]
         [0.67 0.33]]
        >>> round(float(tf.exp(tf.reduce_sum(sums.log_norms))))          # 00, 10 and 11
        3
    """
    scores_MK = clean(scores_MK)
    transitions_KK = tf.where(allowed_next, transitions_KK, FLOOR)

    def solve(scores_LRK, length_R):
        is_unit_RL = tf.sequence_mask(length_R)
        emissions_RLK = tf.transpose(scores_LRK, [1, 0, 2])
        chains = one_chain_a_row(is_unit_RL)
        emissions_RLK = forbid(emissions_RLK, chains.is_first, allowed_first)
        emissions_RLK = forbid(emissions_RLK, chains.is_last, allowed_last)
        sums = sum_paths(emissions_RLK, transitions_KK, chains)
        marginals_RLK = unit_marginals(sums)
        marginals_LRK = tf.transpose(marginals_RLK, [1, 0, 2])
        log_marginals_LRK = tf.math.log(marginals_LRK)
        log_norm_LR = tf.cast(sums.log_norm, tf.float32)
        log_norm_LR1 = tf.expand_dims(log_norm_LR, -1)
        return tf.concat([log_marginals_LRK, log_norm_LR1], axis=-1)

    has_units_B = lengths_B > 0
    length_S = lengths_B[has_units_B]
    first_S = tf.cumsum(length_S, exclusive=True)
    one_column_M1 = scores_MK[:, :1]
    solved_M = tf.concat([scores_MK, one_column_M1], axis=-1)  # K + 1 columns
    solved_M = update_runs(solve, scores_MK, first_S, length_S, solved_M)
    return SequenceSums(solved_M[:, :-1], solved_M[:, -1])


def path_scores(
    tags_M: tf.Tensor,
    scores_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    transitions_KK: tf.Tensor,
    allowed_next: np.ndarray,
) -> tf.Tensor:
    """Compute what each unit's tag adds to the score of its row's sequence; -> float32 [M].

    >>> scores, transitions = tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.fill([2, 2], 5.0)
    >>> arguments = (scores, tf.constant([2]), transitions, np.ones([2, 2], bool))
    >>> path_scores(tf.constant([0, 1]), *arguments).numpy().tolist()
    [1.0, 9.0]
    """
    transitions_KK = tf.where(allowed_next, transitions_KK, -np.inf)
    own_M = select_columns(clean(scores_MK), tags_M)
    padded_M = pad_line(tags_M, before=1)
    before_M = padded_M[:-1]
    tag_count = len(allowed_next)
    first_pair_M = before_M * tag_count
    pair_M = first_pair_M + tags_M
    of_pairs = tf.reshape(transitions_KK, [-1])
    of_pairs_M = tf.gather(of_pairs, pair_M)
    number_BU = tf.ragged.range(lengths_B)
    is_first_M = number_BU.values == 0
    of_pairs_M = tf.where(is_first_M, 0.0, of_pairs_M)
    return own_M + of_pairs_M


def are_best(
    tags_M: tf.Tensor, path_M: tf.Tensor, sums: SequenceSums, lengths_B: tf.Tensor
) -> tf.Tensor:
    """Tell of which rows the tags are surely the best sequence; bool [M], alike within a row.

    A sequence that differs at a unit is at most as probable as all that differ there together,
    which is 1 less the marginal of the tag. If that is less than the probability of the sequence
    at hand at each of its units, no other can be as good. Most sentences need no search then.

    Args:
        path_M: what each tag adds to the score of the sequence; minus infinity if it is forbidden.
    """
    rows = tf.size(lengths_B)
    number_B = tf.range(rows)
    row_M = tf.repeat(number_B, lengths_B)
    log_share_M = path_M - sums.log_norms
    log_probability_B = tf.math.unsorted_segment_sum(log_share_M, row_M, rows)
    probability_B = tf.exp(log_probability_B)
    bound_B = SURE * probability_B - ROUNDING
    log_marginal_M = select_columns(sums.log_marginals, tags_M)
    others_M = 1.0 - tf.exp(log_marginal_M)
    most_B = tf.math.unsorted_segment_max(others_M, row_M, rows)
    is_best_B = most_B < bound_B
    return tf.gather(is_best_B, row_M)


def one_chain_a_row(is_unit_BU: tf.Tensor) -> Chains:
    """Make the units of each row one chain; bool [B, U].

    >>> chains = one_chain_a_row(tf.constant([[True, True, False]]))
    >>> chains.is_first.numpy().astype(int).tolist()
    [[1, 0, 0]]
    """
    is_later_BU = tf.pad(is_unit_BU, [[0, 0], [1, 0]])[:, :-1]
    return Chains(is_unit_BU, is_unit_BU & tf.logical_not(is_later_BU))


def forbid(scores_BUK: tf.Tensor, marked_BU: tf.Tensor, allowed_K: np.ndarray) -> tf.Tensor:
    """Let tags that are not allowed at marked units score FLOOR."""
    forbidden_K = np.logical_not(allowed_K)
    forbidden_BUK = tf.expand_dims(marked_BU, -1) & forbidden_K
    return tf.where(forbidden_BUK, FLOOR, scores_BUK)
