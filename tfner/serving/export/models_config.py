"""What a server's models.config says of a model: which of its versions are in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tfner.exceptions import ConfigError, MissingExtraError


def versions_in_use(path: Path, folder: Path, versions: Sequence[int]) -> dict[int, str] | None:
    """What a server that reads `path` serves of a model's folder that holds `versions`, in rising order: version → how it is named there.

    An entry is about the folder if its name or the last part of its base path is the folder's name: a server may see the folder under
    another path. None if there is no such entry: then nothing is known of what is in use.

    Raises:
        ConfigError: the file cannot be read as a ModelServerConfig.
        MissingExtraError: tensorflow-serving-api is not installed.
    """
    names = {folder.name, folder.resolve().name}
    models = read_models_config(path).model_config_list.config
    entries = [
        model for model in models if names & {model.name, PurePosixPath(model.base_path).name}
    ]
    if not entries:
        return None
    named: dict[int, list[str]] = {}
    for entry in entries:
        for version, how in versions_of_entry(entry, versions):
            named.setdefault(version, []).append(how)
    return {version: ", ".join(dict.fromkeys(hows)) for version, hows in sorted(named.items())}


def versions_of_entry(entry: Any, versions: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The versions that one ModelConfig serves or gives a label."""
    for label, version in sorted(entry.version_labels.items()):
        yield version, f"label {label}"
    policy = entry.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            yield from ((version, "policy all") for version in versions)
        case "specific":
            yield from ((version, "policy specific") for version in policy.specific.versions)
        case _:  # latest, which is also what no policy means; 0 stands for 1
            newest = max(policy.latest.num_versions, 1)
            yield from ((version, f"policy latest {newest}") for version in versions[-newest:])


def read_models_config(path: Path) -> Any:
    """The ModelServerConfig in a text file."""
    try:
        from google.protobuf import text_format
        from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig
    except ImportError:
        raise MissingExtraError("tensorflow-serving-api", "serving", f"reading {path}") from None
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except text_format.ParseError as error:
        raise ConfigError(
            f"{path}: expected a ModelServerConfig in protobuf's text format: {error}"
        ) from None
