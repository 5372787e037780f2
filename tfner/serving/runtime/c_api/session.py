"""Load a SavedModel over the C API, and answer its signatures."""

from __future__ import annotations

import ctypes as c
import weakref
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tfner.safeio.printable import show
from tfner.serving.export.graph_guard import GRAPH, SERVE, VARIABLES
from tfner.serving.export.tensorflow_messages import ConfigProto, SavedModel
from tfner.serving.runtime.c_api.library import CError, CLibrary, Port
from tfner.serving.runtime.c_api.tensors import StringTensor, read_tensor
from tfner.serving.runtime.choice import Threads
from tfner.serving.schema import Outputs

# Of RewriterConfig: the graph is rewritten once, not twice, which finds next to nothing more.
ONCE = 1
NOT_FOUND = 5  # of the codes of a status


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
        CError, KeyError: it cannot be loaded.
    """

    def __init__(self, library: CLibrary, folder: Path, threads: Threads):
        definition = serving_graph(folder)
        self._library = library
        self._graph = import_graph(library, definition.graph_def)
        self._session = new_session(library, self._graph, threads)
        self._free = weakref.finalize(self, free, library, self._session, self._graph)
        self._free.atexit = False  # threads may still ask then; the process frees all
        self._lock = Lock()
        self._asking = 0
        self._closed = False
        self._restore(definition.saver_def, folder / VARIABLES)
        self._signatures = {}
        for name, signature in definition.signature_def.items():
            if len(signature.inputs) == 1:
                self._signatures[name] = self._find_ports(signature)

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
                return self._ask(self._signatures[signature], question)
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

    def _restore(self, saver: Any, prefix: Path) -> None:
        """Read the variables, as a server does; what else it would run first computes nothing."""
        operation = self._find_port(saver.restore_op_name).operation
        target = (c.c_void_p * 1)(operation)
        given = self._find_port(saver.filename_tensor_name)
        content = str(prefix).encode()
        with StringTensor(self._library, [content], []) as question:
            self._run(given, question, targets=target)

    def _ask(self, ports: Ports, question: StringTensor) -> Outputs:
        library = self._library
        fetched = (c.c_void_p * len(ports.outputs))()
        try:
            self._run(ports.input, question, ports.outputs, fetched)
            arrays = [read_tensor(library, tensor) for tensor in fetched]
            return dict(zip(ports.names, arrays, strict=True))
        finally:
            for tensor in filter(None, fetched):
                library.DeleteTensor(tensor)

    def _run(
        self,
        port: Port,
        question: StringTensor,
        outputs: Any = (),
        fetched: Any = (),
        targets: Any = (),
    ) -> None:
        """Run the graph on one tensor, for outputs or for what operations do."""
        fed = (c.c_void_p * 1)(question.address)
        asked = (port, fed, 1)
        wanted = (outputs or None, fetched or None, len(fetched))
        done = (targets or None, len(targets))
        with self._library.status() as status:
            self._library.SessionRun(self._session, None, *asked, *wanted, *done, None, status)

    def _find_ports(self, signature: Any) -> Ports:
        (given,) = signature.inputs.values()
        names = sorted(signature.outputs)
        found = [self._find_port(signature.outputs[name].name) for name in names]
        return Ports(self._find_port(given.name), names, (Port * len(found))(*found))

    def _find_port(self, tensor: str) -> Port:
        """Find the output of an operation by a name such as `StatefulPartitionedCall:2`.

        Raises:
            CError: there is none of that name.
        """
        name, _, index = tensor.partition(":")
        operation = self._library.GraphOperationByName(self._graph, name.encode())
        if operation is None:
            raise CError(NOT_FOUND, f"the graph has no operation {show(name)}")
        return Port(operation, int(index or 0))


def serving_graph(folder: Path) -> Any:
    """Read the graph for servers, its signatures and what restores its variables.

    Raises:
        KeyError: there is none.
    """
    content = (folder / GRAPH).read_bytes()
    for definition in SavedModel.FromString(content).meta_graphs:
        if list(definition.meta_info_def.tags) == [SERVE]:
            return definition
    raise KeyError(f"no graph with the tag {SERVE} alone")


def import_graph(library: CLibrary, definition: Any) -> int:
    """Make a graph of its definition."""
    content = definition.SerializeToString()
    graph = library.NewGraph()
    buffer = library.NewBufferFromString(content, len(content))
    options = library.NewImportGraphDefOptions()
    try:
        with library.status() as status:
            library.GraphImportGraphDef(graph, buffer, options, status)
    except BaseException:
        library.DeleteGraph(graph)
        raise
    finally:
        library.DeleteImportGraphDefOptions(options)
        library.DeleteBuffer(buffer)
    return graph


def new_session(library: CLibrary, graph: int, threads: Threads) -> int:
    """Make a session of a graph, which is deleted where that fails."""
    options = new_options(library, threads)
    try:
        with library.status() as status:
            return library.NewSession(graph, options, status)
    except BaseException:
        library.DeleteGraph(graph)
        raise
    finally:
        library.DeleteSessionOptions(options)


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
