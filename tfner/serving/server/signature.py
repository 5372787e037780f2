"""Describe what a signature takes and gives as plain values: names, types and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.tensor_types import print_shape

DEFAULT_SIGNATURE = "serving_default"
Tensors = dict[str, np.ndarray]  # strings are bytes in an array of dtype object


class TensorSpec(NamedTuple):
    """Name a type as TensorFlow's errors do, and a shape: -1 for any size, None for any rank."""

    dtype: str
    shape: tuple[int, ...] | None

    def check(self, name: str, shape: Sequence[int]) -> None:
        """Hold a shape against what the input `name` takes.

        Raises:
            RequestError: it does not fit.
        """
        if self.shape is None:
            return
        same_rank = len(shape) == len(self.shape)
        if not (same_rank and all(map(fits, self.shape, shape))):
            wanted = print_shape(self.shape)
            got = print_shape(shape)
            raise invalid(f"input {name}: expected shape {wanted}, got {got}")


def fits(wanted: int, size: int) -> bool:
    """Tell whether an axis may have this size; a wanted -1 takes any."""
    return size >= 0 and wanted in (-1, size)


@dataclass(frozen=True, slots=True)
class ServedSignature:
    """List the inputs and outputs of one signature by name."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method: str = "tensorflow/serving/predict"


def find_signature(signatures: Mapping[str, ServedSignature], name: str) -> ServedSignature:
    """Look a signature up by its name.

    Raises:
        RequestError: there is none of that name.
    """
    if name not in signatures:
        raise RequestError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    return signatures[name]
