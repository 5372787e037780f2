"""What an epoch needs is worked out in the background while the epoch before it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Ahead(Generic[Result]):
    """`make(epoch)` for one epoch after another; whoever asks for an epoch sets the next one going. Results of earlier ones are let go."""

    def __init__(self, make: Callable[[int], Result], epochs: int):
        self._make = make
        self._epochs = epochs
        self._results: dict[int, Future[Result]] = {}
        self._executor = ThreadPoolExecutor(1, "tfner-ahead")
        self._lock = Lock()

    def __call__(self, epoch: int) -> Result:
        """The result for an epoch; an error of `make` is raised here."""
        with self._lock:
            self._results = {number: result for number, result in self._results.items() if number >= epoch}
            for number in range(epoch, min(epoch + 2, self._epochs)):
                if number not in self._results:
                    self._results[number] = self._executor.submit(self._make, number)
            result = self._results[epoch]
        return result.result()
