"""Measure how far scores are from the share of entities that is right (expected calibration error).

Of entities that score 0.8 eight in ten should be right. The error is the mean distance between
score and share over bins of like score (Naeini et al. 2015). Few entities are off by chance, so
what perfect scores would show is said beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document, Entity

MOST_BINS = 15
ENTITIES_IN_BIN = 100  # fewer, and chance alone moves their share by more than 4 points


KINDS = (np.float64, bool, np.int64, str)  # of the columns of Judged


class Judged(NamedTuple):
    """Hold N predicted entities that were compared with gold ones."""

    score: np.ndarray  # float64 [N]
    right: np.ndarray  # bool [N]: span and type are a gold entity's
    document: np.ndarray  # int64 [N], a number for each document, or group of documents
    label: np.ndarray  # str [N]


class Bin(NamedTuple):
    """Hold entities of like score."""

    entities: int
    score: float  # mean
    right: float  # share


class Reliability(NamedTuple):
    """Compare scores of entities with the share that is right; fractions in [0, 1].

    `ece` is the mean over entities of the distance in their bin. `by_chance` is what it would be on
    average if each score were exactly the chance of being right.
    """

    entities: int
    ece: float
    by_chance: float
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the numbers by name, for JSON."""
        return {**self._asdict(), "bins": [one._asdict() for one in self.bins]}


def judge(documents: Sequence[Document], predicted: Sequence[Sequence[Entity]]) -> Judged:
    """Tell which predicted entities are right, as `score_entities` counts them.

    >>> gold = Document("Bo left Oslo", (Entity(0, 2, "PER"),))
    >>> found = [Entity(0, 2, "PER", 0.9), Entity(8, 12, "LOC", 0.6)]
    >>> judge([gold], [found]).right.tolist()
    [True, False]
    """
    rows = []
    groups: dict[str | int, int] = {}
    for position, (document, found) in enumerate(zip(documents, predicted, strict=True)):
        group = document.group or position
        number = groups.setdefault(group, len(groups))
        left = Counter(entity.key for entity in document.entities)
        for entity in found:
            key = entity.key
            is_right = left[key] > 0
            left[key] -= 1
            rows.append((entity.score, is_right, number, entity.label))
    columns = zip(*rows, strict=True) if rows else [()] * len(KINDS)
    arrays = map(np.array, columns, KINDS)
    return Judged(*arrays)


def measure_reliability(score: np.ndarray, right: np.ndarray) -> Reliability:
    """Compare scores with shares in bins of equally many entities; float [N], bool [N].

    There are as many bins as leave ENTITIES_IN_BIN in each, at least one and at most MOST_BINS.

        >>> found = measure_reliability(np.array([0.875, 0.625]), np.array([True, False]))
        >>> found.ece, found.bins
        (0.25, (Bin(entities=2, score=0.75, right=0.5),))
    """
    entities = len(score)
    if not entities:
        return Reliability(0, 0.0, 0.0, ())
    count = np.clip(entities // ENTITIES_IN_BIN, 1, MOST_BINS)
    order = np.argsort(score, kind="stable")
    bins = []
    distance, by_chance = 0.0, 0.0
    for members in np.array_split(order, count):
        scores = score[members]
        rights = right[members]
        one = Bin(len(members), scores.mean().item(), rights.mean().item())
        bins.append(one)
        difference = scores - rights
        distance += abs(difference.sum())
        # The sum of coins that fall with these chances is nearly normal around their sum.
        variances = scores * (1 - scores)
        variance = variances.sum()
        by_chance += np.sqrt(variance * 2 / np.pi)
    ece = distance / entities
    by_chance = by_chance / entities
    return Reliability(entities, float(ece), float(by_chance), tuple(bins))
