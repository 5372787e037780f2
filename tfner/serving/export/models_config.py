"""Read from a server's models.config which versions of a model are in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tfner.exceptions import ConfigError


def versions_in_use(path: Path, folder: Path, versions: Sequence[int]) -> dict[int, str] | None:
    """Find the versions that a server which reads `path` serves of a model's folder.

    An entry is about the folder if its name or the last part of its base path is the folder's name:
    a server may see the folder under another path.

    Args:
        path: of the models.config.
        versions: those that the folder holds, from low to high.

    Returns:
        By version how it is named there; None if there is no such entry: then nothing is known of
        what is in use.

    Raises:
        ConfigError: the file cannot be read as a ModelServerConfig.
    """
    names = {folder.name, folder.resolve().name}
    models = read_models_config(path).model_config_list.config
    bases = [PurePosixPath(model.base_path).name for model in models]
    pairs = zip(models, bases, strict=True)
    entries = [model for model, base in pairs if names & {model.name, base}]
    if not entries:
        return None
    named: dict[int, list[str]] = {}
    for entry in entries:
        for version, how in versions_of_entry(entry, versions):
            named.setdefault(version, []).append(how)
    return {version: ", ".join(dict.fromkeys(hows)) for version, hows in sorted(named.items())}


def versions_of_entry(entry: Any, versions: Sequence[int]) -> Iterator[tuple[int, str]]:
    """List the versions that one ModelConfig serves or gives a label."""
    for label, version in sorted(entry.version_labels.items()):
        yield version, f"label {label}"
    policy = entry.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            served, how = versions, "policy all"
        case "specific":
            served, how = policy.specific.versions, "policy specific"
        case _:  # latest, which is also what no policy means; 0 stands for 1
            newest = max(policy.latest.num_versions, 1)
            served, how = versions[-newest:], f"policy latest {newest}"
    for version in served:
        yield version, how


def read_models_config(path: Path) -> Any:
    """Read the ModelServerConfig in a text file; imports what few publications need."""
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except text_format.ParseError as error:
        expected = "expected a ModelServerConfig in protobuf's text format"
        raise ConfigError(f"{path}: {expected}: {error}") from None
