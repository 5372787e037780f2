"""Give the batches of one epoch after another, from wherever a training begins or is resumed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

import tensorflow as tf

from tfner.data.batching.collate import Batch, dataset_of
from tfner.data.batching.prefetch import EpochPrefetcher
from tfner.data.batching.replica_range import ONE_REPLICA, ReplicaRange


class Order(NamedTuple):
    """Say what the order of an epoch follows from, and the first step of it that is given."""

    drawn: Any
    first_step: int


class EpochBatches(ABC):
    """Batch windows, epoch by epoch.

    `members` are those of x, `steps_per_epoch` counts the batches of an epoch. With soft labels, of
    `soft_tags` tags, x has two members more: see `scatter_soft_labels`.
    """

    members: tuple[str, ...]
    soft_tags: int | None = None
    steps_per_epoch: int

    @abstractmethod
    def shape(self, replicas: ReplicaRange) -> tuple[int | None, int | None]:
        """Give the shape of every tensor of a replica's rows of a batch."""

    @abstractmethod
    def draw(self, epoch: int) -> Any:
        """Work out what the order of an epoch follows from."""

    @abstractmethod
    def collate(self, orders: Iterable[Order], replicas: ReplicaRange) -> Iterator[Batch]:
        """Collate the batches of some epochs, each from its first step on."""

    def training(
        self,
        epochs: int,
        first_epoch: int = 0,
        first_step: int = 0,
        replicas: ReplicaRange = ONE_REPLICA,
    ) -> tf.data.Dataset:
        """Give all batches from a step of `first_epoch` on, each epoch in its own order.

        Of each batch come the rows of every replica in `replicas`, one replica after the other.
        """

        def stream() -> Iterator[Batch]:
            drawn = EpochPrefetcher(self.draw, epochs)
            steps = chain([first_step], repeat(0))
            numbers = range(first_epoch, epochs)
            return self.collate(map(Order, map(drawn, numbers), steps), replicas)

        return dataset_of(stream, self.members, self.shape(replicas), self.soft_tags)
