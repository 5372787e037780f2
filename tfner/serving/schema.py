"""Declare what an export is asked and what it answers: the one place that says so.

The functions of the graph (`export/signatures.py`), the clients over REST, gRPC and asyncio, the
merging of answers and both cards of an export are made from `SIGNATURES`. To add an output, add an
`OutputSchema` to one of them: its `compute` gets what the graph has found (`FoundEntities`,
`FoundTags` or `FoundPieces`) and gives the tensor. TensorFlow is not imported here, since a client
over REST does without it.

A letter stands for each axis: B texts or sentences, E entities of the text that has most, W words
of the longest sentence, T pieces, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Outputs = dict[str, np.ndarray]  # of a signature, by name; strings are bytes in an object array
NUMPY_KINDS = {"int32": "iu", "float32": "iuf"}  # a server may write 1 where it means 1.0
FILLS_ROWS = {"int32": -1, "float32": 0.0, "string": b""}  # what an answer's shorter rows end with


@dataclass(frozen=True)
class TensorSchema:
    """Declare one input or output of a signature.

    Args:
        dtype: "int32", "float32" or "string".
        axes: a letter for each axis: "BE".
        absent: fills the places where there is nothing, such as those behind a text's last entity.
    """

    name: str
    dtype: str
    axes: str
    description: str
    absent: int | float | bytes

    @property
    def numpy_dtype(self) -> np.dtype:
        return np.dtype(object if self.dtype == "string" else self.dtype)

    def read(self, value: Any) -> np.ndarray:
        """Convert nested lists or an array to an array of this dtype.

        Raises:
            ValueError: the rank or the type is another.
        """
        is_string = self.dtype == "string"
        found = np.array(value, dtype=object if is_string else None)
        rank = len(self.axes)
        if found.ndim != rank:
            came = f"{found.ndim} found, or rows of unlike length"
            raise ValueError(f"{rank} dimensions expected, {came}")
        if is_string:
            cells = [as_bytes(cell) for cell in found.flat]
            return np.array(cells, dtype=object).reshape(found.shape)
        if found.size and found.dtype.kind not in NUMPY_KINDS[self.dtype]:
            raise ValueError(f"{self.dtype} expected, {found.dtype} found")
        return found.astype(self.dtype)

    def empty(self, *sizes: int) -> np.ndarray:
        """Make an array that says that nothing is there; further `sizes` than axes are left."""
        shape = sizes[: len(self.axes)]
        return np.full(shape, self.absent, self.numpy_dtype)

    def describe(self) -> dict[str, Any]:
        """Say for the card, in JSON's types, what the tensor is."""
        absent = self.absent.decode() if isinstance(self.absent, bytes) else self.absent
        kind = {"dtype": self.dtype, "axes": list(self.axes)}
        return {**kind, "absent": absent, "description": self.description}


@dataclass(frozen=True)
class OutputSchema(TensorSchema):
    """Declare one output and how the graph makes it.

    Args:
        compute: gives the tensor from what the graph has found; where that is nothing, the graph
            puts `absent`.
        required: whether an answer without it is an error; not for outputs that older exports lack.
        only_with: the entry of the card without which an export has no such output, and `compute`
            gives None.

    Raises:
        ValueError: `absent` is not what a server knows rows to be filled up with.
    """

    compute: Callable[[Any], Any]
    required: bool = False
    only_with: str = ""

    def __post_init__(self) -> None:
        expected = FILLS_ROWS[self.dtype]
        if len(self.axes) > 1 and self.absent != expected:
            raise ValueError(
                f"output {self.name}: expected absent={expected!r}, got {self.absent!r}"
            )


@dataclass(frozen=True)
class SignatureSchema:
    """Declare one function of a served model."""

    name: str
    inputs: tuple[TensorSchema, ...]
    outputs: tuple[OutputSchema, ...]

    def with_output(self, output: OutputSchema) -> SignatureSchema:
        """Declare one more output."""
        return replace(self, outputs=(*self.outputs, output))

    def read(self, outputs: Mapping[str, Any], values: Sequence[Any]) -> Outputs:
        """Read an answer to the values of the only input: B texts or [B, W] words.

        Outputs that are not declared are left out, and so are declared ones that the export is too
        old to give.

        Raises:
            ValueError: a required output is missing, or one has a type or shape that does not go
                with the others.
        """
        answer = {}
        for tensor in self.outputs:
            if tensor.name in outputs:
                value = outputs[tensor.name]
                answer[tensor.name] = read_named(tensor, value)
            elif tensor.required:
                came = ", ".join(sorted(outputs)) or "none"
                missing = f"expected the output {tensor.name}, got {came}"
                raise ValueError(f"{missing}: is this a model of tfner's?")
        self._check_sizes(answer, values)
        return answer

    def _check_sizes(self, answer: Outputs, values: Sequence[Any]) -> None:
        """Hold every axis of an answer against what was asked and against the other outputs."""
        sizes = {"B": len(values)}
        if "W" in self.inputs[0].axes:
            sizes["W"] = len(values[0])
        for tensor in self.outputs:
            shape = answer[tensor.name].shape if tensor.name in answer else ()
            for axis, size in zip(tensor.axes, shape, strict=False):
                expected = sizes.setdefault(axis, size)
                if size != expected:
                    mismatch = f"expected {axis} to be {expected}, got {size}"
                    raise ValueError(f"output {tensor.name}: {mismatch}")

    def empty(self, rows: int, columns: int = 0) -> Outputs:
        """Answer for texts with nothing in them, which no model needs to be asked about."""
        return {tensor.name: tensor.empty(rows, columns) for tensor in self.outputs}

    def merge(self, answers: Sequence[Outputs], columns: int = 0) -> Outputs:
        """Make one answer from those to consecutive requests, at least `columns` wide.

        >>> first = {"tag": np.array([[b"O"]], object), "score": np.array([[0.5]])}
        >>> second = {"tag": np.array([[b"O", b"B-LOC"]], object), "score": np.array([[1.0, 0.25]])}
        >>> merged = SIGNATURES[WORDS].merge([first, second])
        >>> merged["tag"].tolist(), merged["score"].tolist()
        ([[b'O', b''], [b'O', b'B-LOC']], [[0.5, 0.0], [1.0, 0.25]])
        """
        answers = answers or [self.empty(0)]
        merged = {}
        for tensor in self.outputs:
            arrays = [answer[tensor.name] for answer in answers if tensor.name in answer]
            if len(arrays) == len(answers):  # a server may have changed versions in between
                merged[tensor.name] = stack(arrays, tensor.absent, columns)
        return merged

    def outputs_of(self, card: Mapping[str, Any]) -> list[OutputSchema]:
        """List the outputs that an export with this card has."""
        return [each for each in self.outputs if not each.only_with or each.only_with in card]

    def describe(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """Say for the card of an export, in JSON's types, what the signature takes and gives."""
        inputs = {tensor.name: tensor.describe() for tensor in self.inputs}
        outputs = {tensor.name: tensor.describe() for tensor in self.outputs_of(card)}
        return {"inputs": inputs, "outputs": outputs}


def read_named(tensor: TensorSchema, value: Any) -> np.ndarray:
    """Read an output; an error names it."""
    try:
        return tensor.read(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"output {tensor.name}: {error}") from None


def stack(
    arrays: Sequence[np.ndarray], absent: int | float | bytes, columns: int = 0
) -> np.ndarray:
    """Put arrays of unlike width one behind the other: [B1, ...], [B2, ...] -> [B1 + B2, ...].

    Those of rank 2 or more are filled with `absent` up to the widest, and up to `columns`.

    >>> stack([np.array([[0, 19]]), np.array([[7], [2]])], absent=-1).tolist()
    [[0, 19], [7, -1], [2, -1]]
    >>> stack([np.array([2]), np.array([1, 1])], absent=0).tolist()
    [2, 1, 1]
    """
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    rows = sum(map(len, arrays))
    width = max(columns, *(array.shape[1] for array in arrays))
    shape = (rows, width, *arrays[0].shape[2:])
    stacked = np.full(shape, absent, arrays[0].dtype)
    start = 0
    for array in arrays:
        end = start + len(array)
        stacked[start:end, : array.shape[1]] = array
        start = end
    return stacked


def as_bytes(cell: Any) -> bytes:
    if isinstance(cell, str):
        return cell.encode("utf-8")
    if not isinstance(cell, bytes):
        kind = type(cell).__name__
        raise ValueError(f"strings expected, {kind} found")
    return cell


# --- the declaration ----------------------------------------------------------------------------

TEXTS = "serving_default"
WORDS = "words"
FEATURES = "features"
ENTITY_SCORES = "entity_score"  # of words, by which clients score the entities that they spell

ENTITIES_OF_TEXTS = SignatureSchema(
    TEXTS,
    (TensorSchema("text", "string", "B", "texts of any length and any bytes", b""),),
    (
        OutputSchema(
            "entity_start", "int32", "BE", "first character of an entity, in code points", -1,
            lambda found: found.at_first(found.tokens.unit_start), required=True,
        ),
        OutputSchema(
            "entity_end", "int32", "BE", "one past its last character, in code points", -1,
            lambda found: found.at_last(found.tokens.unit_end), required=True,
        ),
        OutputSchema(
            "entity_start_byte", "int32", "BE", "first byte of its UTF-8", -1,
            lambda found: found.at_first(found.tokens.unit_start_byte),
        ),
        OutputSchema(
            "entity_end_byte", "int32", "BE", "one past its last byte", -1,
            lambda found: found.at_last(found.tokens.unit_end_byte),
        ),
        OutputSchema(
            "entity_label", "string", "BE", "its type", b"",
            lambda found: found.label, required=True,
        ),
        OutputSchema(
            "entity_score", "float32", "BE",
            "mean probability of the tags of its words; the chance that it is right, if calibrated",
            0.0,
            lambda found: found.spans.entity_score, required=True,
        ),
        OutputSchema(
            "entity_count", "int32", "B", "entities of a text; more than E where E is bounded", 0,
            lambda found: found.spans.count, required=True,
        ),
    ),
)  # fmt: skip
TAGS_OF_WORDS = SignatureSchema(
    WORDS,
    (TensorSchema("words", "string", "BW", 'words of sentences, "" behind the last one', b""),),
    (
        OutputSchema(
            "tag", "string", "BW", "tag of a word, in the model's tag scheme", b"",
            lambda found: found.tag, required=True,
        ),
        OutputSchema(
            "score", "float32", "BW", "its probability; 0 for a word without a visible character",
            0.0, lambda found: found.score, required=True,
        ),
        OutputSchema(
            ENTITY_SCORES, "float32", "BW",
            "calibrated score of the entity that a word is in; 0 outside of entities",
            0.0, lambda found: found.entity_score, only_with="calibration",
        ),
    ),
)  # fmt: skip
PROBABILITIES_OF_PIECES = SignatureSchema(
    FEATURES,
    (
        TensorSchema("input_ids", "int32", "BT", "pieces, [CLS] and [SEP] included", 0),
        TensorSchema("length", "int32", "B", "pieces of a row; what is behind changes nothing", 0),
    ),
    (
        OutputSchema(
            "probabilities", "float32", "BTK", "probability of each tag", 0.0,
            lambda found: found.probabilities, required=True,
        ),
    ),
)  # fmt: skip
SIGNATURES: dict[str, SignatureSchema] = {
    schema.name: schema for schema in (ENTITIES_OF_TEXTS, TAGS_OF_WORDS, PROBABILITIES_OF_PIECES)
}
