"""Parse JSON of unknown origin; what is wrong becomes one message with file, line and column."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from tfner.exceptions import DataError, TfnerError
from tfner.safeio.bounded import read_utf8
from tfner.safeio.printable import show

LARGEST_FILE = 256 << 20  # bytes of a configuration, vocabulary or card
DEEPEST = 500  # lists and objects in one another, where Python's parser has given up
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)
DEEPER = {"[": 1, "{": 1, "]": -1, "}": -1}  # strings are no nesting


def parse_json(
    text: str, path: Path | str, *, line: int = 1, error: type[TfnerError] = DataError
) -> Any:
    """Parse a text that begins in `line` of `path`.

    Raises:
        `error`: it is no JSON, or JSON that Python cannot hold: nested too deeply, or with a number
            of thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        position = fault.pos
        first, rest = fault.msg[:1], fault.msg[1:]
        reason = first.lower() + rest
    except RecursionError:
        position = find_too_deep(text)
        reason = f"nested more than {DEEPEST} deep"
    except ValueError:
        digits = sys.get_int_max_str_digits()
        number = re.search(rf"\d{{{digits + 1}}}", text)
        position = number.start() if number else 0
        reason = f"a whole number of more than {digits} digits"
    where = locate(text, position, path, line)
    raise error(f"{where}: not valid JSON: {reason}")


def read_json(path: Path, error: type[TfnerError] = DataError) -> Any:
    """Read the value in a JSON file.

    Raises:
        `error`: it cannot be read, is too large to be what it should be, is not UTF-8 or no JSON.
    """
    text = read_utf8(path, LARGEST_FILE, error, "utf-8-sig")
    return parse_json(text, path, error=error)


def read_json_object(path: Path, error: type[TfnerError] = DataError) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        `error`: as `read_json`, or it holds another value.
    """
    value = read_json(path, error)
    if not isinstance(value, dict):
        raise error(f"{path}: expected a JSON object, got {show(value)}")
    return value


def locate(text: str, position: int, path: Path | str, line: int) -> str:
    """Write a position in a text as `path:line:column`, both from 1.

    >>> locate('{"a":\\n  ?', 8, "x.json", 1)
    'x.json:2:3'
    """
    line += text.count("\n", 0, position)
    column = position - text.rfind("\n", 0, position)
    return f"{path}:{line}:{column}"


def find_too_deep(text: str) -> int:
    """Find where a text is first nested deeper than DEEPEST; 0 where it never is."""
    depth = 0
    for token in TOKEN.finditer(text):
        depth += DEEPER.get(token[0], 0)
        if depth > DEEPEST:
            return token.start()
    return 0
