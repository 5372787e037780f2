"""Reads the identifiers of modules and parts them into words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Identifier(NamedTuple):
    """Holds a name and where it stands."""

    name: str
    where: str


def identifiers(folder: Path) -> Iterator[Identifier]:
    """List all names of the modules under a folder: theirs, and those of all that they name."""
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder.parent)
        yield Identifier(path.stem, str(relative))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for name in names_of(node):
                yield Identifier(name, f"{relative}:{getattr(node, 'lineno', 0)}")


def names_of(node: ast.AST) -> Iterator[str]:
    """List the names that one node of a syntax tree gives or uses."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.arg, ast.keyword)):
        yield node.arg or ""
    elif isinstance(node, ast.alias):
        yield from node.name.split(".")
        yield node.asname or ""


def words_of(name: str) -> list[str]:
    """Part a name into its words.

    >>> words_of("_take_rows"), words_of("TFRecordsV2")
    (['take', 'rows'], ['tf', 'records', 'v', '2'])
    """
    return [word.lower() for word in WORD.findall(name)]


def holds(name: str, banned: str) -> bool:
    """Tell whether a name holds a word or words in a row, in the singular or the plural.

    >>> holds("solve_stretches", "stretch"), holds("OnePass", "one_pass"), holds("replace", "place")
    (True, True, False)
    """
    text = "_".join(["", *words_of(name), ""])
    return re.search(f"_{banned}(s|es)?_", text) is not None
