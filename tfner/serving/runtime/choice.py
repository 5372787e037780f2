"""Choose what runs an export in this process: TensorFlow's Python, or its C API alone."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from tfner.exceptions import ConfigError
from tfner.safeio.printable import show

Runtime = Literal["auto", "tensorflow", "c"]
RUNTIMES = get_args(Runtime)
PLATFORMS = ("linux", "darwin")
TESTED = "2.21."  # the versions of TensorFlow whose C API is tested
# What a driver puts there: NVIDIA's, and AMD's.
GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
NOTHING = ("", "-1")


class Threads(NamedTuple):
    """Number the threads that compute in one operation, and operations under way at once.

    0 leaves it to TensorFlow: TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS, or all processors.
    """

    intra: int = 0
    inter: int = 0


def check_runtime(runtime: str) -> None:
    """Refuse what names no runtime.

    Raises:
        ConfigError: it is none of `auto`, `tensorflow` and `c`.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime: expected {' or '.join(RUNTIMES)}, got {show(runtime)}")


def tries_c_api(runtime: Runtime) -> bool:
    """Tell whether a model is to be opened over the C API, if it can be."""
    return runtime == "c" or (runtime == "auto" and why_tensorflow() is None)


def why_tensorflow() -> str | None:
    """Say why `auto` takes TensorFlow's Python here; None where it takes the C API."""
    if "tensorflow" in sys.modules:
        return "TensorFlow is imported already"
    if sys.platform not in PLATFORMS:
        return f"the C API is not tested on {sys.platform}"
    version = tensorflow_version()
    if not version.startswith(TESTED):
        return f"the C API is tested with TensorFlow {TESTED}x, not with {version}"
    return "there is a GPU" if has_gpu() else None


def tensorflow_version() -> str:
    """Read the version of the installed wheel without importing it."""
    for name in ("tensorflow", "tensorflow-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "none"


def has_gpu() -> bool:
    """Tell whether TensorFlow may find a GPU, without importing it."""
    if any(os.environ.get(name) in NOTHING for name in HIDING):
        return False
    return any(device.exists() for device in GPU_DEVICES)
