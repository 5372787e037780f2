"""The versions of a model that are served: which the folder holds, which are loaded, which answers a request."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tfner.exceptions import ModelError
from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.signature import Signature, Tensors

logger = logging.getLogger(__name__)
COLLECT_AFTER = 1.0  # seconds
State = Literal["LOADING", "AVAILABLE", "UNLOADING", "END"]
VersionFolders = Mapping[int, Path]


@dataclass(eq=False)
class Servable:
    """A loaded version. `definitions` are its signatures in TensorFlow's own message, which only the metadata need."""

    version: int
    signatures: Mapping[str, Signature]
    definitions: Mapping[str, Any]
    run: Callable[[str, Tensors], Tensors]
    callers: dict[str, Any] = field(default_factory=dict)  # by signature: what gathers its requests
    requests: int = 0  # being answered now


class ModelSpec(NamedTuple):
    """Which model a request means: the newest version, one version, or the one that has a label."""

    name: str
    version: int | None = None
    label: str | None = None


class VersionStatus(NamedTuple):
    """As GetModelStatus reports it; `error` is empty where all went well."""

    version: int
    state: State
    error: str = ""


Load = Callable[[Path, int], Servable]


class ModelVersions:
    """Follows a folder: `poll` loads what is new, whole and beside the old, and only then turns requests to it."""

    def __init__(
        self,
        name: str,
        find: Callable[[], VersionFolders],
        load: Load,
        labels: Mapping[str, int] | None = None,
    ):
        self.name = name
        self._find = find
        self._load = load
        self._labels = dict(labels or {})
        self._served: dict[int, Servable] = {}
        self._retired: dict[int, Servable] = {}
        self._status: dict[int, VersionStatus] = {}
        self._failed: dict[int, object] = {}  # version -> what its files were when it failed

    async def poll(self) -> None:
        """Look once: load what the folder has that is wanted, then let go of what is not; a version that fails changes nothing."""
        found = await asyncio.to_thread(self._find)
        if not found:  # a folder that is being moved, or a file system that is away: better the old model than none
            return
        newest = max(found)
        wanted = {newest, *self._labels.values()} & set(found)
        for version in sorted(wanted - set(self._served)):
            await self._bring_up(version, found[version])
        if newest in self._served:
            for version in set(self._served) - wanted:
                self._retire(version)

    async def start(self) -> None:
        """The first poll.

        Raises:
            ModelError: no version could be loaded, or a label names one that could not.
        """
        await self.poll()
        missing = [version for version in self._labels.values() if version not in self._served]
        for version in (*missing, *(() if self._served else self._status)):
            raise ModelError(
                self._status[version].error
                if version in self._status
                else self._no_version(version)
            )
        if not self._served:
            raise ModelError(f"{self.name}: expected numbered versions of a SavedModel, found none")

    def _no_version(self, version: int) -> str:
        label = next(label for label, labelled in self._labels.items() if labelled == version)
        return f"label {label}={version}: there is no version {version} of {self.name}"

    @contextmanager
    def hold(self, spec: ModelSpec) -> Iterator[Servable]:
        """The version that answers a request; it stays until the request is done, even if another takes its place.

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
        """The versions seen so far, newest first, or the one that is asked for."""
        version = self._label_version(spec) if spec.label is not None else spec.version
        if version is None:
            if spec.name != self.name:
                raise RequestError("NOT_FOUND", f"Could not find any versions of model {spec.name}")
            return [self._status[each] for each in sorted(self._status, reverse=True)]
        if spec.name != self.name or version not in self._status:
            raise RequestError(
                "NOT_FOUND", f"Could not find version {version} of model {spec.name}"
            )
        return [self._status[version]]

    @property
    def served(self) -> list[int]:
        """The versions that answer now, in rising order."""
        return sorted(self._served)

    def _resolve(self, spec: ModelSpec) -> Servable:
        version = self._label_version(spec) if spec.label is not None else spec.version
        if spec.name == self.name and self._served:
            chosen = max(self._served) if version is None else version
            if chosen in self._served:
                return self._served[chosen]
        asked = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
        raise RequestError("NOT_FOUND", f"Servable not found for request: {asked}")

    def _label_version(self, spec: ModelSpec) -> int:
        if spec.name != self.name or spec.label not in self._labels:
            raise invalid(f"Unrecognized servable version label: {spec.label}")
        return self._labels[spec.label]

    async def _bring_up(self, version: int, folder: Path) -> None:
        files = await asyncio.to_thread(fingerprint, folder)
        if self._failed.get(version) == files:
            return
        self._status[version] = VersionStatus(version, "LOADING")
        try:
            self._served[version] = await asyncio.to_thread(self._load, folder, version)
        except (
            Exception
        ) as error:  # whatever a damaged version brings about, the others are still served
            self._failed[version] = files
            self._status[version] = VersionStatus(version, "END", str(error) or repr(error))
            logger.warning("%s", error, exc_info=not isinstance(error, ModelError))
            return
        self._failed.pop(version, None)
        self._status[version] = VersionStatus(version, "AVAILABLE")
        logger.info("%s: version %d is served", self.name, version)

    def _retire(self, version: int) -> None:
        servable = self._retired[version] = self._served.pop(version)
        self._status[version] = VersionStatus(version, "UNLOADING")
        self._end_if_done(servable)

    def _end_if_done(self, servable: Servable) -> None:
        if servable.requests or self._retired.get(servable.version) is not servable:
            return
        del self._retired[servable.version]
        if (
            servable.version not in self._served
        ):  # it may have been taken away and put back meanwhile
            self._status[servable.version] = VersionStatus(servable.version, "END")
        servable.callers.clear()
        logger.info("%s: version %d is no longer served", self.name, servable.version)
        # A loaded graph holds itself in cycles, and its weights with it; the last request still holds it at this moment.
        asyncio.get_running_loop().call_later(COLLECT_AFTER, gc.collect)


def fingerprint(folder: Path) -> object:
    """What tells whether the files of a version have changed: a copy in the making fails to load, and is tried again when it has grown."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
