"""Plain values to settings; what is wrong is told with its key and, for an unknown key, the nearest known one."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tfner.exceptions import ConfigError
from tfner.safeio.printable import show

MISTAKES_TOLD = 20
Kind = TypeVar("Kind", bound=BaseModel)


def validate(values: Mapping[str, Any], kind: type[Kind], source: str) -> Kind:
    """Settings of a kind from plain values; up to MISTAKES_TOLD mistakes are told at once, each with its key."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [describe(item, kind) for item in error.errors()[:MISTAKES_TOLD]]
        lines += (
            [f"and {error.error_count() - MISTAKES_TOLD:,} more"]
            if error.error_count() > MISTAKES_TOLD
            else []
        )
        raise ConfigError(f"{source}: " + "; ".join(lines)) from None


def describe(item: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """One pydantic error as `key.path: what is wrong`."""
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown; {suggest(key, kind)}"
    if item["type"] == "missing":
        return f"{key}: required, but not given"
    message = item["msg"].removeprefix("Value error, ")
    shown = "" if item["type"] == "value_error" else f", got {show(item['input'])}"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}" if key else message


def suggest(key: str, kind: type[BaseModel]) -> str:
    known = list(known_keys(kind))
    by_last_name = {name.rsplit(".", 1)[-1]: name for name in known}
    near = difflib.get_close_matches(key, known, 1, 0.75)
    near = near or [
        by_last_name[last]
        for last in difflib.get_close_matches(key.rsplit(".", 1)[-1], by_last_name, 1, 0.6)
    ]
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(siblings(key, known))}"


def siblings(key: str, known: Sequence[str]) -> list[str]:
    parent = key.rpartition(".")[0]
    found = [name for name in known if name.rpartition(".")[0] == parent]
    return found or [name for name in known if "." not in name]


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield prefix + name
        kind = info.annotation
        if (
            isinstance(kind, type)
            and not isinstance(kind, types.GenericAlias)
            and issubclass(kind, BaseModel)
        ):
            yield from known_keys(kind, f"{prefix}{name}.")
