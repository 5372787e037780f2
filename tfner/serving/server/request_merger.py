"""Make one request of several for the same signature, and cut the answer into theirs.

No output is named here: what is cut, and where, follows from the signature of the loaded model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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

        Two texts with one and two entities were asked together; the first gets one column back:

        >>> PLANE = TensorSpec("int32", (-1, -1))
        >>> ask = RequestMerger(ServedSignature(TEXTS, {"entity_start": PLANE}))
        >>> requests = [{"text": np.array([b"Anna"])}, {"text": np.array([b"Bo met Cy"])}]
        >>> answer = {"entity_start": np.array([[0, -1], [0, 7]])}
        >>> [own["entity_start"].tolist() for own in ask.split(answer, requests)]
        [[[0]], [[0, 7]]]
        """
        tensors = [request[self._input] for request in requests]
        widths = [tensor.shape[1] if tensor.ndim == 2 else 0 for tensor in tensors]
        answers, start = [], 0
        for tensor, width in zip(tensors, widths, strict=True):
            stop = start + len(tensor)
            rows = {name: value[start:stop] for name, value in answer.items()}
            least = {max(widths): width}
            answers.append(self._cut_padding(rows, least))
            start = stop
        return answers

    def _cut_padding(self, rows: Tensors, least: dict[int, int]) -> Tensors:
        """Cut the second axis of padded outputs behind the last column that holds a value.

        Outputs of one size are cut alike, and to no less than `least` says of that size: the
        words of a sentence have tags, whatever these are.
        """
        sizes = {name: rows[name].shape[1] for name in self._padded}
        for size in set(sizes.values()):
            alike = [name for name in self._padded if sizes[name] == size]
            width = occupied_width((rows[name] for name in alike), least.get(size, 0))
            for name in alike:
                rows[name] = rows[name][:, :width]
        return rows


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


def occupied_width(tensors: Iterable[np.ndarray], least: int = 0) -> int:
    """Count the columns of [B, E, ...] tensors up to the last in which one holds a value.

    >>> occupied_width([np.array([[3, -1, -1]]), np.array([[b"PER", b"LOC", b""]], object)])
    2
    """
    width = least
    for tensor in tensors:
        beyond = tensor[:, width:]  # what other tensors have shown to be occupied is not compared
        absent = ABSENT.get(tensor.dtype.kind, 0)
        present = beyond != absent
        other_axes = (0, *range(2, tensor.ndim))
        (columns,) = np.nonzero(present.any(axis=other_axes))
        width += int(columns.max(initial=-1)) + 1
    return width
