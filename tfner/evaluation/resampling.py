"""Draw a corpus anew, to learn how far scores would move by chance.

What is drawn is counts of documents: scores need no more. Axes: N documents, D groups of them, S
draws, U kinds of groups, those with the same counts being one kind. A draw costs the number of
kinds, which is small however many documents there are. The counts of a group may have any shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfner.documents import Document

DRAWN_AT_ONCE = 1 << 22  # numbers in memory: draws × kinds


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
    """Divide counts of any shape, whole numbers; 0 where there is no entity on either side."""
    entities = true + predicted
    return 2 * correct / np.maximum(entities, 1)
