"""Serve an export on this machine with the paths and messages of TensorFlow Serving.

A stand-in for development, not for production.
"""

from __future__ import annotations

import importlib.util

from tfner.exceptions import MissingExtraError

PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn", "grpc": "grpcio"}
PACKAGES["tensorflow_serving"] = "tensorflow-serving-api"


def require_packages() -> None:
    """Look, without importing them, whether the packages of the extra `serving` are there.

    Raises:
        MissingExtraError: one is not; the message holds the `pip install` line.
    """
    for module, package in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(package, "serving", "the server")
