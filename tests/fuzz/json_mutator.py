"""Mutations of JSON that stay JSON.

Values take one another's places, or those of values that readers seldom see.
"""

from __future__ import annotations

import json
import random
from typing import Any

PARTS = b"\0\0"  # parts the files of an input that has several
LONE_SURROGATE = "\ud83d"
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        12,
        10**20,
        0.5,
        1e999,
        float("nan"),
        "",
        " ",
        "O",
        "B-X",
        "I-X",
        "B- ",
        "x",
        "accept",
        "BertTokenizer",
    ),
    *(
        LONE_SURROGATE,
        "B-" + LONE_SURROGATE,
        "\u2028",
        [],
        {},
        [[]],
        [0, 1, "X"],
        [[0, 1, "X"]],
        ["a", "b"],
        ["B-X", "O"],
        "a" * 3000,
    ),
    *(
        {"start": 0, "end": 1, "label": "X"},
        {"text": "a b"},
        ["a", {"entities": []}],
        [{"start": 0, "end": 1}],
    ),
)


def mutate(data: bytes, seed: int, keys: tuple[str, ...]) -> bytes:
    """Change one of the files of an input."""
    draw = random.Random(seed)
    parts = data.split(PARTS)
    place = draw.randrange(len(parts))
    return PARTS.join([*parts[:place], mutate_file(parts[place], draw, keys), *parts[place + 1 :]])


def mutate_file(content: bytes, draw: random.Random, keys: tuple[str, ...]) -> bytes:
    """Change up to three places of the values in a JSON text, or in one of its lines.

    What is no JSON stays as it is.
    """
    lines = content.decode("utf-8", "replace").split("\n")
    number = draw.randrange(len(lines))
    whole = draw.random() < 0.5
    try:
        value = json.loads("\n".join(lines) if whole else lines[number])
        for _ in range(draw.randint(1, 3)):
            value = change(value, draw, keys)
        changed = json.dumps(value)
    except (ValueError, RecursionError):
        return content
    lines = [changed] if whole else [*lines[:number], changed, *lines[number + 1 :]]
    return "\n".join(lines).encode()


def change(value: Any, draw: random.Random, keys: tuple[str, ...]) -> Any:
    """The value with one place in it replaced, added or taken away."""
    here = draw.random()
    if isinstance(value, dict) and value and here < 0.7:
        key = draw.choice(list(value))
        return {**value, key: change(value[key], draw, keys)}
    if isinstance(value, list) and value and here < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], change(value[place], draw, keys), *value[place + 1 :]]
    if isinstance(value, dict) and here < 0.9:
        return (
            {**value, draw.choice(keys): draw.choice(VALUES)}
            if draw.random() < 0.7
            else dict(list(value.items())[1:])
        )
    if isinstance(value, list) and here < 0.9:
        return [*value, draw.choice([*VALUES, *value])] if draw.random() < 0.7 else value[1:]
    if here > 0.98:
        return nest(value, draw.randint(1, 400))
    return draw.choice(VALUES)


def nest(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value
