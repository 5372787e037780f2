"""Check a SavedModel from elsewhere before it is loaded.

It may hold files of its own folder, variables of the sizes that are there, and a graph of
operations that compute and do nothing else: those of `allowed_ops`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from google.protobuf.message import DecodeError

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_at_most
from tfner.safeio.printable import first_line, one_line, show
from tfner.safeio.sources import check_inside
from tfner.serving.export.allowed_ops import FUNCTION_OPS, GRAPH_OPS, RESTORE_OPS, SAVE_OPS
from tfner.serving.export.tensorflow_messages import SavedModel
from tfner.serving.export.variables_index import DamagedIndexError, read_variables

GRAPH = "saved_model.pb"
SERVE = "serve"  # the tag of the graph that servers run
LARGEST_GRAPH = (2 << 30) - 1  # bytes; no protocol buffer is larger
VARIABLES = Path("variables") / "variables"
LONGEST_LIST = 200  # characters of a message
Operations = Mapping[str, frozenset[str]]  # by node or function: what it may run


def check_files(folder: Path) -> None:
    """Check that every file of a version is a file of its folder.

    Raises:
        ModelError: a file is a link to somewhere else or no plain file.
    """
    for path in sorted(folder.rglob("*")):
        check_inside(folder, [str(path.relative_to(folder))])
        if not (path.is_file() or path.is_dir()):
            raise ModelError(f"{path}: expected a file, got a link that leads nowhere or a device")


def check_variables(folder: Path) -> None:
    """Check that variables have the sizes that their index claims, before memory is set aside.

    Raises:
        ModelError: the index is damaged, or claims more than is there.
    """
    prefix = folder / VARIABLES
    index = prefix.with_suffix(".index")
    try:
        variables = read_variables(index)
    except (OSError, DamagedIndexError) as error:
        damage = f"damaged, or no index of variables: {first_line(error)}"
        raise ModelError(f"{index}: {damage}") from None
    claimed = sum(variable.size for variable in variables.values())
    files = prefix.parent.glob(f"{prefix.name}.data-*")
    there = sum(path.stat().st_size for path in files)
    if claimed > there:
        expected = f"expected variables of at most the {there:,} bytes that are there"
        raise ModelError(f"{index}: {expected}, got sizes for {claimed:,}")


def check_graph(folder: Path) -> frozenset[str]:
    """Check that a version's graph and every function in it hold allowed operations alone.

    Returns:
        The names of the operations that they hold.

    Raises:
        ModelError: the graph cannot be read, or holds another operation.
    """
    path = folder / GRAPH
    graphs = read_graphs(path)
    if not any(SERVE in graph.meta_info_def.tags for graph in graphs):
        raise ModelError(f"{path}: expected a graph with the tag {SERVE}, found none")
    for graph in graphs:
        check_meta_graph(path, graph)
    return frozenset(chain.from_iterable(map(ops_of, graphs)))


def ops_of(graph: Any) -> Iterator[str]:
    """Name the operations of a graph and its functions."""
    for node in nodes_of(graph):
        yield node.op


def nodes_of(graph: Any) -> Iterator[Any]:
    """Give the nodes of a graph and its functions."""
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def read_graphs(path: Path) -> Iterable[Any]:
    """Read the MetaGraphDefs of a SavedModel."""
    try:
        content = read_at_most(path, LARGEST_GRAPH)
        saved_model = SavedModel.FromString(content)
        return saved_model.meta_graphs
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DecodeError as error:
        raise ModelError(f"{path}: cannot be read as a SavedModel: {first_line(error)}") from None


def check_meta_graph(path: Path, graph: Any) -> None:
    """Check the graph, each function of its library, and who calls those that touch files."""
    nodes = graph.graph_def.node
    saver_nodes = saver_calls(graph)
    savers = {}
    for node in nodes:
        if node.name in saver_nodes:
            allowed = saver_nodes[node.name]
            savers |= dict.fromkeys(called_functions(node), allowed)
    check_nodes(path, "the graph", nodes, GRAPH_OPS)
    check_callers(path, "the graph", nodes, savers, saver_nodes)
    # TensorFlow numbers functions as it makes them, on which the first fault must not depend.
    by_name = sorted(graph.graph_def.library.function, key=name_without_numbers)
    for function in by_name:
        name = function.signature.name
        where = show(name)
        check_nodes(path, where, function.node_def, savers.get(name, FUNCTION_OPS))
        check_callers(path, where, function.node_def, savers, {})
    if objects := savers.keys() & object_functions(graph.object_graph_def):
        refuse_use(path, objects, "the objects")


def name_without_numbers(function: Any) -> str:
    """Strip the numbers from a function's name."""
    return re.sub(r"\d+", "", function.signature.name)


def saver_calls(graph: Any) -> Operations:
    """Name the nodes by which variables are saved and restored, each with what it may run.

    TensorFlow puts both into every SavedModel. The path that they act on comes from whoever loads
    or saves; no signature and no object needs them.
    """
    saver = graph.saver_def
    saving = saver.save_tensor_name.partition(":")[0]
    return {saving: SAVE_OPS, saver.restore_op_name: RESTORE_OPS}


def check_nodes(path: Path, where: str, nodes: Iterable[Any], allowed: frozenset[str]) -> None:
    """Check that every node's operation is an allowed one."""
    others = sorted({node.op for node in nodes} - allowed)
    if others:
        got = one_line(", ".join(others), LONGEST_LIST)
        expected = "expected a graph of operations that only compute"
        raise ModelError(f"{path}: {expected}, got {got} in {where}")


def check_callers(
    path: Path, where: str, nodes: Iterable[Any], savers: Operations, exempt: Operations
) -> None:
    """Check that no node but the `exempt` calls a function of `savers` or uses its result."""
    for node in nodes:
        names = {name.lstrip("^").partition(":")[0] for name in node.input}
        used = exempt.keys() & names
        if node.name not in exempt:
            used |= savers.keys() & called_functions(node)
        if used:
            refuse_use(path, used, where)


def refuse_use(path: Path, used: Collection[str], where: str) -> NoReturn:
    """Raise the ModelError for a use of the saver's functions by something else."""
    expected = "expected the saver's functions to be called by the saver alone"
    raise ModelError(f"{path}: {expected}, got a use of {show(min(used))} in {where}")


def called_functions(node: Any) -> set[str]:
    """Collect the names of the functions that a node's attributes hold."""
    names = set()
    for value in node.attr.values():
        if value.HasField("func"):
            names.add(value.func.name)
        names.update(function.name for function in value.list.func)
    return names


def object_functions(objects: Any) -> set[str]:
    """Collect the names of the functions that a loaded model's objects run."""
    names = set(objects.concrete_functions)
    for node in objects.nodes:
        names.add(node.bare_concrete_function.concrete_function_name)
        names.update(node.function.concrete_functions)
    return names
