"""Define what an export holds of an encoder or a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf


class ExportCopy(NamedTuple):
    """Hold a function of tensors and all variables that it reads."""

    call: Callable[..., tf.Tensor]
    variables: Sequence[tf.Variable]
