"""What a SavedModel from elsewhere may hold: files of its own folder, of the sizes it claims, and a graph that touches no file.

A SavedModel is a program. Ours need arithmetic, strings and TF.Text; an op that reads, writes or calls out has no place in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_at_most
from tfner.safeio.printable import show
from tfner.safeio.sources import check_inside

GRAPH = "saved_model.pb"
SERVE = "serve"  # the tag of the graph that servers run
LARGEST_GRAPH = (2 << 30) - 1  # bytes; no protocol buffer is larger
VARIABLES = Path("variables") / "variables"
OF_THE_SAVER = re.compile(
    r"__inference__traced_(save|restore)_\d+"
)  # every SavedModel has ops on files in these; no signature calls them
TOUCHES_FILES = re.compile(
    r"(Read|Write)File|MatchingFiles|(Eager)?PyFunc(Stateless)?|Save\w*|Restore\w*|MergeV2Checkpoints|\w*Reader(V2)?"
    r"|InitializeTableFromTextFile(V2)?(TextLine|TFRecord|FixedLengthRecord|CSV|Sql|LMDB|Cache|Snapshot|Load|DataService|Generator)Dataset(V\d)?|DatasetToTFRecord"
    r"|CreateSummary\w*|RpcCall|RpcClient|RpcServer\w*|RemoteCall|XlaLaunch\w*Host\w*|\w*HostCall\w*"
)


def check_files(folder: Path) -> None:
    """Every file of a version is a file of its folder.

    Raises:
        ModelError: a file is a link to somewhere else or no plain file.
    """
    for path in sorted(folder.rglob("*")):
        check_inside(folder, [str(path.relative_to(folder))])
        if not (path.is_file() or path.is_dir()):
            raise ModelError(f"{path}: expected a file, got a link that leads nowhere or a device")


def check_variables(folder: Path) -> None:
    """The variables of a version have the sizes that their index claims, before memory is set aside for them.

    Raises:
        ModelError: the index is damaged, or claims more than is there.
    """
    prefix = folder / VARIABLES
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        dtypes = reader.get_variable_to_dtype_map()
        shapes = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{prefix}.index: damaged, or no index of variables: {first_line(error)}"
        ) from None
    claimed = sum(
        dtypes[name].size * tf.TensorShape(shape).num_elements()
        for name, shape in shapes.items()
        if dtypes[name] != tf.string
    )
    there = sum(path.stat().st_size for path in prefix.parent.glob(f"{prefix.name}.data-*"))
    if claimed > there:
        raise ModelError(
            f"{prefix}.index: expected variables of at most the {there:,} bytes that are there, got sizes for {claimed:,}"
        )


def check_graph(folder: Path) -> None:
    """The graph of a version touches no file and calls no Python.

    Raises:
        ModelError: it cannot be read, or does.
    """
    path = folder / GRAPH
    try:
        graphs = saved_model_pb2.SavedModel.FromString(
            read_at_most(path, LARGEST_GRAPH)
        ).meta_graphs
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DecodeError as error:
        raise ModelError(f"{path}: cannot be read as a SavedModel: {first_line(error)}") from None
    if not any(SERVE in graph.meta_info_def.tags for graph in graphs):
        raise ModelError(f"{path}: expected a graph with the tag {SERVE}, found none")
    for graph in graphs:
        functions = {
            function.signature.name: function.node_def
            for function in graph.graph_def.library.function
        }
        savers = {name for name in functions if OF_THE_SAVER.fullmatch(name)}
        check_nodes(path, "the graph", graph.graph_def.node, set())
        for name, nodes in functions.items():
            if name not in savers:
                check_nodes(path, show(name), nodes, savers)


def check_nodes(path: Path, where: str, nodes: Iterable[Any], savers: set[str]) -> None:
    for node in nodes:
        if TOUCHES_FILES.fullmatch(node.op):
            raise ModelError(
                f"{path}: expected a graph that touches no file and calls no Python, got the op {node.op} in {where}"
            )
        if called := savers & set(functions_of(node)):
            raise ModelError(
                f"{path}: expected a graph that touches no file, got a call of {min(called)} in {where}"
            )


def functions_of(node: Any) -> Iterator[str]:
    """The names of functions that a node calls."""
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def first_line(error: Exception) -> str:
    """TensorFlow explains itself at length; a user's message holds one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
