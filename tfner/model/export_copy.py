"""What an export holds of a part of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf


class ExportCopy(NamedTuple):
    """A function of tensors, and all variables that it reads."""

    call: Callable[..., tf.Tensor]
    variables: Sequence[tf.Variable]
