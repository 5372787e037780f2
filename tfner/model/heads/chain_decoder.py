"""Decode chains: the best legal sequence under learned transitions, scored by marginals."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfner.model.heads.chain import Chains, sum_paths, unit_marginals
from tfner.model.heads.decoder import Decoded, Decoder
from tfner.model.heads.viterbi import FLOOR, best_chains, clean, greedy, update_runs


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

    def __call__(self, log_probs_MK: tf.Tensor, lengths_B: tf.Tensor) -> Decoded:
        """Decode B rows that stand in one line; float [M, K], int32 [B].

        `log_probs_MK` is what each unit scores by itself; a number that is added to all tags of a
        unit changes nothing.
        """
        transitions_KK = tf.convert_to_tensor(self.transitions)
        log_marginals_MK = self.log_marginals(log_probs_MK, lengths_B)
        if self.method == "viterbi":
            tags_M = best_chains(log_probs_MK, lengths_B, transitions_KK, *self.allowed)
        else:
            tags_M = greedy(log_marginals_MK)
        return self.read(tags_M, log_marginals_MK, lengths_B)

    def log_marginals(self, log_probs_MK: tf.Tensor, lengths_B: tf.Tensor) -> tf.Tensor:
        """Compute the marginals of each unit's tags; float32 [M, K]."""
        transitions_KK = tf.convert_to_tensor(self.transitions)
        return log_marginals(log_probs_MK, lengths_B, transitions_KK, *self.allowed)


def log_marginals(
    scores_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    transitions_KK: tf.Tensor,
    allowed_first: np.ndarray,
    allowed_next: np.ndarray,
    allowed_last: np.ndarray,
) -> tf.Tensor:
    """Compute log probabilities of each unit's tags over all legal sequences of its row.

    float [M, K] in one line, int32 [B] -> float32 [M, K]. What is forbidden scores FLOOR: it is as
    good as impossible, and no sum is ever empty.

        >>> scores, every = tf.zeros([2, 2]), np.array([True, True])
        >>> may_follow = np.array([[True, False], [True, True]])         # 1 may not follow 0
        >>> arguments = (tf.constant([2]), tf.zeros([2, 2]), every, may_follow, every)
        >>> print(tf.exp(log_marginals(scores, *arguments)).numpy().round(2))
        [[0.33 0.67]
         [0.67 0.33]]
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
        log_marginals_RLK = tf.math.log(unit_marginals(sums))
        return tf.transpose(log_marginals_RLK, [1, 0, 2])

    has_units_B = lengths_B > 0
    length_S = lengths_B[has_units_B]
    first_S = tf.cumsum(length_S, exclusive=True)
    return update_runs(solve, scores_MK, first_S, length_S, scores_MK)


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
