"""Define the types of settings: paths, sources of data, learning rates, and what they accept."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from tfner.safeio.printable import show
from tfner.safeio.sources import Source, prepared_folder

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
PORTABLE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def expand_path(value: str) -> str:
    """Replace `~` and environment variables; an unset variable is an error, not an empty string."""

    def lookup(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set")
        return os.environ[name]

    path = str(Path(VARIABLE.sub(lookup, value)).expanduser())
    # By the dot a folder is told from a name on the hub.
    return f"./{path}" if value.startswith("./") else path


def check_run_name(value: str) -> str:
    """Check a run's name, which names a folder, and a model in TensorFlow Serving."""
    if not PORTABLE_NAME.fullmatch(value):
        allowed = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise ValueError(f"expected {allowed}, got {show(value)}")
    return value


def check_epochs(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or value < 1):
        raise ValueError(f"expected auto or a whole number of at least 1, got {show(value)}")
    return value


RunName = Annotated[str, AfterValidator(check_run_name)]
PathText = Annotated[str, AfterValidator(expand_path)]


def check_sources(value: Any) -> Any:
    """Read one path or a list of paths; a list of one is that one."""
    given = list(value) if isinstance(value, (list, tuple)) else [value]
    if not given or not all(isinstance(one, str) for one in given):
        raise ValueError(f"expected a path or a list of paths, got {show(value)}")
    paths = tuple(map(expand_path, given))
    return paths[0] if len(paths) == 1 else paths


def check_paths(value: Any) -> Any:
    """Read one path as a list of one."""
    return [value] if isinstance(value, str) else value


def check_shares(train: Source | None, shares: Mapping[str, float]) -> None:
    """Check that the splits that are shares of the training data can be taken from it.

    Args:
        shares: fractions by split.

    Raises:
        ValueError: they cannot.
    """
    for split, share in shares.items():
        percent = f"{100 * share:g}%"
        if split not in ("dev", "test"):
            raise ValueError(f"data.{split}: expected documents, got a share of them: {percent}")
        if train is None:
            expected = "expected data.train, of which it is a share"
            raise ValueError(f"data.{split}: {percent}: {expected}, got none")
        if prepared_folder(train) is not None:
            expected = "expected documents in data.train, to take a share of"
            raise ValueError(f"data.{split}: {percent}: {expected}, got {train}")
        if not 0 < share < 1:
            expected = "expected more than 0% and less than 100%"
            raise ValueError(f"data.{split}: {expected}, got {percent}")
    total = sum(shares.values())
    if total >= 1:
        expected = "expected less than 100% of data.train together"
        raise ValueError(f"data.dev, data.test: {expected}, got {100 * total:g}%")


Sources = Annotated[Source, BeforeValidator(check_sources)]
Paths = Annotated[tuple[PathText, ...], BeforeValidator(check_paths)]


def check_rate(value: Any, expected: str = "auto or a number above 0") -> Any:
    if value == "auto":
        return value
    try:
        rate = float(value)  # to YAML 2e-3 is a text
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate < math.inf or isinstance(value, bool):
        raise ValueError(f"expected {expected}, got {show(value)}")
    return rate


def check_head_rate(value: Any) -> Any:
    return value if value is None else check_rate(value, "auto, a number above 0 or null")


def check_prior(value: Any) -> Any:
    """Take auto or a number from 0 to 1."""
    if value == "auto":
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1):
        raise ValueError(f"expected auto or a number from 0 to 1, got {show(value)}")
    return float(value)


Rate = Annotated[float | Literal["auto"], BeforeValidator(check_rate)]
HeadRate = Annotated[float | Literal["auto"] | None, BeforeValidator(check_head_rate)]
Prior = Annotated[float | Literal["auto"], BeforeValidator(check_prior)]
Epochs = Annotated[int | Literal["auto"], BeforeValidator(check_epochs)]
