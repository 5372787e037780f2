"""What a signature takes and gives, as plain values: names, types and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfner.serving.server.request_error import RequestError, invalid

DEFAULT_SIGNATURE = "serving_default"
Tensors = dict[str, np.ndarray]  # strings are bytes in an array of dtype object


class TensorSpec(NamedTuple):
    """TensorFlow's name of the type, as its errors print it, and the shape, -1 where any size goes; None: any rank."""

    dtype: str
    shape: tuple[int, ...] | None

    def check(self, name: str, shape: Sequence[int]) -> None:
        """Hold a shape against what the input `name` takes.

        Raises:
            RequestError: it does not fit.
        """
        if self.shape is None or (
            len(shape) == len(self.shape) and all(map(fits, self.shape, shape))
        ):
            return
        raise invalid(
            f"input {name}: expected shape {print_shape(self.shape)}, got {print_shape(shape)}"
        )


def fits(wanted: int, size: int) -> bool:
    return size >= 0 and wanted in (-1, size)


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of one signature by name."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method: str = "tensorflow/serving/predict"


def print_shape(shape: Sequence[int]) -> str:
    """As TensorFlow prints shapes: `[2,?]`."""
    return f"[{','.join('?' if size < 0 else str(size) for size in shape)}]"


def find_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """The signature of that name.

    Raises:
        RequestError: there is none.
    """
    try:
        return signatures[name]
    except KeyError:
        raise RequestError(
            "FAILED_PRECONDITION", f'Serving signature key "{name}" not found.'
        ) from None
