"""Tell what the cells of a table hold: tags, lists, numbers, words or texts."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from tfner.exceptions import DataError
from tfner.safeio.printable import show
from tfner.tagging.schemes import is_tag, split_tag

Kind = Literal["empty", "tags", "tag lists", "lists", "numbers", "texts", "words"]
ENOUGH = 0.9  # share of the filled cells that are of a kind, where the column is
DEEPEST_LITERAL = 50  # brackets in one another
QUOTED = r"'[^']*'|\"[^\"]*\""
NUMPY_LIST = re.compile(rf"\[\s*(?:{QUOTED})(?:\s+(?:{QUOTED}))*\s*\]")
ITEM = re.compile(r"[^\s,'\"\[\]()]+")
NUMBER = re.compile(r"(?:sent(?:ence)?\W*)?\d+(?:\.0)?", re.IGNORECASE)
# Types of phrases, as CoNLL-2000 and CoNLL-2003 tag them beside the entities.
PHRASES = {"NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"}


def kind_of(cells: Iterable[str]) -> Kind:
    """Tell what most filled cells of a column hold.

    >>> kind_of(["B-PER", "O"]), kind_of(["O O B-PER", "O"]), kind_of(["12", "13"])
    ('tags', 'tag lists', 'numbers')
    >>> kind_of(["[[0, 4]]", "[]"]), kind_of(["Mara left.", "So it is."]), kind_of(["Mara", ""])
    ('lists', 'texts', 'words')
    """
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return "empty"

    def most(holds: Callable[[str], object]) -> bool:
        return sum(1 for cell in filled if holds(cell)) >= ENOUGH * len(filled)

    if most(is_tag_list) and any(len(split_list(cell)) > 1 or cell[0] == "[" for cell in filled):
        return "tag lists"
    if most(is_tag):
        return "tags"
    if most(lambda cell: cell[0] in "[{(" and cell[-1] in "]})"):
        return "lists"
    if most(NUMBER.fullmatch):
        return "numbers"
    spaced = sum(1 for cell in filled if " " in cell)
    return "texts" if 2 * spaced > len(filled) else "words"


def split_list(cell: str) -> list[str]:
    """Cut a list of tags into its tags, whoever wrote it: a person, JSON, Python or NumPy.

    >>> split_list("O B-PER"), split_list('["O", "B-PER"]'), split_list("['O' 'B-PER']")
    (['O', 'B-PER'], ['O', 'B-PER'], ['O', 'B-PER'])
    """
    return ITEM.findall(cell)


def is_tag_list(cell: str) -> bool:
    """Tell whether a cell holds tags alone."""
    tags = split_list(cell)
    return bool(tags) and cell[0] != "{" and all(map(is_tag, tags))


def are_phrases(cells: Sequence[str]) -> bool:
    """Tell tags of phrases, such as B-NP, from those of entities."""
    labels = {split_tag(cell)[1] for cell in map(str.strip, cells) if is_tag(cell)} - {""}
    return bool(labels) and labels <= PHRASES


def parse_list(cell: str, expected: str, where: str) -> list[Any]:
    """Read a list in a cell, as JSON, Python or NumPy writes it; an empty cell holds an empty one.

        >>> parse_list("[(0, 4, 'PER')]", "entities", "a.csv:2")
        [[0, 4, 'PER']]

    Raises:
        DataError: it is none.
    """
    if not cell.strip():
        return []
    if NUMPY_LIST.fullmatch(cell.strip()):
        return [quoted[1:-1] for quoted in re.findall(QUOTED, cell)]
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        value = parse_literal(cell)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise DataError(f"{where}: expected {expected}, got {show(cell)}")
    return value


def parse_literal(text: str) -> Any:
    """Read a value as Python writes it, tuples as lists; None where it is no plain value."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST_LITERAL:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            stripped = text.strip()
            value = ast.literal_eval(stripped)
        text = json.dumps(value)
        return json.loads(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
