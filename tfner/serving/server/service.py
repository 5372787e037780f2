"""What REST and gRPC both do: find the version, hold a request to its limits, ask the model."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tfner.serving.server.batching import BatchSettings, Caller, merge_of
from tfner.serving.server.limits import Deadline, Limits
from tfner.serving.server.model_versions import ModelSpec, ModelVersions, Servable
from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.signature import DEFAULT_SIGNATURE, Tensors

NOT_OURS = {"classify": "classification", "regress": "regression"}


class Service:
    """Answers requests with the versions of one model; everything but the model itself runs on the event loop."""

    def __init__(self, models: ModelVersions, limits: Limits, batching: BatchSettings):
        self.models = models
        self.limits = limits
        self._batching = batching
        self._executor = ThreadPoolExecutor(
            thread_name_prefix="model"
        )  # callers bound how many of its threads they use

    @contextmanager
    def request(self, spec: ModelSpec) -> Iterator[Servable]:
        """The version that answers, for as long as a request may take."""
        with Deadline(self.limits.seconds), self.models.hold(spec) as servable:
            yield servable

    async def ask(self, servable: Servable, signature: str, inputs: Tensors) -> Tensors:
        """The outputs of a signature for checked inputs.

        Raises:
            RequestError: there are too many rows, too many requests wait, or the model refuses the inputs.
        """
        self.limits.check_rows(inputs)
        caller = servable.callers.get(signature)
        if caller is None:
            run, merge = partial(servable.run, signature), merge_of(servable.signatures[signature])
            caller = servable.callers[signature] = Caller(
                run, merge, self._batching, self._executor
            )
        return await caller.ask(inputs)

    def refuse(self, spec: ModelSpec, method: str, signature: str = "") -> RequestError:
        """The error for `classify` and `regress`, which no signature of ours is for."""
        with self.models.hold(spec) as servable:
            found = servable.signatures.get(signature or DEFAULT_SIGNATURE)
        if found is None:
            return invalid(f"No signature was found with the name: {signature}")
        kind, wanted = NOT_OURS[method], f"tensorflow/serving/{method}"
        return invalid(f"Expected {kind} signature method_name to be {wanted}. Was: {found.method}")

    def close(self) -> None:
        """Let the threads end once the calls that run are done."""
        self._executor.shutdown(wait=False, cancel_futures=True)
