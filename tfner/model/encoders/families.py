"""Choose what to build by the `model_type` that a checkpoint's config.json names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfner.exceptions import ModelError
from tfner.model.encoders.encoder import Encoder
from tfner.safeio.bert_families import list_names
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show

Implementation = Literal["fused", "reference"]


@dataclass(frozen=True)
class Family:
    """Describe one family of checkpoints.

    Args:
        name: `model_type` in config.json.
        check: called with a folder and whether weights are wanted; raises ModelError for what
            cannot be built, before anything is.
        build: called with a folder, whether its weights are wanted or random ones, and who computes
            the hidden states in training where there is a choice; gives an encoder with all its
            variables.
    """

    name: str
    check: Callable[[Path, bool], object]
    build: Callable[[Path, bool, Implementation], Encoder]


FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Make a family known; a later one of the same name takes the place of an earlier one."""
    FAMILIES[family.name] = family
    return family


def find_family(folder: Path) -> Family:
    """Find the family of a checkpoint folder.

    Raises:
        ModelError: config.json is missing or names a family that is not known.
    """
    path = folder / "config.json"
    config = read_json_object(path, ModelError)
    name = config.get("model_type", "bert")
    if not isinstance(name, str) or name not in FAMILIES:
        got = name if isinstance(name, str) else show(name)
        known = list_names(FAMILIES)
        raise ModelError(f"{path}: expected model_type {known}, got {got}")
    return FAMILIES[name]


def check_checkpoint(folder: Path, *, pretrained: bool) -> None:
    """Refuse a checkpoint that no encoder can be built from, before anything is built.

    Raises:
        ModelError: as `build_encoder`.
    """
    family = find_family(folder)
    family.check(folder, pretrained)


def build_encoder(
    folder: Path, *, pretrained: bool = True, implementation: Implementation = "fused"
) -> Encoder:
    """Build the encoder of a checkpoint folder, with its weights or with random ones.

    Raises:
        ModelError: config.json is not that of a known family, or the weights are missing, damaged
            or of another shape.
    """
    return find_family(folder).build(folder, pretrained, implementation)
