"""Ask a SavedModel through TensorFlow's C API, in a process that imports neither TensorFlow's
Python nor ours: a stand-alone script.

`TF_LoadSessionFromSavedModel` is the loader that TensorFlow Serving calls, so what answers here
needs the registered core ops, the one library of TF.Text that is loaded, and nothing else. A
server's REST and gRPC codecs and its batching are not covered.

    python -I -S tests/support/c_api.py PACKAGES < question.json > answer.json

PACKAGES is a folder with `tensorflow` and `tensorflow_text`: site-packages, or unpacked wheels of
any version for Linux. question: {"model": folder of one version or null, "requests": [[signature,
{input: [shape, flat values]}], ...], "library": the file of TF.Text's, WordPiece's if it is not
given, none if it is null} answer: {"version", "core_ops": {name: [attribute, ...]}
without TF.Text's, "signatures", "answers": [{output: [shape, flat values]}, ...], "imported":
modules that are not Python's own} Strings are bytes read as Latin-1, so that JSON holds any of
them.
"""

from __future__ import annotations

import ctypes as c
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEXT_OPS = Path("tensorflow_text", "python", "ops")
WORDPIECE = "_fast_wordpiece_tokenizer.so"
FLOAT, INT32, STRING = 1, 3, 7  # of the enumeration DataType
NUMBERS = {FLOAT: c.c_float, INT32: c.c_int32}
STRING_BYTES = 24  # sizeof(TF_TString)
DELIMITED, WIDTHS = (
    2,
    {1: 8, 5: 4},
)  # wire types of protocol buffers: bytes after their length, numbers of a fixed width
Flat = list[Any]  # [shape, flat values]


class Buffer(c.Structure):
    """TF_Buffer."""

    _fields_ = [("data", c.c_void_p), ("length", c.c_size_t), ("deallocator", c.c_void_p)]


class Port(c.Structure):
    """TF_Output: one output of an operation of the graph."""

    _fields_ = [("operation", c.c_void_p), ("index", c.c_int)]


P, PP, BUFFER = c.c_void_p, c.POINTER(c.c_void_p), c.POINTER(Buffer)
FUNCTIONS = {  # name -> type of the result, types of the arguments
    "Version": (c.c_char_p,),
    "NewStatus": (P,),
    "DeleteStatus": (None, P),
    "GetCode": (c.c_int, P),
    "Message": (c.c_char_p, P),
    "LoadLibrary": (P, c.c_char_p, P),
    "DeleteLibraryHandle": (None, P),
    "GetAllOpList": (BUFFER,),
    "NewBuffer": (BUFFER,),
    "DeleteBuffer": (None, BUFFER),
    "NewGraph": (P,),
    "DeleteGraph": (None, P),
    "GraphOperationByName": (P, P, c.c_char_p),
    "NewSessionOptions": (P,),
    "DeleteSessionOptions": (None, P),
    "LoadSessionFromSavedModel": (
        P,
        P,
        P,
        c.c_char_p,
        c.POINTER(c.c_char_p),
        c.c_int,
        P,
        BUFFER,
        P,
    ),
    "SessionRun": (
        None,
        P,
        P,
        c.POINTER(Port),
        PP,
        c.c_int,
        c.POINTER(Port),
        PP,
        c.c_int,
        PP,
        c.c_int,
        P,
        P,
    ),
    "CloseSession": (None, P, P),
    "DeleteSession": (None, P, P),
    "AllocateTensor": (P, c.c_int, c.POINTER(c.c_int64), c.c_int, c.c_size_t),
    "DeleteTensor": (None, P),
    "TensorType": (c.c_int, P),
    "TensorData": (P, P),
    "NumDims": (c.c_int, P),
    "Dim": (c.c_int64, P, c.c_int),
    "StringInit": (None, P),
    "StringCopy": (None, P, c.c_char_p, c.c_size_t),
    "StringGetDataPointer": (P, P),
    "StringGetSize": (c.c_size_t, P),
    "StringDealloc": (None, P),
}


class TensorFlow:
    """The functions of the C API as attributes, without their prefix."""

    def __init__(self, packages: Path):
        paths = [
            packages / "tensorflow" / f"libtensorflow_{name}.so.2" for name in ("framework", "cc")
        ]
        self.libraries = [c.CDLL(str(path), c.RTLD_GLOBAL) for path in paths]
        for name, (result, *arguments) in FUNCTIONS.items():
            function = self._find(f"TF_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def _find(self, name: str) -> Any:
        return next(getattr(library, name) for library in self.libraries if hasattr(library, name))

    @contextmanager
    def status(self, doing: str) -> Iterator[int]:
        """A status for one call, which must be OK after it."""
        status = self.NewStatus()
        try:
            yield status
            if self.GetCode(status):
                raise RuntimeError(f"{doing}: {self.Message(status).decode()}")
        finally:
            self.DeleteStatus(status)

    def ops(self) -> dict[str, list[str]]:
        """All registered ops: name -> names of the attributes."""
        buffer = self.GetAllOpList()
        try:
            return {
                text(op, 1): [text(attribute, 1) for attribute in members(op, 4)]
                for op in members(content(buffer), 1)
            }
        finally:
            self.DeleteBuffer(buffer)

    def load_library(self, path: Path) -> None:
        """Register the ops of a shared library; they stay after the handle is gone."""
        with self.status(str(path)) as status:
            handle = self.LoadLibrary(str(path).encode(), status)
        self.DeleteLibraryHandle(handle)


# --- protocol buffers, as far as a MetaGraphDef and an OpList need them ---------------------------


def content(buffer: Any) -> bytes:
    return c.string_at(buffer.contents.data, buffer.contents.length)


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The number and value of each field: an int, or bytes for all that is no varint."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            value, at = varint(message, at)
        else:
            size, at = varint(message, at) if key & 7 == DELIMITED else (WIDTHS[key & 7], at)
            value, at = message[at : at + size], at + size
        yield key >> 3, value


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and the place behind it; negative ones
    are 64 bits wide."""
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not message[at - 1] & 0x80:
            return value - (value >> 63 << 64), at


def members(message: bytes, number: int) -> list[Any]:
    return [value for found, value in fields(message) if found == number]


def text(message: bytes, number: int) -> str:
    return b"".join(members(message, number)[-1:]).decode()


def read_signatures(meta_graph: bytes) -> dict[str, Any]:
    """MetaGraphDef.signature_def: name -> {"inputs": {name: [tensor, dtype, shape]}, "outputs":
    ...}; the loader's own are left out."""
    entries = {text(entry, 1): b"".join(members(entry, 2)) for entry in members(meta_graph, 5)}
    return {
        name: {"inputs": read_tensors(signature, 1), "outputs": read_tensors(signature, 2)}
        for name, signature in sorted(entries.items())
        if not name.startswith("__")
    }


def read_tensors(signature: bytes, number: int) -> dict[str, Any]:
    """A map of TensorInfo; the shape is null if the rank is unknown, -1 stands for an unknown
    size."""
    found = {}
    for entry in members(signature, number):
        info = b"".join(members(entry, 2))
        shape = b"".join(members(info, 3))
        sizes = [sum(members(dimension, 1)) for dimension in members(shape, 2)]
        found[text(entry, 1)] = [
            text(info, 1),
            sum(members(info, 2)),
            None if any(members(shape, 3)) else sizes,
        ]
    return dict(sorted(found.items()))


# --- tensors --------------------------------------------------------------------------------------


def new_tensor(tf: Any, dtype: int, shape: list[int], values: list[Any]) -> int:
    """A tensor of ours, to be given back to `delete_tensor`."""
    size = STRING_BYTES if dtype == STRING else c.sizeof(NUMBERS[dtype])
    tensor = tf.AllocateTensor(
        dtype, (c.c_int64 * len(shape))(*shape), len(shape), size * math.prod(shape)
    )
    if dtype == STRING:
        for place, value in zip(strings_of(tf, tensor), values, strict=True):
            tf.StringInit(place)
            tf.StringCopy(place, value.encode("latin-1"), len(value))
    else:
        numbers_of(tf, tensor)[:] = values
    return tensor


def delete_tensor(tf: Any, tensor: int) -> None:
    """Free a tensor of ours and its strings; TensorFlow frees those of its own tensors itself."""
    if tf.TensorType(tensor) == STRING:
        for place in strings_of(tf, tensor):
            tf.StringDealloc(place)
    tf.DeleteTensor(tensor)


def read_tensor(tf: Any, tensor: int) -> Flat:
    if tf.TensorType(tensor) == STRING:
        places = strings_of(tf, tensor)
        values = [
            c.string_at(tf.StringGetDataPointer(place), tf.StringGetSize(place)).decode("latin-1")
            for place in places
        ]
    else:
        values = list(numbers_of(tf, tensor))
    return [shape_of(tf, tensor), values]


def shape_of(tf: Any, tensor: int) -> list[int]:
    return [tf.Dim(tensor, axis) for axis in range(tf.NumDims(tensor))]


def strings_of(tf: Any, tensor: int) -> list[int]:
    """The addresses of a tensor's strings."""
    first = tf.TensorData(tensor) or 0
    return [first + STRING_BYTES * number for number in range(math.prod(shape_of(tf, tensor)))]


def numbers_of(tf: Any, tensor: int) -> Any:
    """A tensor's memory as an array."""
    count = math.prod(shape_of(tf, tensor))
    array = NUMBERS[tf.TensorType(tensor)] * count
    return array.from_address(tf.TensorData(tensor)) if count else array()


# --- the session ----------------------------------------------------------------------------------


class Session:
    """A loaded SavedModel."""

    def __init__(self, tf: Any, folder: str):
        self.tf, self.graph = tf, tf.NewGraph()
        options, meta_graph = tf.NewSessionOptions(), tf.NewBuffer()
        try:
            with tf.status(folder) as status:
                tags = (c.c_char_p * 1)(b"serve")
                self.session = tf.LoadSessionFromSavedModel(
                    options, None, folder.encode(), tags, 1, self.graph, meta_graph, status
                )
            self.signatures = read_signatures(content(meta_graph))
        finally:
            tf.DeleteSessionOptions(options)
            tf.DeleteBuffer(meta_graph)

    def ask(self, name: str, inputs: dict[str, Flat]) -> dict[str, Flat]:
        """The outputs of a signature."""
        tf, signature = self.tf, self.signatures[name]
        wanted = signature["outputs"]
        given = [
            new_tensor(tf, signature["inputs"][name][1], *value) for name, value in inputs.items()
        ]
        fetched = (c.c_void_p * len(wanted))()
        try:
            with tf.status(name) as status:
                sources = self._ports(signature["inputs"][name][0] for name in inputs)
                targets = self._ports(tensor for tensor, *_ in wanted.values())
                values = (c.c_void_p * len(given))(*given)
                counts = len(given), len(fetched)
                tf.SessionRun(
                    self.session,
                    None,
                    sources,
                    values,
                    counts[0],
                    targets,
                    fetched,
                    counts[1],
                    None,
                    0,
                    None,
                    status,
                )
            return {
                name: read_tensor(tf, tensor) for name, tensor in zip(wanted, fetched, strict=True)
            }
        finally:
            for tensor in given:
                delete_tensor(tf, tensor)
            for tensor in filter(None, fetched):
                tf.DeleteTensor(tensor)

    def _ports(self, names: Iterator[str]) -> Any:
        """The graph's outputs of names such as `StatefulPartitionedCall:2`."""
        parts = [name.rpartition(":") for name in names]
        return (Port * len(parts))(
            *(
                Port(self.tf.GraphOperationByName(self.graph, name.encode()), int(i))
                for name, _, i in parts
            )
        )

    def close(self) -> None:
        with self.tf.status("close") as status:
            self.tf.CloseSession(self.session, status)
            self.tf.DeleteSession(self.session, status)
        self.tf.DeleteGraph(self.graph)


def main(packages: Path) -> None:
    question = json.load(sys.stdin)
    tf = TensorFlow(packages)
    answer = {"version": tf.Version().decode(), "core_ops": tf.ops()}
    if question["model"]:
        library = question.get("library", WORDPIECE)
        if library:
            tf.load_library(packages / TEXT_OPS / library)
        session = Session(tf, question["model"])
        answer["signatures"] = session.signatures
        answer["answers"] = [session.ask(name, inputs) for name, inputs in question["requests"]]
        session.close()
    answer["imported"] = sorted(
        {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__"}
    )
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
