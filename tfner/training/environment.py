"""Describe what a run was made with, for `environment.json`.

It holds versions, devices, processor, seed, the revision of the user's code, and the data.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.split_record import hash_documents
from tfner.monitoring.machine import memory_of_machine, processor_features, processor_name
from tfner.safeio.sources import (
    PREPARED,
    RUN,
    Source,
    embedded_path,
    expand_source,
    is_pattern,
    is_share,
)

TENSORFLOW = ("tensorflow", "tf-keras", "tensorflow-text")
PACKAGES = ("tfner", *TENSORFLOW, "transformers", "tokenizers", "numpy")
# How git's answer is taken, and how many seconds it may need.
ANSWER: Any = {"capture_output": True, "text": True, "errors": "replace", "timeout": 10.0}
BLOCK = 1 << 20  # bytes


def describe_environment(
    settings: RunSettings,
    documents: Mapping[str, Sequence[Document]],
    counts: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """Collect versions, machine, settings outside of the configuration, and data.

    Args:
        documents: by split, of sources that are no files.
        counts: documents and entities by split.
    """
    data = {}
    for split, source in settings.data.sources().items():
        described = describe_source(source, documents.get(split, ()))
        data[split] = {**described, **counts.get(split, {})}
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    run = {"started": started, "command": sys.argv, "seed": settings.seed}
    code = {"git": git_state(Path.cwd()), "versions": versions()}
    system = {"python": platform.python_version(), "platform": platform.platform()}
    processors = {"processor": processor_name(), "processors": os.cpu_count()}
    features = {"processor_features": processor_features(), "memory_mib": memory_of_machine()}
    machine = {**system, **processors, **features, "devices": devices()}
    return {**run, **code, **machine, "data": data}


def versions() -> dict[str, str]:
    """Look up the versions of the packages that decide what a model does."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def devices() -> list[dict[str, Any]]:
    """List the devices that TensorFlow sees; none where it is not loaded, so as not to load it."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return []
    found = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device)
        found.append({"name": device.name, "type": device.device_type, **details})
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Tell the revision of a folder's repository, and whether tracked files differ from it.

    Returns:
        None where there is no repository, or no git.
    """
    revision = ask_git(folder, "rev-parse", "HEAD")
    if not revision:
        return None
    changes = ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision, "changed": None if changes is None else bool(changes)}


def ask_git(folder: Path, *question: str) -> str | None:
    """Ask git, which writes nothing for it and runs no program that the repository names."""
    command = ["git", "-c", "core.fsmonitor=false", *question]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, check=False, **ANSWER)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def describe_source(source: Source, documents: Sequence[Document]) -> dict[str, Any]:
    """Describe where a split comes from, with a SHA-256 of its content.

    Of a file it is the one that `sha256sum` gives. Of a folder it is that of the lines which
    `sha256sum` gives of its files in the order of their paths, of several files and folders that of
    such lines in the order in which they are read; of what comes from a hub, and of what is taken
    from other data, that of the documents.
    """
    named: str | list[str] = source if isinstance(source, str) else list(source)
    sources = [source] if isinstance(source, str) else list(source)
    if is_share(source) or any(one.startswith(("hub:", RUN)) for one in sources):
        return {"source": named, "documents": len(documents), "sha256": hash_documents(documents)}
    if isinstance(source, str) and not is_pattern(source):
        return describe_path(source)
    try:
        described = [describe_path(one) for one in expand_source(source)]
    except DataError as error:
        return {"source": named, "sha256": None, "error": str(error)}
    lines = "".join(f"{one['sha256']}  {one['source']}\n" for one in described)
    sha256 = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    size = sum(one.get("bytes", 0) for one in described)
    files = sum(one.get("files", 1) for one in described)
    return {"source": named, "files": files, "bytes": size, "sha256": sha256}


def describe_path(source: str) -> dict[str, Any]:
    """Describe one file or folder."""
    embedded = source.startswith("embedded:")
    path = embedded_path(source) if embedded else Path(source.removeprefix(PREPARED))
    try:
        if path.is_dir():
            return {"source": source, **describe_folder(path)}
        return {"source": source, "bytes": path.stat().st_size, "sha256": hash_file(path)}
    except OSError as error:  # gone, or changed while the run began: the run itself has read it
        return {"source": source, "sha256": None, "error": f"{error.filename}: {error.strerror}"}


def describe_folder(folder: Path) -> dict[str, Any]:
    """Count and hash the files in a folder and its subfolders."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    digest = hashlib.sha256()
    size = 0
    for name, path in sorted(files.items()):
        line = f"{hash_file(path)}  {name}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
        size += path.stat().st_size
    return {"files": len(files), "bytes": size, "sha256": digest.hexdigest()}


def changed_content(before: Path, environment: Mapping[str, Any], key: str) -> list[str]:
    """List the splits (`data`) or teachers whose content is not that of `environment.json`."""
    then = read_described(before, key)
    changed = []
    for name, described in environment.get(key, {}).items():
        if "sha256" in then.get(name, {}) and described["sha256"] != then[name]["sha256"]:
            changed.append(name)
    return changed


def counts_of_splits(environment: Path) -> dict[str, dict[str, int]]:
    """Read how many documents and entities each split of a run has, as far as it is known."""
    counts = {}
    for split, described in read_described(environment, "data").items():
        known = [name for name in ("documents", "entities") if name in described]
        counts[split] = {name: described[name] for name in known}
    return counts


def sentences_in_training(environment: Path) -> float | None:
    """Read how many sentences a run's training documents have in the mean; None if unknown."""
    known = read_described(environment, "data").get("train", {}).get("sentences_per_document")
    return known if isinstance(known, float) else None


def read_described(environment: Path, key: str) -> dict[str, dict[str, Any]]:
    """Read what `environment.json` tells of each split or teacher; nothing where it is damaged."""
    try:
        content = json.loads(environment.read_text(encoding="utf-8"))[key]
        return {name: dict(described) for name, described in content.items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
