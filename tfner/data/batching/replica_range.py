"""Divide the rows of a batch among replicas: each has as many as the others, some of them empty."""

from __future__ import annotations

from itertools import pairwise, starmap
from typing import NamedTuple


class ReplicaRange(NamedTuple):
    """Name the replicas that one process feeds: `first` to before `last`, of `replicas` in all."""

    first: int = 0
    last: int = 1
    replicas: int = 1

    def slices(self, rows: int) -> list[slice]:
        """Give each of the process' replicas its rows of a batch; sizes differ by one at most.

        >>> ReplicaRange(0, 3, 3).slices(7)
        [slice(0, 3, None), slice(3, 5, None), slice(5, 7, None)]
        >>> ReplicaRange(2, 3, 3).slices(7)
        [slice(5, 7, None)]
        """
        replicas = range(self.first, self.last + 1)
        ends = [-(-rows * replica // self.replicas) for replica in replicas]
        borders = pairwise(ends)
        return list(starmap(slice, borders))

    def rows_each(self, rows: int) -> int:
        """Count the rows of every replica, empty ones included.

        >>> ReplicaRange(0, 3, 3).rows_each(7)
        3
        """
        return -(-rows // self.replicas)


ONE_REPLICA = ReplicaRange()
