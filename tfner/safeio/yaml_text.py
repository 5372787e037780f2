"""Parse YAML of unknown origin, bounded in size, depth and what its aliases come to.

Whatever is wrong has its line and column. Why not by another library: docs/decisions/yaml.md.
"""

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
    """Say why, and where, a text is no YAML that is taken."""

    def __init__(self, reason: str, mark: yaml.Mark | None = None):
        super().__init__(reason)
        self.reason = " ".join(reason.split())
        self.position = f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the settings in a file.

    Raises:
        ConfigError: it cannot be read, is no YAML, or YAML that is not a mapping.
    """
    text = read_utf8(path, LARGEST_FILE, ConfigError, "utf-8-sig")
    try:
        values = load(text)
    except YamlFaultError as fault:
        raise ConfigError(f"{path}{fault.position}: not valid YAML: {fault.reason}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, got {type(values).__name__}")
    return values


def parse_value(text: str, key: str) -> Any:
    """Parse the value of a setting from a command line.

    A text such as `*.conll`, which in a file would be an alias, stands for itself.

    Raises:
        ConfigError: it is no YAML.
    """
    if text.startswith("*"):
        return text
    try:
        return load(text)
    except YamlFaultError as fault:
        got = show(text)
        raise ConfigError(f"{key}: not a YAML value: {got} ({fault.reason})") from None


def dump_yaml(values: dict[str, Any]) -> str:
    """Write settings as YAML, in their order."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def load(text: str) -> Any:
    """Parse a text to a value of plain types.

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
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise YamlFaultError(reason, error.problem_mark) from None
    except yaml.reader.ReaderError as error:
        character = f"the character U+{error.character:04X} at character {error.position + 1}"
        raise YamlFaultError(f"{character}: {error.reason}") from None
    finally:
        if loader is not None:
            loader.dispose()


class BoundedLoader(yaml.SafeLoader):
    """Builds nothing that is nested too deeply for Python to look at."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Count how deep a node is, then build it."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise YamlFaultError(f"nested more than {DEEPEST} deep", self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values that a node comes to, each alias as all that it stands for.

    `known` holds the counts of nodes by their id: 0 while a node is being counted.

    Raises:
        YamlFaultError: there are too many, or an alias stands inside of what it stands for.
    """
    before = known.get(id(node))
    if before == 0:
        raise YamlFaultError("an alias inside of what it stands for", node.start_mark)
    if before is not None:
        return before
    known[id(node)] = 0
    count = 1 + sum(count_values(child, known) for child in children(node))
    if count > MOST_VALUES:
        raise YamlFaultError(f"with its aliases more than {MOST_VALUES:,} values", node.start_mark)
    known[id(node)] = count
    return count


def children(node: yaml.Node) -> Iterator[yaml.Node]:
    """List the keys and values of a mapping, or the values of a sequence."""
    if isinstance(node, yaml.MappingNode):
        check_keys(node)
        for key_and_value in node.value:
            yield from key_and_value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def check_keys(node: yaml.MappingNode) -> None:
    """Check that no key stands twice: YAML's readers take the last without a word.

    Raises:
        YamlFaultError: one does.
    """
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
            if key.value in seen:
                raise YamlFaultError(f"the key {show(key.value)} stands twice", key.start_mark)
            seen.add(key.value)


def check_scalars(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    """Check each plain value: it can be shaped like a date or a number and be none, as 2026-13-45.

    Raises:
        YamlFaultError: one is none.
    """
    if not isinstance(node, yaml.ScalarNode):
        for child in children(node):
            check_scalars(loader, child)
        return
    if node.tag == MERGE:
        return
    try:
        loader.construct_object(node)
    except (ValueError, AttributeError, TypeError):
        kind = node.tag.rpartition(":")[2]
        got = show(node.value)
        reason = f"expected a value of the kind {kind}, got {got}; in quotes it is text"
        raise YamlFaultError(reason, node.start_mark) from None
