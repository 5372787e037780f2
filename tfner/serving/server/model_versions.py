"""Follow a model's folder: which versions it holds, which are loaded, which answers a request."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from tfner.exceptions import ModelError
from tfner.serving.server.request_error import invalid, not_found
from tfner.serving.server.signature import ServedSignature, Tensors

logger = logging.getLogger(__name__)
COLLECT_AFTER = 1.0  # seconds
State = Literal["LOADING", "AVAILABLE", "UNLOADING", "END"]
Labels = Mapping[str, int]  # label -> version
Find = Callable[[], Mapping[int, Path]]  # the folders of versions, looked for now


class Runner(Protocol):
    """Answer the signatures of a loaded version; several threads may ask."""

    def run(self, signature: str, inputs: Tensors) -> Tensors:
        """Give the outputs of a signature, by name, for checked inputs.

        Raises:
            RequestError: the graph refuses them.
        """
        ...

    def close(self) -> None:
        """Free the model, once those who ask it now have their answers."""


def nothing_to_free() -> None:
    """Leave the model to the garbage collector."""


@dataclass(eq=False)
class Servable:
    """Hold a loaded version.

    `definitions` are its signatures in TensorFlow's own message, which only the metadata need;
    `close` is called when the version is no longer served.
    """

    version: int
    signatures: Mapping[str, ServedSignature]
    definitions: Mapping[str, Any]
    run: Callable[[str, Tensors], Tensors]
    close: Callable[[], None] = nothing_to_free
    schedulers: dict[str, Any] = field(default_factory=dict)  # a BatchScheduler a signature
    requests: int = 0  # being answered now


class ModelSpec(NamedTuple):
    """Name the model that a request means: its newest version, one version, or a label's."""

    name: str
    version: int | None = None
    label: str | None = None


class VersionStatus(NamedTuple):
    """Say how a version does, as GetModelStatus reports it; `error` is empty if all went well."""

    version: int
    state: State
    error: str = ""


Load = Callable[[Path, int], Servable]


class ModelVersions:
    """Serve the versions that a folder holds.

    `poll` loads what is new, whole and beside the old, and only then turns requests to it.
    """

    def __init__(self, name: str, find: Find, load: Load, labels: Labels | None = None):
        self.name = name
        self._find = find
        self._load = load
        self._labels = dict(labels or {})
        self._served: dict[int, Servable] = {}
        self._retired: dict[int, Servable] = {}
        self._status: dict[int, VersionStatus] = {}
        self._failed: dict[int, object] = {}  # version -> what its files were when it failed

    async def poll(self) -> None:
        """Load what the folder has that is wanted, then let go of what is not; look once.

        A version that fails changes nothing.
        """
        found = await asyncio.to_thread(self._find)
        # Without any the folder is being moved, or its file system is away: better the old model.
        if not found:
            return
        newest = max(found)
        wanted = {newest, *self._labels.values()} & set(found)
        for version in sorted(wanted - set(self._served)):
            await self._bring_up(version, found[version])
        if newest in self._served:
            for version in set(self._served) - wanted:
                self._retire(version)

    async def start(self) -> None:
        """Look for the first time.

        Raises:
            ModelError: no version could be loaded, or a label names one that could not.
        """
        await self.poll()
        for label, version in self._labels.items():
            if version in self._served:
                continue
            if version in self._status:
                raise ModelError(self._status[version].error)
            missing = f"there is no version {version} of {self.name}"
            raise ModelError(f"label {label}={version}: {missing}")
        if not self._served:
            for status in self._status.values():
                raise ModelError(status.error)
            raise ModelError(f"{self.name}: expected numbered versions of a SavedModel, found none")

    @contextmanager
    def hold(self, spec: ModelSpec) -> Iterator[Servable]:
        """Hold the version that answers a request.

        It stays until the request is done, even if a newer one answers others meanwhile.

        Raises:
            RequestError: there is no such model, version or label.
        """
        servable = self._resolve(spec)
        servable.requests += 1
        try:
            yield servable
        finally:
            servable.requests -= 1
            self._end_if_done(servable)

    def status(self, spec: ModelSpec) -> list[VersionStatus]:
        """List the versions seen so far, newest first, or the one that is asked for.

        Raises:
            RequestError: there is no such model, version or label.
        """
        version = self._version(spec)
        seen = self._status if spec.name == self.name else {}
        if version is None:
            if spec.name != self.name:
                raise not_found(f"Could not find any versions of model {spec.name}")
            return [seen[each] for each in sorted(seen, reverse=True)]
        if version not in seen:
            raise not_found(f"Could not find version {version} of model {spec.name}")
        return [seen[version]]

    @property
    def served(self) -> list[int]:
        """List the versions that answer now, in rising order."""
        return sorted(self._served)

    def _resolve(self, spec: ModelSpec) -> Servable:
        """Find the version that answers.

        Raises:
            RequestError: there is none.
        """
        version = self._version(spec)
        if spec.name == self.name and self._served:
            chosen = max(self._served) if version is None else version
            if chosen in self._served:
                return self._served[chosen]
        asked = f"Latest({spec.name})"
        if version is not None:
            asked = f"Specific({spec.name}, {version})"
        raise not_found(f"Servable not found for request: {asked}")

    def _version(self, spec: ModelSpec) -> int | None:
        """Give the number that a request names itself or by a label; None for the newest.

        Raises:
            RequestError: there is no such label.
        """
        if spec.label is None:
            return spec.version
        if spec.name != self.name or spec.label not in self._labels:
            raise invalid(f"Unrecognized servable version label: {spec.label}")
        return self._labels[spec.label]

    async def _bring_up(self, version: int, folder: Path) -> None:
        """Load a version, unless it failed before and its files are the same."""
        files = await asyncio.to_thread(fingerprint, folder)
        if self._failed.get(version) == files:
            return
        self._status[version] = VersionStatus(version, "LOADING")
        try:
            servable = await asyncio.to_thread(self._load, folder, version)
        except Exception as error:  # whatever it brings about, the others are still served
            self._failed[version] = files
            reason = str(error) or repr(error)
            self._status[version] = VersionStatus(version, "END", reason)
            logger.warning("%s", error, exc_info=not isinstance(error, ModelError))
            return
        self._served[version] = servable
        self._failed.pop(version, None)
        self._status[version] = VersionStatus(version, "AVAILABLE")
        logger.info("%s: version %d is served", self.name, version)

    def _retire(self, version: int) -> None:
        """Give a version no new requests."""
        servable = self._served.pop(version)
        self._retired[version] = servable
        self._status[version] = VersionStatus(version, "UNLOADING")
        self._end_if_done(servable)

    def _end_if_done(self, servable: Servable) -> None:
        """Let go of a retired version once its last request is done."""
        version = servable.version
        if servable.requests or self._retired.get(version) is not servable:
            return
        del self._retired[version]
        if version not in self._served:  # it may have been taken away and put back meanwhile
            self._status[version] = VersionStatus(version, "END")
        servable.schedulers.clear()
        servable.close()
        logger.info("%s: version %d is no longer served", self.name, version)
        # A loaded graph holds itself in cycles, and its weights with it; the last request still
        # holds it at this moment.
        loop = asyncio.get_running_loop()
        loop.call_later(COLLECT_AFTER, gc.collect)


def fingerprint(folder: Path) -> object:
    """Tell the state of a version's files by their names, sizes and times.

    A copy in the making fails to load, and is tried again when it has grown.
    """
    states = []
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            states.append((str(path), stat.st_size, stat.st_mtime_ns))
    return sorted(states)
