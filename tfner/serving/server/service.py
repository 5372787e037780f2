"""Do what REST and gRPC share: find the version, hold a request to its limits, ask the model."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tfner.serving.server.batching import BatchScheduler, ServerBatching
from tfner.serving.server.limits import Deadline, Limits
from tfner.serving.server.model_versions import ModelSpec, ModelVersions, Servable
from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.request_merger import merger_of
from tfner.serving.server.signature import DEFAULT_SIGNATURE, Tensors

NOT_OURS = {"classify": "classification", "regress": "regression"}


class Service:
    """Answer requests with the versions of one model; all but the model is on the event loop."""

    def __init__(self, models: ModelVersions, limits: Limits, batching: ServerBatching):
        self.models = models
        self.limits = limits
        self._batching = batching
        # Schedulers bound how many of its threads they use.
        self._executor = ThreadPoolExecutor(thread_name_prefix="model")

    @contextmanager
    def request(self, spec: ModelSpec) -> Iterator[Servable]:
        """Hold the version that answers, for as long as a request may take."""
        with Deadline(self.limits.seconds), self.models.hold(spec) as servable:
            yield servable

    async def ask(self, servable: Servable, signature: str, inputs: Tensors) -> Tensors:
        """Give the outputs of a signature for checked inputs.

        Raises:
            RequestError: there are too many texts, too many requests wait, or the model refuses
                the inputs.
        """
        self.limits.check_batch(inputs)
        scheduler = servable.schedulers.get(signature)
        if scheduler is None:
            run = partial(servable.run, signature)
            merger = merger_of(servable.signatures[signature])
            scheduler = BatchScheduler(run, merger, self._batching, self._executor)
            servable.schedulers[signature] = scheduler
        return await scheduler.ask(inputs)

    def refuse(self, spec: ModelSpec, method: str, signature: str = "") -> RequestError:
        """Make the error for `classify` and `regress`, which no signature of ours is for."""
        with self.models.hold(spec) as servable:
            found = servable.signatures.get(signature or DEFAULT_SIGNATURE)
        if found is None:
            return invalid(f"No signature was found with the name: {signature}")
        wanted = f"{NOT_OURS[method]} signature method_name to be tensorflow/serving/{method}"
        return invalid(f"Expected {wanted}. Was: {found.method}")

    def close(self) -> None:
        """Let the threads end once the calls that run are done."""
        self._executor.shutdown(wait=False, cancel_futures=True)
