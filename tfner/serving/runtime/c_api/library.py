"""Declare the functions of TensorFlow's C API that a SavedModel needs to be run.

They are in the shared libraries of TensorFlow's wheel. Loading those takes a tenth of the time that
`import tensorflow` takes.
"""

from __future__ import annotations

import ctypes as c
import functools
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SUFFIXES = {"linux": ".so.2", "darwin": ".2.dylib"}
LIBRARIES = ("libtensorflow_framework", "libtensorflow_cc")


class Buffer(c.Structure):
    """Point to bytes of TensorFlow's: TF_Buffer."""

    _fields_ = [("data", c.c_void_p), ("length", c.c_size_t), ("deallocator", c.c_void_p)]


class Port(c.Structure):
    """Point to one output of an operation of a graph: TF_Output."""

    _fields_ = [("operation", c.c_void_p), ("index", c.c_int)]


P, PP, N = c.c_void_p, c.POINTER(c.c_void_p), c.c_size_t
BUFFER, PORTS, AXES = c.POINTER(Buffer), c.POINTER(Port), c.POINTER(c.c_int64)
# Name without the prefix TF_ -> type of the result, types of the arguments. The last argument of
# those that may fail is a status.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "Version": (c.c_char_p,),
    "NewStatus": (P,),
    "DeleteStatus": (None, P),
    "GetCode": (c.c_int, P),
    "Message": (c.c_char_p, P),
    "LoadLibrary": (P, c.c_char_p, P),
    "DeleteLibraryHandle": (None, P),
    "NewBufferFromString": (BUFFER, c.c_char_p, N),
    "DeleteBuffer": (None, BUFFER),
    "NewGraph": (P,),
    "DeleteGraph": (None, P),
    "NewImportGraphDefOptions": (P,),
    "DeleteImportGraphDefOptions": (None, P),
    "GraphImportGraphDef": (None, P, BUFFER, P, P),
    "GraphOperationByName": (P, P, c.c_char_p),
    "NewSessionOptions": (P,),
    "SetConfig": (None, P, c.c_char_p, N, P),
    "DeleteSessionOptions": (None, P),
    "NewSession": (P, P, P, P),
    "SessionRun": (None, P, P, PORTS, PP, c.c_int, PORTS, PP, c.c_int, PP, c.c_int, P, P),
    "CloseSession": (None, P, P),
    "DeleteSession": (None, P, P),
    "AllocateTensor": (P, c.c_int, AXES, c.c_int, N),
    "DeleteTensor": (None, P),
    "TensorType": (c.c_int, P),
    "TensorData": (P, P),
    "TensorByteSize": (N, P),
    "NumDims": (c.c_int, P),
    "Dim": (c.c_int64, P, c.c_int),
    "StringInit": (None, P),
    "StringCopy": (None, P, c.c_char_p, N),
    "StringDealloc": (None, P),
}


class CError(Exception):
    """Say what TensorFlow said; `code` is that of its status."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


class CLibrary:
    """Hold the functions of the C API as attributes, without their prefix.

    Raises:
        OSError: there is no wheel of TensorFlow, or its libraries cannot be loaded here.
        AttributeError: they lack a function.
    """

    def __init__(self) -> None:
        folder = find_wheel()
        suffix = SUFFIXES[sys.platform]
        paths = [folder / f"{name}{suffix}" for name in LIBRARIES]
        # Not global: TensorFlow's own OpenSSL would take the place of the one that Python's ssl and
        # hashlib are made for, which crash. TF.Text's libraries name those that they need.
        libraries = [c.CDLL(str(path), c.RTLD_LOCAL) for path in paths]
        for name, (result, *arguments) in FUNCTIONS.items():
            function = find_function(f"TF_{name}", libraries)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for type checkers, which do not see `setattr`
        raise AttributeError(name)

    @contextmanager
    def status(self) -> Iterator[int]:
        """Give a status for one call.

        Raises:
            CError: it was not OK in the end.
        """
        status = self.NewStatus()
        try:
            yield status
            code = self.GetCode(status)
            if code:
                message = self.Message(status)
                raise CError(code, message.decode(errors="replace"))
        finally:
            self.DeleteStatus(status)

    def load_ops(self, path: Path) -> None:
        """Register the ops of a shared library; they stay as long as the process."""
        with self.status() as status:
            handle = self.LoadLibrary(str(path).encode(), status)
        self.DeleteLibraryHandle(handle)


@functools.cache
def load_c_library() -> CLibrary:
    """Load the libraries, once in a process."""
    return CLibrary()


def find_wheel() -> Path:
    """Find the folder of TensorFlow's package, without importing it."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise OSError("the package tensorflow is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def find_function(name: str, libraries: list[c.CDLL]) -> Any:
    """Find a function in the first library that has it."""
    for library in libraries:
        if hasattr(library, name):
            return getattr(library, name)
    raise AttributeError(f"TensorFlow's libraries have no function {name}")
