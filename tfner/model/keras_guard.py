"""Refuse to work for the wrong Keras: silently it would take a loss for a function without a mask.

Keras 2 (`tf_keras`) and Keras 3 (`keras`) live in one process and know nothing of each other. A
loss or metric object of one that is compiled into a model of the other passes as "some function of
`y_true` and `y_pred`" and is called without the label mask.
"""

from __future__ import annotations

import sys

# TensorFlow's AutoGraph stands between Keras and what it calls, and compiles modules of this name.
_BETWEEN = ("tfner", "tensorflow", "__autograph_generated")


def refuse_other_keras(called: object, own: str) -> None:
    """Raise if the next caller outside this package is the Keras that `called` is not made for.

    Args:
        called: a loss or metric whose `__call__` asks.
        own: the package that it is made for, "tf_keras" or "keras".

    Raises:
        TypeError: the other Keras calls; the message says what to import.
    """
    other = {"tf_keras": "keras", "keras": "tf_keras"}[own]
    if _calling_package() != other:
        return
    name = type(called).__name__
    fault = f"expected a model of {own}, got one of {other}"
    remedy = f"use `from tfner.{other} import {name}` there"
    raise TypeError(f"tfner.{own}.{name}: {fault}: {remedy}")


def _calling_package() -> str:
    """Name the top-level package of the nearest caller that is not tfner or TensorFlow."""
    frame = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        package = name.partition(".")[0]
        if not package.startswith(_BETWEEN):
            return package
        frame = frame.f_back
    return ""
