"""Tell how unsure a model is of the entities of a text, from the probabilities of its tags."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

LEAST_ENTITY = 0.05  # probability of an entity that makes a unit worth a look
ORDINARY = 20  # units of a text at which a long one and a short one count as much


class Spot(NamedTuple):
    """Hold a run of units that may be an entity.

    first, last: units, half-open.
    doubt: in [0, 1]; the least certain unit's chance that another tag is right.
    """

    first: int
    last: int
    doubt: float


def find_spots(probabilities: np.ndarray) -> list[Spot]:
    """Find the runs of units of which a model thinks that they may be in an entity.

    >>> sure, unsure, outside = [0.02, 0.98, 0.0], [0.3, 0.6, 0.1], [1.0, 0.0, 0.0]
    >>> for spot in find_spots(np.array([sure, outside, unsure, unsure, outside])):
    ...     print(spot.first, spot.last, round(spot.doubt, 2))
    0 1 0.02
    2 4 0.4

    Args:
        probabilities: [U, K] of each tag, O the first; zeros for a unit that the model does not
            see.
    """
    said_UK = probabilities.astype(np.float64)
    is_seen = said_UK.sum(axis=1) > 0
    is_inside = is_seen & (said_UK[:, 0] < 1 - LEAST_ENTITY)
    doubts = 1 - said_UK.max(axis=1, initial=0.0)
    spots = []
    for inside, run in groupby(enumerate(is_inside.tolist()), key=lambda item: item[1]):
        if inside:
            rows = [row for row, _ in run]
            first, last = rows[0], rows[-1] + 1
            doubt = float(doubts[first:last].max())
            spots.append(Spot(first, last, doubt))
    return spots


def weigh_length(units: int) -> float:
    """Divide by this what a text has to teach, so that long texts do not always win.

    A person reads a text of twice the length in less than twice the time, so it is the square root
    of its length, and of short texts hardly less than that of an ordinary one.

    >>> [round(weigh_length(units), 2) for units in (0, 20, 180)]
    [0.71, 1.0, 2.24]
    """
    return ((units + ORDINARY) / (2 * ORDINARY)) ** 0.5
