"""JSON of unknown origin: whatever is wrong with it becomes one message with file, line and column."""

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


def parse_json(
    text: str, path: Path | str, *, line: int = 1, error: type[TfnerError] = DataError
) -> Any:
    """The value that a JSON text holds; the text begins in `line` of `path`.

    Raises:
        `error`: it is no JSON, or JSON that Python cannot hold: nested too deeply, or with a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        raise error(
            f"{place(text, fault.pos, path, line)}: not valid JSON: {fault.msg[:1].lower()}{fault.msg[1:]}"
        ) from None
    except RecursionError:
        raise error(
            f"{place(text, find_depth(text), path, line)}: not valid JSON: nested more than {DEEPEST} deep"
        ) from None
    except ValueError:
        digits = sys.get_int_max_str_digits()
        where = re.search(rf"\d{{{digits + 1}}}", text)
        raise error(
            f"{place(text, where.start() if where else 0, path, line)}: not valid JSON: a whole number of more than {digits} digits"
        ) from None


def read_json(path: Path, error: type[TfnerError] = DataError) -> Any:
    """The value in a JSON file.

    Raises:
        `error`: it cannot be read, is too large to be what it should be, is not UTF-8 or no JSON.
    """
    return parse_json(read_utf8(path, LARGEST_FILE, error, "utf-8-sig"), path, error=error)


def read_json_object(path: Path, error: type[TfnerError] = DataError) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        `error`: as `read_json`, or it holds another value.
    """
    value = read_json(path, error)
    if not isinstance(value, dict):
        raise error(f"{path}: expected a JSON object, got {show(value)}")
    return value


def place(text: str, position: int, path: Path | str, line: int) -> str:
    """`path:line:column`, both from 1."""
    return f"{path}:{line + text.count(chr(10), 0, position)}:{position - text.rfind(chr(10), 0, position)}"


def find_depth(text: str) -> int:
    """Where a text is first nested deeper than DEEPEST; strings are no nesting. 0 where it never is."""
    depth = 0
    for token in TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > DEEPEST:
            return token.start()
    return 0
