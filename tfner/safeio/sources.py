"""Find what a configuration points to, and check that it can be used, as far as files tell.

No TensorFlow here, so that a mistake is said before it loads.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from tfner.exceptions import ConfigError, DataError, ModelError, TfnerError
from tfner.safeio.bert_families import BERT_FAMILIES, find_bert_family, list_names
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show

Source = str | tuple[str, ...]  # one, or several that are read one behind the other
PREPARED = "prepared:"
CHECKPOINT = "encoder.checkpoint"  # the setting that names one
VOCABULARIES = ("vocab.txt", "tokenizer.json", "sentencepiece.bpe.model", "vocab.json")
TOKEN_CLASSIFICATION = "ForTokenClassification"  # how transformers' names of such models end
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
RUN = "run:"
RUN_CONFIG, ENCODER = "config.yaml", "encoder"  # in the folder of a run
SPLITS = "splits.json"  # of a run or a cross-validation: which documents went where
SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


def check_source(key: str, source: Source) -> None:
    """Check that the files and folders of a split exist; a hub dataset is not looked at.

    Raises:
        ConfigError: there is no such file or folder, none matches a pattern, or `prepared:FOLDER`
            is given for another split than train or beside other sources.
    """
    if isinstance(source, tuple) and any(one.startswith(PREPARED) for one in source):
        expected = f"expected {PREPARED}FOLDER alone, or documents"
        raise ConfigError(f"{key}: {expected}, got {name_source(source)}")
    if isinstance(source, tuple) and any(map(is_share, source)):
        expected = "expected a share of the training data alone, or documents"
        raise ConfigError(f"{key}: {expected}, got {name_source(source)}")
    for one in [source] if isinstance(source, str) else source:
        check_one_source(key, one)


def check_one_source(key: str, source: str) -> None:
    """Check one file, folder, pattern or dataset."""
    if source.startswith("hub:") or is_share(source):
        return
    if source.startswith(PREPARED):
        check_prepared(key, source)
        return
    if source.startswith(RUN):
        check_recorded(key, source)
        return
    path = embedded_path(source) if source.startswith("embedded:") else Path(source)
    if is_pattern(source):
        expand_source(source, ConfigError, f"{key}: ")
    elif not exists(path):
        raise ConfigError(f"{key}: no such file or folder: {source}")


def name_source(source: Source) -> str:
    """Name a source in a message.

    >>> name_source(("a.conll", "more/*.conll"))
    'a.conll, more/*.conll'
    """
    return source if isinstance(source, str) else ", ".join(source)


def short_name(source: Source) -> str:
    """Name a source for others to read: without the folders of this machine.

    >>> short_name(("/home/me/a.conll", "/home/me/more/*.conll"))
    'a.conll, *.conll'
    """
    return ", ".join(Path(one).name for one in ([source] if isinstance(source, str) else source))


def prepared_folder(source: Source) -> Path | None:
    """Find the folder of `prepared:FOLDER`; None where a source holds documents."""
    is_prepared = isinstance(source, str) and source.startswith(PREPARED)
    return Path(source.removeprefix(PREPARED)) if is_prepared else None


def share_of(source: Source | None) -> float | None:
    """Read a share of the training data as a fraction; None of any other source.

    >>> share_of("12.5%"), share_of("dev.conll")
    (0.125, None)
    """
    match = SHARE.fullmatch(source) if isinstance(source, str) else None
    return float(match[1]) / 100 if match else None


def is_share(source: Source | None) -> bool:
    """Tell a share of the training data from a source of its own."""
    return share_of(source) is not None


def recorded_split(source: str) -> tuple[Path, str]:
    """Read `run:FOLDER:SPLIT`: the folder whose record says which documents, and the split.

    >>> recorded_split("run:runs/mine:dev")
    (PosixPath('runs/mine'), 'dev')
    """
    folder, colon, split = source.removeprefix(RUN).rpartition(":")
    return (Path(folder), split) if colon else (Path(split), "")


def check_recorded(key: str, source: str) -> None:
    """Check that `run:FOLDER:SPLIT` names a folder with a record of its splits."""
    folder, split = recorded_split(source)
    if not split or not (folder / SPLITS).is_file():
        expected = f"{RUN}FOLDER:SPLIT, whose folder has {SPLITS}"
        raise ConfigError(f"{key}: expected {expected}, got {source}")


def is_pattern(source: str) -> bool:
    """Tell a pattern such as `more/*.conll` from the name of a file that has such characters."""
    is_named = source.startswith(("hub:", "embedded:", PREPARED, RUN))
    return glob.has_magic(source) and not is_named and not exists(Path(source))


def expand_source(
    source: Source, error: type[TfnerError] = DataError, prefix: str = ""
) -> list[str]:
    """List the files, folders and datasets of a source in their order, each once.

    A pattern stands for the files that match it, sorted by name, or if there are none for the
    folders; `**` stands for folders at any depth.

    Raises:
        `error`: nothing matches a pattern; the message begins with `prefix`.
    """
    found: list[str] = []
    for one in [source] if isinstance(source, str) else source:
        if not is_pattern(one):
            found.append(one)
            continue
        matches = sorted(glob.glob(one, recursive=True))  # noqa: PTH207 (Path's takes no absolute one)
        files = [match for match in matches if Path(match).is_file()]
        if not matches:
            raise error(f"{prefix}{one}: no file or folder matches this pattern")
        found += files or matches
    return list(dict.fromkeys(found))


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
    if is_export(folder):
        expected = "expected a checkpoint or the folder of a run"
        raise ConfigError(f"{where}: {expected}, got an export, whose weights have no names")
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{where}: expected a config.json in this folder, found none")
    if not any((folder / name).is_file() for name in VOCABULARIES):
        config = read_json_object(folder / "config.json", ConfigError)
        if find_bert_family(config) is None:
            known, got = list_names(BERT_FAMILIES), show(config["model_type"])
            raise ConfigError(f"{where}: expected model_type {known}, got {got}")
        expected = f"the vocabulary, {' or '.join(VOCABULARIES)}, in this folder"
        raise ConfigError(f"{where}: expected {expected}, found none")
    positions = read_positions(folder / "config.json")
    if max_length > positions:
        most = f"at most {positions}, the positions of {folder}"
        raise ConfigError(f"encoder.max_length: {most}, got {max_length}")


def read_positions(path: Path) -> int:
    """Read how many pieces the longest window of an encoder may have.

    Raises:
        ConfigError: config.json does not say.
    """
    rows = read_size(path, "max_position_embeddings")
    config = read_json_object(path, ConfigError)
    family = find_bert_family(config)
    return max(0, rows - family.unused_positions(config)) if family else rows


def read_size(path: Path, name: str) -> int:
    """Read a size of an encoder from its config.json, such as max_position_embeddings.

    A family may have a name of its own for it.

    Raises:
        ConfigError: it is not there, or no whole number.
    """
    config = read_json_object(path, ConfigError)
    family = find_bert_family(config)
    if family is not None:
        name = family.setting(name)
    size = config.get(name)
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


def encoder_folder(checkpoint: str, key: str = CHECKPOINT) -> Path | None:
    """Find the local folder of a checkpoint; None where it is a hub name; `key` is what names it.

    Of a run it is the copy of its encoder's configuration and vocabulary.

    Raises:
        ConfigError: it is neither an existing folder nor shaped like a hub name.
    """
    if checkpoint.startswith("embedded:"):
        return embedded_path(checkpoint)
    folder = Path(checkpoint)
    if folder.is_dir():
        return folder / ENCODER if is_run(folder) else folder
    if not HUB_NAME.fullmatch(checkpoint):
        raise ConfigError(f"{key}: no such folder: {checkpoint}")
    return None


def is_run(folder: Path) -> bool:
    """Tell the folder of a run."""
    return (folder / RUN_CONFIG).is_file()


def is_export(folder: Path) -> bool:
    """Tell an exported model or a folder of its versions."""
    return any(folder.glob("saved_model.pb")) or any(folder.glob("*/saved_model.pb"))


def check_is_run(folder: Path, of_export: str) -> None:
    """Refuse what is no folder of a run; of an export say what `of_export` says.

    Raises:
        ModelError: it is none.
    """
    if is_run(folder):
        return
    got = f"got {of_export}" if is_export(folder) else "found none"
    raise ModelError(f"{folder}: expected the folder of a run, with {RUN_CONFIG}, {got}")


def is_fine_tuned(folder: Path) -> bool:
    """Tell whether a folder's config.json names an architecture for token classification."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    names = read_json_object(path, ModelError).get("architectures")
    if not isinstance(names, list):
        return False
    return any(str(name).endswith(TOKEN_CLASSIFICATION) for name in names)


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
