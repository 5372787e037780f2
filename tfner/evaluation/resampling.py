"""Draw a corpus anew, to learn how far scores would move by chance.

What is drawn is counts of documents: scores need no more. Axes: N documents, D groups of them, S
draws, U kinds of groups, those with the same counts being one kind. A draw costs the number of
kinds, which is small however many documents there are. The counts of a group may have any shape.

A draw that holds nothing to divide by has no score. It is nan here, and counts in no quantile and
no share: as 0 it would say that a system failed where it was not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfner.documents import Document

DRAWN_AT_ONCE = 1 << 22  # numbers in memory: draws × kinds
LEVEL = 0.95  # share of the draws that an interval speaks of
BOUNDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
LEAST_GROUPS = 2


def sum_groups(documents: Sequence[Document], counts_N: np.ndarray) -> np.ndarray:
    """Add up the counts of documents that are one longer document (`Document.group`).

    What is hard in one sentence is often hard in the next, so they are drawn together. A document
    without a group is one by itself.

        >>> documents = [Document("a", group="x"), Document("b"), Document("c", group="x")]
        >>> sum_groups(documents, np.array([[1, 1], [2, 0], [3, 1]])).tolist()
        [[4, 2], [2, 0]]

    Returns:
        int64 [D, ...], in the order in which groups begin.
    """
    rows: dict[str | int, int] = {}
    row_N = []
    for number, document in enumerate(documents):
        group = document.group or number
        row = rows.setdefault(group, len(rows))
        row_N.append(row)
    shape = counts_N.shape[1:]
    sums_D = np.zeros((len(rows), *shape), np.int64)
    np.add.at(sums_D, row_N, counts_N)
    return sums_D


def bootstrap_sums(counts_D: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Draw as many groups as there are, with replacement, and add up the counts of each draw.

    Returns:
        float64 [S, ...] of whole numbers.
    """
    kinds_U, groups_U = np.unique(counts_D, axis=0, return_counts=True)
    groups = len(counts_D)
    share_U = groups_U / groups

    def draw(size: int) -> np.ndarray:
        return random.multinomial(groups, share_U, size)

    return sum_kinds(draw, kinds_U, draws)


def swap_sums(differences_D: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Take each group's difference with probability one half, and add up those of each draw.

    With the differences B - A of two systems this is what A gains, and B loses, where the systems
    are swapped on groups chosen by coin.

    Returns:
        float64 [S, ...] of whole numbers.
    """
    kinds_U, groups_U = np.unique(differences_D, axis=0, return_counts=True)

    def draw(size: int) -> np.ndarray:
        shape = (size, len(groups_U))
        return random.binomial(groups_U, 0.5, shape)

    return sum_kinds(draw, kinds_U, draws)


def sum_kinds(draw: Callable[[int], np.ndarray], kinds_U: np.ndarray, draws: int) -> np.ndarray:
    """Add up the counts of the groups that `draw` gives, int [s, U] of s draws."""
    kinds, *shape = kinds_U.shape
    as_float_U = kinds_U.astype(np.float64)  # BLAS multiplies no integers; exact up to 2**53
    as_float_UC = as_float_U.reshape(kinds, -1)
    blocks = []
    for size in block_sizes(draws, kinds):
        drawn_SU = draw(size)
        blocks.append(drawn_SU @ as_float_UC)
    sums_SC = np.concatenate(blocks)
    return sums_SC.reshape(draws, *shape)


def block_sizes(draws: int, kinds: int) -> Iterator[int]:
    """Cut the draws into blocks that fit into memory.

    >>> list(block_sizes(10, kinds=DRAWN_AT_ONCE // 4))
    [4, 4, 2]
    """
    that_fit = DRAWN_AT_ONCE // max(kinds, 1)
    most = max(that_fit, 1)
    for first in range(0, draws, most):
        left = draws - first
        yield min(most, left)


def f1_of(true: np.ndarray, predicted: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Divide counts of any shape, whole numbers; nan where there is no entity on either side."""
    return divide(2 * correct, true + predicted)


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide counts of one shape; nan where there is nothing to divide by.

    >>> divide(np.array([1, 0, 0]), np.array([2, 2, 0])).tolist()
    [0.5, 0.0, nan]
    """
    fractions = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=fractions, where=denominator > 0)


def chance_without(has_D: np.ndarray) -> float:
    """Compute the chance that a draw has none of the groups that are marked, bool [D].

    >>> chance_without(np.array([True, False, False, False]))
    0.31640625
    """
    groups = len(has_D)
    share = has_D.mean()
    return float(1 - share) ** groups


def bounds_of(
    drawn_S: np.ndarray, groups: int, chance_undefined: float
) -> tuple[float, float] | None:
    """Find the bounds of the share LEVEL of the draws that have a score; None of too few.

    Of all draws no more may lack the score than an interval leaves out, 1 - LEVEL: beyond that its
    bounds hang on what is not there. Entities in three groups are enough, among however many. In
    one group they give the same score in all draws that hold them, which is no certainty. The
    chance decides, not the count, so that another seed gives bounds to the same scores.

    Args:
        drawn_S: float64 [S], nan where there is no score.
        groups: how many were drawn from.
        chance_undefined: that a draw has no score.
    """
    defined_S = drawn_S[~np.isnan(drawn_S)]
    is_rare = chance_undefined > 1 - LEVEL
    if groups < LEAST_GROUPS or is_rare or not defined_S.size:
        return None
    low, high = np.quantile(defined_S, BOUNDS).tolist()
    return low, high
