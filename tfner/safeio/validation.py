"""Turn plain values into settings; what is wrong is said with its key.

For an unknown key the nearest known one is named.
"""

from __future__ import annotations

import difflib
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tfner.exceptions import ConfigError
from tfner.safeio.printable import show

MISTAKES_SHOWN = 20
FOLLOWS = "default_factory_not_called"  # a default that depends on a wrong value: no other mistake
NO_LIST = ("tuple_type", "list_type")
Kind = TypeVar("Kind", bound=BaseModel)


def validate(values: Mapping[str, Any], kind: type[Kind], source: str) -> Kind:
    """Make settings of a kind from plain values.

    Raises:
        ConfigError: the first MISTAKES_SHOWN mistakes, each with its key, behind `source`.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        mistakes = [each for each in error.errors() if each["type"] != FOLLOWS]
        shown = mistakes[:MISTAKES_SHOWN]
        lines = [describe_mistake(each, kind) for each in shown]
        more = len(mistakes) - len(shown)
        if more:
            lines.append(f"and {more:,} more")
        raise ConfigError(f"{source}: " + "; ".join(lines)) from None


def copy_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy nested settings; paths become texts.

    >>> from pathlib import Path
    >>> copy_values({"data": {"train": Path("a.conll")}})
    {'data': {'train': 'a.conll'}}
    """
    copied: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            value = copy_values(value)
        elif isinstance(value, os.PathLike):
            value = os.fspath(value)
        copied[key] = value
    return copied


def describe_mistake(item: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """Write one of pydantic's errors as `key.path: what is wrong`."""
    key = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown; {suggest(key, kind)}"
    if item["type"] == "missing":
        return f"{key}: required, but not given"
    if item["type"] in NO_LIST:
        return f"{key}: expected a list in brackets, got {show(item['input'])}"
    message = item["msg"].removeprefix("Value error, ")
    if not key:
        return message
    message = message[0].lower() + message[1:]
    if item["type"] == "value_error":  # our own, which says what came
        return f"{key}: {message}"
    got = show(item["input"])
    return f"{key}: {message}, got {got}"


def suggest(key: str, kind: type[BaseModel]) -> str:
    """Name the known key that is nearest to an unknown one, else those beside it."""
    known = list(known_keys(kind))
    parent, _, last_name = key.rpartition(".")
    near = elsewhere(key, known)
    if not near and parent in known:
        near = nearest_inside(parent, last_name, known)
    elif not near:
        near = difflib.get_close_matches(key, known, 1, 0.75)
    if not near:
        by_last_name = {name.rsplit(".", 1)[-1]: name for name in known}
        cutoff = 0.75 if parent in known else 0.6  # more where the group is known
        names = difflib.get_close_matches(last_name, by_last_name, 1, cutoff)
        near = [by_last_name[name] for name in names]
    if near:
        return f"did you mean {near[0]}?"
    beside = ", ".join(siblings(key, known))
    return f"known here: {beside}"


def elsewhere(key: str, known: Sequence[str]) -> list[str]:
    """Find the key of the same last name in another group, the one with the nearest group.

    >>> elsewhere("trainig.epochs", ["name", "training.epochs"])
    ['training.epochs']
    """
    last_name = key.rpartition(".")[-1]
    same = [name for name in known if name.rpartition(".")[-1] == last_name]
    return difflib.get_close_matches(key, same, 1, 0.0)


def nearest_inside(group: str, name: str, known: Sequence[str]) -> list[str]:
    """Find the setting of a group that is nearest to a name: by letters, initials or a word of it.

    >>> known = ["training", "training.epochs", "training.learning_rate"]
    >>> [nearest_inside("training", name, known) for name in ("epoks", "lr", "rate")]
    [['training.epochs'], ['training.learning_rate'], ['training.learning_rate']]
    """
    inside = siblings(f"{group}.{name}", known)
    by_name = {key.rpartition(".")[-1]: key for key in inside}
    for each in by_name:
        words = each.split("_")
        initials = "".join(word[0] for word in words)
        if len(words) > 1 and (name == initials or name in words):
            return [by_name[each]]
    near = difflib.get_close_matches(name, by_name, 1, 0.6)
    return [by_name[each] for each in near]


def siblings(key: str, known: Sequence[str]) -> list[str]:
    """List the known keys of the group that a key is in, else those of no group."""
    parent = key.rpartition(".")[0]
    found = [name for name in known if name.rpartition(".")[0] == parent]
    return found or [name for name in known if "." not in name]


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """List the paths of all settings of a kind, groups before what is in them."""
    for name, info in model.model_fields.items():
        yield prefix + name
        kind: Any = info.annotation
        is_class = isinstance(kind, type) and not isinstance(kind, types.GenericAlias)
        if is_class and issubclass(kind, BaseModel):
            yield from known_keys(kind, f"{prefix}{name}.")
