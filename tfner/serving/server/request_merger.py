"""Make one request of several for the same signature, and cut the answer into theirs.

No output is named here: what is cut, and where, follows from the signature of the loaded model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfner.serving.server.signature import ServedSignature, Tensors, TensorSpec

# Inputs of signatures that answer row by row. Of others it is not known whether rows are apart.
TEXTS = {"text": TensorSpec("string", (-1,))}
SENTENCES = {"words": TensorSpec("string", (-1, -1))}
ABSENT = {"i": -1, "O": b""}  # by NumPy's kind of type: fills rows up; 0 for other types


class RequestMerger:
    """Merge requests of one signature, whose only input is strings [B] or [B, W]."""

    def __init__(self, signature: ServedSignature):
        (self._input,) = signature.inputs
        outputs = signature.outputs.items()
        self._padded = [name for name, spec in outputs if any_width(spec)]

    def merge(self, requests: Sequence[Tensors]) -> Tensors:
        r"""Stack requests, each [B, W] filled up with b"", which is no word, to the widest.

        >>> ask = RequestMerger(ServedSignature(SENTENCES, {}))
        >>> one, other = np.array([[b"Anna", b"left"]], object), np.array([[b"Bo"]], object)
        >>> ask.merge([{"words": one}, {"words": other}])["words"].tolist()
        [[b'Anna', b'left'], [b'Bo', b'']]
        """
        tensors = [request[self._input] for request in requests]
        if tensors[0].ndim == 2:
            width = max(tensor.shape[1] for tensor in tensors)
            tensors = [widen(tensor, width) for tensor in tensors]
        return {self._input: np.concatenate(tensors)}

    def split(self, answer: Tensors, requests: Sequence[Tensors]) -> list[Tensors]:
        """Cut an answer into those of its requests: each has the rows and the width it had alone.

        Outputs of one size are cut alike, behind the last column in which one has a value.
        Two texts with one and two entities were asked together; the first gets one column back:

        >>> PLANE = TensorSpec("int32", (-1, -1))
        >>> ask = RequestMerger(ServedSignature(TEXTS, {"entity_start": PLANE}))
        >>> requests = [{"text": np.array([b"Anna"])}, {"text": np.array([b"Bo met Cy"])}]
        >>> answer = {"entity_start": np.array([[0, -1], [0, 7]])}
        >>> [own["entity_start"].tolist() for own in ask.split(answer, requests)]
        [[[0]], [[0, 7]]]
        """
        tensors = [request[self._input] for request in requests]
        given = [tensor.shape[1] if tensor.ndim == 2 else 0 for tensor in tensors]
        asked = max(given)
        widths_B = self._widths(answer)
        answers, start = [], 0
        for tensor, width in zip(tensors, given, strict=True):
            stop = start + len(tensor)
            rows = {name: value[start:stop] for name, value in answer.items()}
            for name in self._padded:
                size = rows[name].shape[1]
                # The words of a sentence have tags, whatever these are: cut to no less.
                least = width if size == asked else 0
                own_width = widths_B[size][start:stop].max(initial=least)
                rows[name] = rows[name][:, :own_width]
            answers.append(rows)
            start = stop
        return answers

    def _widths(self, answer: Tensors) -> dict[int, np.ndarray]:
        """Find each row's own width, int [B], for outputs that are padded to one size; by size."""
        alike: dict[int, list[np.ndarray]] = {}
        for name in self._padded:
            tensor = answer[name]
            alike.setdefault(tensor.shape[1], []).append(tensor)
        return {size: occupied_widths(tensors) for size, tensors in alike.items()}


def merger_of(signature: ServedSignature) -> RequestMerger | None:
    """Make a merger for a signature; None where its rows are not known to be apart."""
    shapes = [spec.shape for spec in signature.outputs.values()]
    by_row = all(shape and shape[0] == -1 for shape in shapes)
    has_padding = any(map(any_width, signature.outputs.values()))
    if signature.inputs in (TEXTS, SENTENCES) and by_row and has_padding:
        return RequestMerger(signature)
    return None


def any_width(spec: TensorSpec) -> bool:
    """Tell whether the second axis has no fixed size, so that rows are filled up to the widest."""
    return spec.shape is not None and spec.shape[1:2] == (-1,)


def widen(words_BW: np.ndarray, width: int) -> np.ndarray:
    """Fill rows up with b"", [B, W] -> [B, width].

    >>> widen(np.array([[b"Bo"]], object), 3).tolist()
    [[b'Bo', b'', b'']]
    """
    rows, own_width = words_BW.shape
    widened = np.full((rows, width), b"", object)
    widened[:, :own_width] = words_BW
    return widened


def occupied_widths(tensors: Sequence[np.ndarray]) -> np.ndarray:
    """Count each row's columns up to the last that holds a value in one of the tensors.

    Returns:
        int [B], of tensors [B, E, ...].

    >>> starts, labels = np.array([[0, -1], [-1, -1]]), np.array([[b"", b""], [b"", b"A"]], object)
    >>> occupied_widths([starts, labels]).tolist()
    [1, 2]
    """
    rows, size = tensors[0].shape[:2]
    columns = np.arange(1, size + 1)
    widths_B = np.zeros(rows, int)
    for tensor in tensors:
        absent = ABSENT.get(tensor.dtype.kind, 0)
        present = tensor != absent
        inner_axes = tuple(range(2, tensor.ndim))
        present_BE = present.any(axis=inner_axes)
        last_B = (present_BE * columns).max(axis=1, initial=0)
        widths_B = np.maximum(widths_B, last_B)
    return widths_B
