"""Publish to a folder that a server watches: add the next version whole, then remove old ones.

A version goes only if it is an export of tfner's that nobody uses: not among the newest, not served
or labelled by the server's models.config.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tfner.exceptions import TfnerError
from tfner.serving.export.graph_guard import check_files
from tfner.serving.export.models_config import read_models_config, versions_in_use
from tfner.serving.export.version_numbers import complete_versions
from tfner.serving.export.versions import add_version
from tfner.serving.runtime.saved_model import CARD, find_version, read_card

MODELS_CONFIG = "models.config"
REMOVING = ".removing-"  # no number, so no server takes it for a version
Export = Callable[[Path], Path]  # adds the next version to a folder, whole or not at all: its path


@dataclass(frozen=True)
class Publication:
    """Give account of a publication.

    Args:
        version: the version that was added.
        kept: versions that pruning kept, each with the reason.
        removed: versions that it removed.
        problems: what went wrong meanwhile, in words.
    """

    version: Path
    kept: dict[int, str] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Write the account, an entry a line."""
        yield f"published: {self.version}"
        yield from (f"removed: {number}" for number in self.removed)
        yield from (f"kept: {number} ({reason})" for number, reason in self.kept.items())
        yield from (f"not removed: {problem}" for problem in self.problems)


def publish(
    export: Export, folder: Path, *, keep: int | None = None, models_config: Path | None = None
) -> Publication:
    """Add a version to `folder`; with `keep`, then remove what is neither new nor in use.

    The newest `keep` versions stay, and those that `models_config`, by default
    `folder/../models.config` where there is one, serves or labels. A file that cannot be read is
    refused before anything is published; once a version is published, nothing that goes wrong with
    old ones raises.

    Raises:
        ConfigError: models.config cannot be read.
        whatever `export` raises.
    """
    if keep is None:
        return Publication(export(folder))
    config = models_config or config_beside(folder)
    if config is not None:
        read_models_config(config)
    publication = Publication(export(folder))
    try:
        prune(folder, keep, config, publication)
    # Of models.config too, which may have been changed meanwhile.
    except (OSError, TfnerError) as error:
        publication.problems.append(str(error))
    return publication


def config_beside(folder: Path) -> Path | None:
    """Find the models.config beside a model's folder."""
    path = folder.resolve().parent / MODELS_CONFIG
    return path if path.is_file() else None


def copy_version(source: Path, folder: Path) -> Path:
    """Add an exported version to `folder` as its next one, bit for bit.

    Args:
        source: `saved_models/NAME/3`, or `saved_models/NAME` for its newest.

    Raises:
        ModelError: `source` is no export of tfner's.
    """
    version = find_version(source)
    read_card(version)
    check_files(version)  # a link would be copied as what it leads to
    copy = partial(shutil.copytree, version, dirs_exist_ok=True)
    return add_version(copy, folder)


def prune(folder: Path, keep: int, models_config: Path | None, publication: Publication) -> None:
    """Remove versions without a reason to stay, and enter in `publication` what was done."""
    remove_leftovers(folder)
    versions = complete_versions(folder)
    kept = reasons_to_stay(folder, list(versions), keep, models_config)
    kept.setdefault(int(publication.version.name), "just published")
    for number, path in versions.items():
        if number in kept:
            publication.kept[number] = kept[number]
        elif path.is_symlink() or not (path / CARD).is_file():
            publication.kept[number] = "not an export of tfner"
        else:
            remove(path, number, publication)


def reasons_to_stay(
    folder: Path, versions: Sequence[int], keep: int, models_config: Path | None
) -> dict[int, str]:
    """Say of versions that are not to be removed why."""
    newest = "newest" if keep == 1 else f"among the newest {keep}"
    reasons = dict.fromkeys(versions[-keep:], newest)
    if models_config is None:
        return reasons
    used = versions_in_use(models_config, folder, versions)
    if used is None:
        name = folder.resolve().name
        unknown = f"{models_config} does not name {name}: what is in use is unknown"
        return dict.fromkeys(versions, unknown)
    for number, how in used.items():
        reasons[number] = f"{how} in {models_config}"
    return reasons


def remove(path: Path, number: int, publication: Publication) -> None:
    """Take a version out of the number space, so that no reader sees half of it, then delete it."""
    doomed = path.with_name(f"{REMOVING}{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        path.rename(doomed)
    except FileNotFoundError:  # another publisher was first
        return
    except OSError as error:
        publication.problems.append(f"{path}: {error}")
        return
    publication.removed.append(number)
    shutil.rmtree(doomed, ignore_errors=True)
    if doomed.exists():
        publication.problems.append(f"{doomed}: some files could not be deleted")


def remove_leftovers(folder: Path) -> None:
    """Delete what an interrupted removal left."""
    for path in folder.glob(f"{REMOVING}*"):
        shutil.rmtree(path, ignore_errors=True)
