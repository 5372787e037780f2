"""Find what a configuration points to, and check that it can be used, as far as files tell.

No TensorFlow here, so that a mistake is said before it loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tfner.exceptions import ConfigError, ModelError, TfnerError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show

PREPARED = "prepared:"
VOCABULARIES = ("vocab.txt", "tokenizer.json", "sentencepiece.bpe.model")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def check_source(key: str, source: str) -> None:
    """Check that a split's file or folder exists; a hub dataset is not looked at.

    Raises:
        ConfigError: there is no such file or folder, or `prepared:FOLDER` is given for another
            split than train.
    """
    if source.startswith("hub:"):
        return
    if source.startswith(PREPARED):
        check_prepared(key, source)
        return
    path = embedded_path(source) if source.startswith("embedded:") else Path(source)
    if not exists(path):
        raise ConfigError(f"{key}: no such file or folder: {source}")


def check_teacher(source: str) -> None:
    """Check that a teacher is a folder.

    Raises:
        ConfigError: there is none.
    """
    if not Path(source).is_dir():
        expected = "expected the folder of an exported model or of a run, found none"
        raise ConfigError(f"training.teachers: {expected}: {source}")


def exists(path: Path) -> bool:
    """Look for a file or folder; there is none, too, where no file can have that name."""
    try:
        return path.exists()
    except OSError:
        return False


def check_prepared(key: str, source: str) -> None:
    """Check that `prepared:FOLDER` names a complete folder, and stands for training data."""
    if key != "data.train":
        got = f"windows that are prepared for training: {source}"
        raise ConfigError(f"{key}: expected documents, whose entities are counted, got {got}")
    if not (Path(source.removeprefix(PREPARED)) / "manifest.json").is_file():
        expected = "a folder that python -m tfner.prepare wrote to its end, with manifest.json"
        raise ConfigError(f"{key}: expected {expected}: {source}")


def check_encoder(checkpoint: str, max_length: int) -> None:
    """Check that an encoder's folder holds what one needs; a hub name is not looked at.

    Raises:
        ConfigError: there is no such folder, a file is missing in it, or it has fewer positions
            than `max_length`.
    """
    folder = encoder_folder(checkpoint)
    if folder is None:
        return
    where = f"encoder.checkpoint: {folder}"
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{where}: expected a config.json in this folder, found none")
    if not any((folder / name).is_file() for name in VOCABULARIES):
        expected = f"the vocabulary, {' or '.join(VOCABULARIES)}, in this folder"
        raise ConfigError(f"{where}: expected {expected}, found none")
    positions = read_size(folder / "config.json", "max_position_embeddings")
    if max_length > positions:
        most = f"at most {positions}, the positions of {folder}"
        raise ConfigError(f"encoder.max_length: {most}, got {max_length}")


def read_size(path: Path, name: str) -> int:
    """Read a size of an encoder from its config.json, such as max_position_embeddings.

    Raises:
        ConfigError: it is not there, or no whole number.
    """
    size = read_json_object(path, ConfigError).get(name)
    if not isinstance(size, int) or isinstance(size, bool):
        raise ConfigError(f"{path}: expected {name} to be a whole number, got {show(size)}")
    return size


def check_inside(folder: Path, names: Iterable[str], error: type[TfnerError] = ModelError) -> None:
    """Check that no file of a folder is a link to somewhere else.

    Whoever made the folder could have any file of this machine read and passed on. The hub's own
    cache is made of links, from `snapshots/REVISION` to `blobs` beside it.

    Raises:
        `error`: a file is such a link.
    """
    inside = [folder.resolve()]
    if inside[0].parent.name == "snapshots":
        inside.append(inside[0].parent.parent / "blobs")
    for name in names:
        target = (folder / name).resolve()
        if not any(target.is_relative_to(allowed) for allowed in inside):
            got = f"a link to {target}, outside of it"
            raise error(f"{folder / name}: expected a file of this folder, got {got}")


def encoder_folder(checkpoint: str) -> Path | None:
    """Find the local folder of a checkpoint; None where it is a hub name.

    Raises:
        ConfigError: it is neither an existing folder nor shaped like a hub name.
    """
    if checkpoint.startswith("embedded:"):
        return embedded_path(checkpoint)
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    if not HUB_NAME.fullmatch(checkpoint):
        raise ConfigError(f"encoder.checkpoint: no such folder: {checkpoint}")
    return None


def embedded_path(source: str) -> Path:
    """Find the file of `embedded:quickstart/train.jsonl` inside the installed package.

    Raises:
        ConfigError: the package holds no such file.
    """
    package = Path(__file__).parents[1]
    path = package / source.removeprefix("embedded:")
    if not exists(path) or ".." in path.as_posix().split("/"):
        raise ConfigError(f"{source}: the package holds no such file or folder")
    return path
