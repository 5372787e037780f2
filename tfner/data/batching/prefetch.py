"""Work out what an epoch needs in the background while the epoch before it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class EpochPrefetcher(Generic[Result]):
    """Call `make(epoch)` for one epoch after another.

    Whoever gets an epoch's result starts the next one; results of earlier epochs are let go.

        >>> squares = EpochPrefetcher(lambda epoch: epoch**2, epochs=4)
        >>> [squares(epoch) for epoch in range(1, 4)]
        [1, 4, 9]
    """

    def __init__(self, make: Callable[[int], Result], epochs: int):
        self._make = make
        self._epochs = epochs
        self._results: dict[int, Future[Result]] = {}
        self._lock = Lock()

    def __call__(self, epoch: int) -> Result:
        """Wait for the result of an epoch; an error of `make` is raised here."""
        started = self._start(epoch)
        result = started.result()
        if epoch + 1 < self._epochs:
            self._start(epoch + 1)
        return result

    def _start(self, epoch: int) -> Future[Result]:
        """Start an epoch's thread unless it was started before."""
        with self._lock:
            for earlier in [number for number in self._results if number < epoch - 1]:
                del self._results[earlier]
            if epoch not in self._results:
                result = Future()
                self._results[epoch] = result
                name = f"epoch-{epoch}"
                Thread(target=self._work, args=(epoch, result), name=name, daemon=True).start()
            return self._results[epoch]

    def _work(self, epoch: int, result: Future[Result]) -> None:
        """Run `make` in the thread and hand over its result or its error."""
        try:
            made = self._make(epoch)
            result.set_result(made)
        except BaseException as error:
            result.set_exception(error)
