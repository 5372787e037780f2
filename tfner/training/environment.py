"""What a run was made with, for `environment.json`: versions, devices, processor, seed, the revision of the user's code, the data."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.documents import Document
from tfner.monitoring.machine import memory_of_machine, processor_features, processor_name
from tfner.safeio.sources import PREPARED, embedded_path

PACKAGES = (
    "tfner",
    "tensorflow",
    "tf-keras",
    "tensorflow-text",
    "transformers",
    "tokenizers",
    "numpy",
)
GIT_SECONDS = 10.0
CHUNK = 1 << 20  # bytes


def describe_environment(
    settings: RunSettings, documents: Mapping[str, Sequence[Document]]
) -> dict[str, Any]:
    """Versions, machine, settings that lie outside of the configuration, and data; `documents` by split, of sources that are no files."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": settings.seed,
        "git": git_state(Path.cwd()),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "processor_features": processor_features(),
        "memory_mib": memory_of_machine(),
        "devices": devices(),
        "data": {
            split: describe_source(source, documents.get(split, ()))
            for split, source in sources(settings)
        },
    }


def versions() -> dict[str, str]:
    """Of the packages that decide what a model does."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def devices() -> list[dict[str, Any]]:
    """Those that TensorFlow sees, with what it knows of them; none where it is not loaded: this is no reason to load it."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return []
    return [
        {
            "name": device.name,
            "type": device.device_type,
            **tf.config.experimental.get_device_details(device),
        }
        for device in tf.config.list_physical_devices()
    ]


def git_state(folder: Path) -> dict[str, Any] | None:
    """The revision of a folder's repository, and whether tracked files differ from it; None where there is none, or no git."""
    revision = ask_git(folder, "rev-parse", "HEAD")
    changes = ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    return (
        {"revision": revision, "changed": None if changes is None else bool(changes)}
        if revision
        else None
    )


def ask_git(folder: Path, *question: str) -> str | None:
    """What git answers; it writes nothing and runs no program that the repository names."""
    command = ["git", "-c", "core.fsmonitor=false", *question]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def sources(settings: RunSettings) -> Iterable[tuple[str, str]]:
    """The splits that are given."""
    named = ((split, getattr(settings.data, split)) for split in ("train", "dev", "test"))
    return ((split, source) for split, source in named if source is not None)


def describe_source(source: str, documents: Sequence[Document]) -> dict[str, Any]:
    """Where a split comes from, and a SHA-256 of its content.

    Of a file it is that of its bytes, as `sha256sum` gives it; of a folder that of the lines which `sha256sum` gives of its files in the
    order of their paths; of what comes from a hub that of the documents.
    """
    if source.startswith("hub:"):
        return {"source": source, "documents": len(documents), "sha256": hash_documents(documents)}
    place = (
        embedded_path(source)
        if source.startswith("embedded:")
        else Path(source.removeprefix(PREPARED))
    )
    try:
        if not place.is_dir():
            return {"source": source, "bytes": place.stat().st_size, "sha256": hash_file(place)}
        files = sorted(
            (path for path in place.rglob("*") if path.is_file()),
            key=lambda path: path.relative_to(place).as_posix(),
        )
        lines = [f"{hash_file(path)}  {path.relative_to(place).as_posix()}\n" for path in files]
        size = sum(path.stat().st_size for path in files)
    except OSError as error:  # gone, or changed while the run began: the run itself has read it
        return {"source": source, "sha256": None, "error": f"{error.filename}: {error.strerror}"}
    content = "".join(lines).encode("utf-8", "surrogateescape")
    return {
        "source": source,
        "files": len(files),
        "bytes": size,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def changed_splits(before: Path, environment: Mapping[str, Any]) -> list[str]:
    """The splits whose content is another than `environment.json` in `before` says; none where it says nothing."""
    try:
        data = json.loads(before.read_text(encoding="utf-8"))["data"]
        then = {split: facts["sha256"] for split, facts in data.items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []
    return [
        split
        for split, facts in environment["data"].items()
        if split in then and facts["sha256"] != then[split]
    ]


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_documents(documents: Iterable[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        entities = [(entity.start, entity.end, entity.label) for entity in document.entities]
        digest.update(
            json.dumps([document.id, document.text, document.words, entities]).encode() + b"\n"
        )
    return digest.hexdigest()
