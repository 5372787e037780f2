"""Load a SavedModel over the C API, and answer its signatures."""

from __future__ import annotations

import ctypes as c
import weakref
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from tfner.serving.export.tensorflow_messages import ConfigProto, MetaGraphDef
from tfner.serving.runtime.c_api.library import CLibrary, Port
from tfner.serving.runtime.c_api.tensors import StringTensor, read_tensor
from tfner.serving.runtime.choice import Threads
from tfner.serving.schema import Outputs

TAGS = (c.c_char_p * 1)(b"serve")
# Of RewriterConfig: the graph is rewritten once, not twice, which finds next to nothing more.
ONCE = 1


class ClosedError(RuntimeError):
    """Say that a model was asked after it was closed."""


class Ports(NamedTuple):
    """Hold what a signature reads and writes in the graph."""

    input: Port
    names: list[str]
    outputs: c.Array[Port]


class Session:
    """Hold a loaded SavedModel, whose signatures take one tensor of strings each.

    Several threads may ask. It is freed when it is closed and nobody asks any more, or when nothing
    refers to it.

    Raises:
        CError: it cannot be loaded.
    """

    def __init__(self, library: CLibrary, folder: Path, threads: Threads):
        self._library = library
        self._graph = library.NewGraph()
        options = new_options(library, threads)
        buffer = library.NewBuffer()
        try:
            with library.status() as status:
                inputs = (options, None, str(folder).encode(), TAGS, len(TAGS))
                session = library.LoadSessionFromSavedModel(*inputs, self._graph, buffer, status)
            content = c.string_at(buffer.contents.data, buffer.contents.length)
        except BaseException:
            library.DeleteGraph(self._graph)
            raise
        finally:
            library.DeleteSessionOptions(options)
            library.DeleteBuffer(buffer)
        self._session = session
        self._free = weakref.finalize(self, free, library, session, self._graph)
        self._free.atexit = False  # threads may still ask then; the process frees all
        self._lock = Lock()
        self._asking = 0
        self._closed = False
        self._signatures = {}
        for name, definition in MetaGraphDef.FromString(content).signature_def.items():
            if len(definition.inputs) == 1:
                self._signatures[name] = self._find_ports(definition)

    @property
    def signatures(self) -> list[str]:
        """List the names of the signatures."""
        return sorted(self._signatures)

    def ask(self, signature: str, texts: Sequence[bytes], shape: Sequence[int]) -> Outputs:
        """Answer strings, given flat, of a shape.

        Raises:
            ClosedError: the session was closed.
            CError: the graph cannot answer.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the model was closed")
            self._asking += 1
        try:
            with StringTensor(self._library, texts, shape) as question:
                return self._run(self._signatures[signature], question)
        finally:
            with self._lock:
                self._asking -= 1
            self._free_if_unused()

    def close(self) -> None:
        """Free the model, once those who ask it now have their answers."""
        with self._lock:
            self._closed = True
        self._free_if_unused()

    def _free_if_unused(self) -> None:
        with self._lock:
            unused = self._closed and not self._asking
        if unused:
            self._free()  # once, however often it is called

    def _run(self, ports: Ports, question: StringTensor) -> Outputs:
        library = self._library
        count = len(ports.outputs)
        fetched = (c.c_void_p * count)()
        fed = (c.c_void_p * 1)(question.address)
        try:
            with library.status() as status:
                asked = (ports.input, fed, 1)
                wanted = (ports.outputs, fetched, count)
                library.SessionRun(self._session, None, *asked, *wanted, None, 0, None, status)
            arrays = [read_tensor(library, tensor) for tensor in fetched]
            return dict(zip(ports.names, arrays, strict=True))
        finally:
            for tensor in filter(None, fetched):
                library.DeleteTensor(tensor)

    def _find_ports(self, definition: object) -> Ports:
        (given,) = definition.inputs.values()  # pyright: ignore[reportAttributeAccessIssue]
        outputs = definition.outputs  # pyright: ignore[reportAttributeAccessIssue]
        names = sorted(outputs)
        found = [self._find_port(outputs[name].name) for name in names]
        return Ports(self._find_port(given.name), names, (Port * len(found))(*found))

    def _find_port(self, tensor: str) -> Port:
        """Find the output of an operation by a name such as `StatefulPartitionedCall:2`."""
        name, _, index = tensor.partition(":")
        operation = self._library.GraphOperationByName(self._graph, name.encode())
        return Port(operation, int(index or 0))


def new_options(library: CLibrary, threads: Threads) -> int:
    """Make the options of a session: its threads, and no GPU."""
    config = ConfigProto(
        device_count={"GPU": 0},
        intra_op_parallelism_threads=threads.intra,
        inter_op_parallelism_threads=threads.inter,
        use_per_session_threads=bool(threads.inter),
    )
    config.graph_options.rewrite_options.meta_optimizer_iterations = ONCE
    written = config.SerializeToString()
    options = library.NewSessionOptions()
    with library.status() as status:
        library.SetConfig(options, written, len(written), status)
    return options


def free(library: CLibrary, session: int, graph: int) -> None:
    """Free a session and its graph."""
    for act in (library.CloseSession, library.DeleteSession):
        with library.status() as status:
            act(session, status)
    library.DeleteGraph(graph)
