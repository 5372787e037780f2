"""What the signatures of an export answer, as seen from outside: read, checked and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfner.serving.runtime.recognizer import Answer

KINDS = {"int32": "iu", "float32": "iuf"}  # a server may write 1 where it means 1.0


@dataclass(frozen=True)
class Output:
    """One output: int32, float32 or string, [B] or [B, E], and what stands where there is nothing."""

    dtype: str
    rank: int
    absent: int | float | bytes

    def array(self, value: Any) -> np.ndarray:
        """Nested lists or an array, as an array of this dtype (strings as bytes in an object array).

        Raises:
            ValueError: the rank or the type is another.
        """
        found = np.array(value, dtype=object if self.dtype == "string" else None)
        if found.ndim != self.rank:
            raise ValueError(
                f"{self.rank} dimensions expected, {found.ndim} found, or rows of unlike length"
            )
        if self.dtype == "string":
            return np.array([as_bytes(cell) for cell in found.flat], dtype=object).reshape(
                found.shape
            )
        if found.size and found.dtype.kind not in KINDS[self.dtype]:
            raise ValueError(f"{self.dtype} expected, {found.dtype} found")
        return found.astype(self.dtype)

    def nothing(self, rows: int, columns: int) -> np.ndarray:
        """The output for `rows` texts with nothing in them."""
        return np.full(
            (rows, columns)[: self.rank],
            self.absent,
            dtype=object if self.dtype == "string" else self.dtype,
        )


@dataclass(frozen=True)
class Signature:
    """A function of the served model: its only input, and those of its outputs that a recognizer needs.

    All outputs of rank 2 have the same shape: that of the input where there is one value `per_word`, else [B, E] with any E.
    """

    name: str
    input: str
    outputs: Mapping[str, Output]
    per_word: bool = False

    def read(self, outputs: Mapping[str, Any], values: Sequence[Any]) -> Answer:
        """The outputs for the values that were sent, B texts or [B, W] words.

        Raises:
            ValueError: an output is missing, or of a type or shape that does not go with what was sent and the other outputs.
        """
        answer = {name: self._read(name, outputs) for name in self.outputs}
        shapes = {name: array.shape for name, array in answer.items()}
        if {shape[0] for shape in shapes.values()} != {len(values)} or len(
            {shape[1:] for shape in shapes.values()} - {()}
        ) > 1:
            raise ValueError(
                f"expected outputs of like shapes, {len(values)} rows each, got {shapes}"
            )
        if self.per_word and {shape[1] for shape in shapes.values()} != {len(values[0])}:
            raise ValueError(
                f"expected outputs with {len(values[0])} columns, as many as words were sent, got {shapes}"
            )
        return answer

    def _read(self, name: str, outputs: Mapping[str, Any]) -> np.ndarray:
        if name not in outputs:
            raise ValueError(
                f"expected the output {name}, got {', '.join(sorted(outputs)) or 'none'}: is this a model of tfner's?"
            )
        try:
            return self.outputs[name].array(outputs[name])
        except (ValueError, TypeError) as error:
            raise ValueError(f"output {name}: {error}") from None

    def nothing(self, rows: int, columns: int = 0) -> Answer:
        """The answer for sentences without a word, or for no texts at all: nobody needs to be asked."""
        return {name: output.nothing(rows, columns) for name, output in self.outputs.items()}

    def merge(self, answers: Sequence[Answer], columns: int = 0) -> Answer:
        """One answer from those to consecutive requests, as wide as the widest of them and at least `columns`."""
        answers = answers or [self.nothing(0)]
        return {
            name: stack([answer[name] for answer in answers], output.absent, columns)
            for name, output in self.outputs.items()
        }


def stack(parts: Sequence[np.ndarray], absent: int | float | bytes, columns: int) -> np.ndarray:
    """[B1, ...], [B2, ...] -> [B1 + B2, ...]; matrices are filled up to the widest."""
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    width = max(columns, *(part.shape[1] for part in parts))
    return np.concatenate(
        [
            np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=absent)
            for part in parts
        ]
    )


def as_bytes(cell: Any) -> bytes:
    if isinstance(cell, str):
        return cell.encode("utf-8")
    if not isinstance(cell, bytes):
        raise ValueError(f"strings expected, {type(cell).__name__} found")
    return cell


TEXTS = Signature(
    "serving_default",
    "text",
    {
        "entity_start": Output("int32", 2, -1),
        "entity_end": Output("int32", 2, -1),
        "entity_label": Output("string", 2, b""),
        "entity_score": Output("float32", 2, 0.0),
        "entity_count": Output("int32", 1, 0),
    },
)
WORDS = Signature(
    "words",
    "words",
    {"tag": Output("string", 2, b""), "score": Output("float32", 2, 0.0)},
    per_word=True,
)
