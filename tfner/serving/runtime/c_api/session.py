"""Load a SavedModel over the C API, and answer its signatures."""

from __future__ import annotations

import ctypes as c
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tfner.safeio.printable import show
from tfner.serving.export.graph_guard import GRAPH, SERVE, VARIABLES, nodes_of
from tfner.serving.export.tensorflow_messages import ConfigProto, SavedModel
from tfner.serving.runtime.c_api.library import CError, CLibrary, Port
from tfner.serving.runtime.c_api.tensors import InputTensor, Strings, Value, read_tensor
from tfner.serving.runtime.choice import Threads
from tfner.serving.schema import Outputs

# Of RewriterConfig: the graph is rewritten once, not twice, which finds next to nothing more.
ONCE = 1
INVALID_ARGUMENT, NOT_FOUND = 3, 5  # of the codes of a status
# What only TensorFlow's Python reads. Each copy of a loaded graph would hold it: 16 MB in all.
OUTPUT_SHAPES = "_output_shapes"


class ClosedError(RuntimeError):
    """Say that a model was asked after it was closed."""


class Ports(NamedTuple):
    """Hold tensors of the graph, and by which names a signature has them."""

    names: list[str]
    ports: c.Array[Port]


class Signature(NamedTuple):
    """Hold what a signature reads and writes in the graph."""

    inputs: Ports
    outputs: Ports


class Session:
    """Hold a loaded SavedModel and its signatures.

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
            if signature.inputs:  # the initializer has none
                inputs = self._find_ports(signature.inputs)
                outputs = self._find_ports(signature.outputs)
                self._signatures[name] = Signature(inputs, outputs)

    @property
    def signatures(self) -> list[str]:
        """List the names of the signatures."""
        return sorted(self._signatures)

    def ask(self, signature: str, inputs: Mapping[str, Value]) -> Outputs:
        """Give the outputs of a signature for its inputs, both by name.

        Raises:
            ClosedError: the session was closed.
            CError: the graph cannot answer, or takes other inputs.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the model was closed")
            self._asking += 1
        try:
            return self._answer(self._signatures[signature], inputs)
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
        given = (Port * 1)(self._find_port(saver.filename_tensor_name))
        content = str(prefix).encode()
        self._run(given, [Strings([content], [])], targets=target)

    def _answer(self, signature: Signature, inputs: Mapping[str, Value]) -> Outputs:
        asked, wanted = signature
        if sorted(inputs) != asked.names:
            came = f"got {', '.join(sorted(inputs))}"
            raise CError(INVALID_ARGUMENT, f"expected the inputs {', '.join(asked.names)}, {came}")
        values = [inputs[name] for name in asked.names]
        fetched = (c.c_void_p * len(wanted.names))()
        try:
            self._run(asked.ports, values, wanted.ports, fetched)
            arrays = [read_tensor(self._library, tensor) for tensor in fetched]
            return dict(zip(wanted.names, arrays, strict=True))
        finally:
            for tensor in filter(None, fetched):
                self._library.DeleteTensor(tensor)

    def _run(
        self,
        ports: c.Array[Port],
        values: list[Value],
        outputs: Any = (),
        fetched: Any = (),
        targets: Any = (),
    ) -> None:
        """Run the graph on values, for outputs or for what operations do."""
        library = self._library
        with ExitStack() as tensors, library.status() as status:
            held = [tensors.enter_context(InputTensor(library, value)) for value in values]
            fed = (c.c_void_p * len(held))(*(tensor.address for tensor in held))
            asked = (ports, fed, len(held))
            wanted = (outputs or None, fetched or None, len(fetched))
            done = (targets or None, len(targets))
            library.SessionRun(self._session, None, *asked, *wanted, *done, None, status)

    def _find_ports(self, tensors: Mapping[str, Any]) -> Ports:
        """Find tensors by what a signature says of them."""
        names = sorted(tensors)
        found = [self._find_port(tensors[name].name) for name in names]
        return Ports(names, (Port * len(found))(*found))

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
            for node in nodes_of(definition):
                if OUTPUT_SHAPES in node.attr:
                    del node.attr[OUTPUT_SHAPES]
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
    graph_options = config.graph_options
    graph_options.rewrite_options.meta_optimizer_iterations = ONCE
    # Else a turn of the loop over batches begins only when all that the one before gives is there,
    # and the second pass of the encoder does not fill the processors that the first leaves idle.
    graph_options.optimizer_options.do_function_inlining = True
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
