"""YAML of unknown origin: bounded in size, depth and what its aliases come to, and whatever is wrong has its line and column."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tfner.exceptions import ConfigError
from tfner.safeio.bounded import read_utf8
from tfner.safeio.printable import show

LARGEST_FILE = 1 << 20  # bytes
MOST_VALUES = 10_000  # with each alias counted as all that it stands for
DEEPEST = 50
MERGE = "tag:yaml.org,2002:merge"


class YamlFaultError(Exception):
    """What is wrong with a text, and where."""

    def __init__(self, reason: str, mark: yaml.Mark | None = None):
        super().__init__(reason)
        self.reason = " ".join(reason.split())
        self.place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def read_yaml(path: Path) -> dict[str, Any]:
    """The settings in a file.

    Raises:
        ConfigError: it cannot be read, is no YAML, or YAML that is not a mapping.
    """
    text = read_utf8(path, LARGEST_FILE, ConfigError, "utf-8-sig")
    try:
        values = load(text)
    except YamlFaultError as fault:
        raise ConfigError(f"{path}{fault.place}: not valid YAML: {fault.reason}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, got {type(values).__name__}")
    return values


def parse_value(text: str, key: str) -> Any:
    """The value of a setting from a command line.

    Raises:
        ConfigError: it is no YAML.
    """
    try:
        return load(text)
    except YamlFaultError as fault:
        raise ConfigError(f"{key}: not a YAML value: {show(text)} ({fault.reason})") from None


def dump_yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def load(text: str) -> Any:
    """The value of a text, of plain types only.

    Raises:
        YamlFaultError: it is no YAML, too large or too deep, or says a key twice.
    """
    loader = None
    try:
        loader = BoundedLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        count_values(node, {})
        check_scalars(loader, node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise YamlFaultError(
            ", ".join(filter(None, (error.context, error.problem))), error.problem_mark
        ) from None
    except yaml.reader.ReaderError as error:
        raise YamlFaultError(
            f"the character U+{error.character:04X} at character {error.position + 1}: {error.reason}"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


class BoundedLoader(yaml.SafeLoader):
    """Nothing is built that is nested too deeply for Python to look at."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise YamlFaultError(f"nested more than {DEEPEST} deep", self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node comes to; `known` are those of nodes that were counted, 0 while they are."""
    if known.get(id(node)) == 0:
        raise YamlFaultError("an alias inside of what it stands for", node.start_mark)
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 0
    known[id(node)] = 1 + sum(count_values(child, known) for child in children(node))
    if known[id(node)] > MOST_VALUES:
        raise YamlFaultError(f"with its aliases more than {MOST_VALUES:,} values", node.start_mark)
    return known[id(node)]


def children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        check_keys(node)
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def check_keys(node: yaml.MappingNode) -> None:
    """Of a key that stands twice YAML's readers take the last, and the first would be lost without a word."""
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
            if key.value in seen:
                raise YamlFaultError(f"the key {show(key.value)} stands twice", key.start_mark)
            seen.add(key.value)


def check_scalars(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    """A value can be shaped like a date or a number and be none: 2026-13-45."""
    if not isinstance(node, yaml.ScalarNode):
        for child in children(node):
            check_scalars(loader, child)
        return
    if node.tag == MERGE:
        return
    try:
        loader.construct_object(node)
    except (ValueError, AttributeError, TypeError):
        kind, got = node.tag.rpartition(":")[2], show(node.value)
        raise YamlFaultError(
            f"expected a value of the kind {kind}, got {got}; in quotes it is text", node.start_mark
        ) from None
