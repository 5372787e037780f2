"""What an epoch needs is worked out in the background while the epoch before it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Ahead(Generic[Result]):
    """`make(epoch)` for one epoch after another; whoever gets an epoch's sets the next one going. Those of earlier epochs are let go."""

    def __init__(self, make: Callable[[int], Result], epochs: int):
        self._make = make
        self._epochs = epochs
        self._results: dict[int, Future[Result]] = {}
        self._lock = Lock()

    def __call__(self, epoch: int) -> Result:
        """The result for an epoch; an error of `make` is raised here."""
        result = self._start(epoch).result()
        if epoch + 1 < self._epochs:
            self._start(epoch + 1)
        return result

    def _start(self, epoch: int) -> Future[Result]:
        with self._lock:
            self._results = {
                number: result for number, result in self._results.items() if number >= epoch - 1
            }
            if epoch not in self._results:
                result = self._results[epoch] = Future()
                Thread(
                    target=self._work, args=(epoch, result), name=f"epoch-{epoch}", daemon=True
                ).start()
            return self._results[epoch]

    def _work(self, epoch: int, result: Future[Result]) -> None:
        try:
            result.set_result(self._make(epoch))
        except BaseException as error:
            result.set_exception(error)
