"""How the rows of a batch are shared out among replicas: each has as many as the others, some of them empty where the rows are too few."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple


class Share(NamedTuple):
    """What one process puts together of every batch: the parts of the replicas from `first` to before `last`, of `replicas` in all."""

    first: int = 0
    last: int = 1
    replicas: int = 1

    def parts(self, rows: int) -> list[slice]:
        """Which of a batch's rows each of the process' replicas works on; sizes differ by one at most."""
        ends = [-(-rows * part // self.replicas) for part in range(self.first, self.last + 1)]
        return [slice(begin, end) for begin, end in pairwise(ends)]

    def rows_each(self, rows: int) -> int:
        """The rows of every replica, empty ones included."""
        return -(-rows // self.replicas)


WHOLE = Share()
