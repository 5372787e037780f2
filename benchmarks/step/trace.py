"""Reads TensorFlow's profiler node by node, and tells what kind of work a node does."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any
from unittest import mock

# Modules of tfner.model that no step runs: they build, or work around the encoder.
NOT_IN_A_STEP = {"build", "bert", "tagger", "decoder", "viterbi", "encoder_batches", "fixed_shapes"}
NOT_SCOPED = {
    "build",
    "build_for_any_shape",
    "call",
    "train_step",
    "get_config",
    "add_counter",
    "_add_counter",
}
MOVES = re.compile(r":(_?\w*Transpose|Cast)$")
OWNS_ITS_MOVES = re.compile(r"norm|Adam|dropout|embed|gather", re.IGNORECASE)
PER_NODE = 3  # the profiler's level that has every node of a graph
NODE = re.compile(r"^([^\s:]+):(\w+)$")
# A node that runs a function is named so, which is how it stands where XLA has compiled it.
CALL = "ExecutorState::ProcessAsync::Start"
# What was compiled is known by what is in it; without either it is softmax.
COMPILED = {"gelu": {"Erf", "Tanh", "Relu", "Sigmoid"}, "layer norm": {"Rsqrt"}}

# The first that is found in "scope/of/node:Type" says what kind of work it is: parts of tfner
# first, then types of operations.
KINDS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("clipping", r"clip_gradients|clip_by_global_norm|global_norm|row_sums"),
        ("embeddings and their gradient", r"to_dense|deduplicate_sparse|ResourceGather|"
                                          r"embeddings?/(?!.*(norm|dropout))|/gather"),
        ("optimizer", r"AdamW|ApplyAdam|WarmupDecay"),
        ("loss and metrics", r"masked_cross_entropy|cross_entropy|MaskedSparse|Entity|Accuracy|"
                             r"Mean\.|mark_entities|count_|compute_loss|compute_metrics|"
                             r"SparseSoftmax|loss_of_labels|sum_over_replicas"),
        ("matrix products", r":\w*MatMul\w*$|:Einsum$"),
        ("dropout, random numbers", r"dropout|:\w*Random\w*$|:Rng\w+$|random"),
        ("layer norm", r"norm"),
        ("gelu", r"gelu|erf|activate|intermediate/(?!dense)"),
        ("softmax, its scale and mask", r"softmax|attend|attention_bias|"
                                        r"attention/self/(?!query|key|value)"),
        ("biases, residuals, sums", r":(_?\w*BiasAdd\w*|AddV2|Add|AddN|Sum)$"),
        ("transposes, copies, casts", r":(Cast|_?\w*Transpose|Concat\w*|Split\w*|Pack|Unpack|"
                                      r"Slice|StridedSlice\w*|Reshape|Tile|Fill|Identity\w*|"
                                      r"ReadVariableOp|Pad\w*|ZerosLike|ExpandDims|BroadcastTo|"
                                      r"_Arg|_Retval)$"),
    )
)  # fmt: skip


def compiled_functions(graph: Any) -> dict[str, str]:
    """Tell by the nodes' names what kind of work the functions do that a GraphDef's nodes call."""
    bodies = {}
    for function in graph.library.function:
        bodies[function.signature.name] = {node.op for node in function.node_def}
    kinds = {}
    for node in graph.node:
        if node.op.endswith("PartitionedCall"):
            body = bodies[node.attr["f"].func.name]
            kind = next((kind for kind, types in COMPILED.items() if types & body), "softmax")
            kinds[node.name] = f"{kind} etc., compiled"
    return kinds


def kind_of(node: str, type_: str) -> str:
    """Tell what kind of work a node does, by the scope in its name and by its type."""
    named = f"{node}:{type_}"
    if MOVES.search(named) and not OWNS_ITS_MOVES.search(named):
        return "transposes, copies, casts"
    return next((kind for kind, pattern in KINDS if pattern.search(named)), "other")


class Step:
    """Sums up one step by kind of work.

    It takes seconds without the profiler, the milliseconds of each node, and the kinds of the nodes
    that call functions.
    """

    def __init__(
        self, seconds: list[float], nodes: dict[tuple[str, str], float], compiled: dict[str, str]
    ):
        self.seconds = seconds
        self.kinds: Counter[str] = Counter()
        self._types: dict[tuple[str, str], list[float]] = defaultdict(list)
        for (node, type_), milliseconds in nodes.items():
            kind = compiled.get(node) or kind_of(node, type_)
            self.kinds[kind] += milliseconds  # type: ignore[assignment]
            self._types[type_, kind].append(milliseconds)

    @property
    def total(self) -> float:
        """Add up the milliseconds of all nodes."""
        return sum(self.kinds.values())

    def costly(self, top: int) -> list[tuple[tuple[str, str], tuple[float, int]]]:
        """List the most costly types of operations: (type, kind), (milliseconds, nodes)."""
        found = [(key, (sum(values), len(values))) for key, values in self._types.items()]
        found.sort(key=lambda entry: -entry[1][0])
        return found[:top]


def node_times(
    step: Callable[[], Any],
    steps: int,
    average: Callable[[list[float]], float] = statistics.median,
) -> dict[tuple[str, str], float]:
    """Measure milliseconds of each node in a step, by (name, type).

    They are the average of its runs, times its runs in a step.
    """
    import tensorflow as tf

    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=PER_NODE, python_tracer_level=0, device_tracer_level=0
    )
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            for _ in range(steps):
                step()
        (path,) = Path(folder).glob("**/*.xplane.pb")
        runs = read_runs(path)
    return {node: average(times) * len(times) / steps for node, times in runs.items()}


def read_runs(path: Path) -> dict[tuple[str, str], list[float]]:
    """Read milliseconds of all runs of all nodes.

    What ran inside another node on the same thread counts there alone.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            events = []
            for event in line.events:
                node = node_of(plane, event)
                if node:
                    events.append((event.offset_ps, event.duration_ps, node))
            for node, own in own_times(events):
                runs[node].append(own / 1e9)
    return runs


def node_of(plane: Any, event: Any) -> tuple[str, str] | None:
    """Give name and type of the node that an event is the run of, if it is one."""
    name = plane.event_metadata[event.metadata_id].name
    if name == CALL:
        values = {}
        for stat in event.stats:
            key = plane.stat_metadata[stat.metadata_id].name
            values[key] = stat.str_value or plane.stat_metadata[stat.ref_value].name
        return values["name"], values["kernel_type"]
    match = NODE.match(name)
    return (match[1], match[2]) if match else None


def own_times(events: list[tuple[int, int, Any]]) -> Iterator[tuple[Any, int]]:
    """Take from each event of one thread, (begin, duration, key), the time of those inside it.

    >>> sorted(own_times([(0, 100, "outer"), (10, 30, "inner")]))
    [('inner', 30), ('outer', 70)]
    """
    open_events: list[list[Any]] = []  # [end, key, own]
    for begin, duration, key in sorted(events, key=lambda event: (event[0], -event[1])):
        while open_events and open_events[-1][0] <= begin:
            _, ended, own = open_events.pop()
            yield ended, own
        if open_events:
            open_events[-1][2] -= duration
        open_events.append([begin + duration, key, duration])
    yield from ((key, own) for _, key, own in open_events)


@contextmanager
def scopes() -> Iterator[None]:
    """Put name scopes around the functions of tfner's model and some of TensorFlow's.

    Build and trace inside.
    """
    import tensorflow as tf

    import tfner.model

    found = pkgutil.walk_packages(tfner.model.__path__, "tfner.model.")
    names = [module.name for module in found if not module.ispkg]
    in_a_step = [name for name in names if name.rpartition(".")[2] not in NOT_IN_A_STEP]
    modules = [importlib.import_module(name) for name in sorted(in_a_step)]
    with ExitStack() as stack:

        def replace(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
            stack.enter_context(mock.patch.object(owner, name, replacement))

        for owner, name in ((tf.nn, "softmax"), (tf, "gather"), (tf, "reduce_mean")):
            replace(owner, name, scoped(name, getattr(owner, name)))
        for module in modules:
            for name, function in own_functions(module):
                replacement = scoped(name, function)
                for user in modules:
                    if getattr(user, name, None) is function:
                        replace(user, name, replacement)
            for owner in own_classes(module):
                for name, method in own_functions(owner):
                    scope = owner.__name__ if name == "__call__" else name.strip("_")
                    replace(owner, name, scoped(scope, method))
        yield


def own_classes(module: Any) -> list[type]:
    """List the classes that a module defines."""
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    return [each for each in classes if each.__module__ == module.__name__]


def own_functions(owner: Any) -> list[tuple[str, Callable[..., Any]]]:
    """List the functions of a module or class of tfner that compute something."""
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    found = []
    for name, value in vars(owner).items():
        is_own = isinstance(value, FunctionType) and value.__module__ == module
        is_left_out = name.startswith("__") or name in NOT_SCOPED
        if is_own and (name == "__call__" or not is_left_out):
            found.append((name, value))
    return found


def scoped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that its operations stand in a name scope."""
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with tf.name_scope(name.strip("_")):
            return function(*args, **kwargs)

    return run
