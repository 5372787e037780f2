"""TensorFlow's profiler, read node by node, and what kind of work a node does."""

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

NOT_IN_A_STEP = {
    "encoder",
    "restore",
    "tagger",
    "decoder",
    "viterbi",
    "slices",
    "compiled",
}  # of the modules of tfner.model
NOT_SCOPED = {
    "build",
    "build_for_any_shape",
    "call",
    "train_step",
    "get_config",
    "add_counter",
    "_add_counter",
}
PER_NODE = 3  # the profiler's level that has every node of a graph
NODE = re.compile(r"^([^\s:]+):(\w+)$")
CALL = "ExecutorState::ProcessAsync::Start"  # a node that runs a function, as it does where XLA has compiled it
COMPILED = {
    "gelu": {"Erf", "Tanh", "Relu", "Sigmoid"},
    "layer norm": {"Rsqrt"},
}  # by what is in it; without either it is softmax

# The first that is found in "scope/of/node:Type" says what kind of work it is: parts of tfner first, then types of operations.
KINDS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("clipping", r"clip_gradients|clip_by_global_norm|global_norm|row_sums"),
        ("embeddings and their gradient", r"to_dense|deduplicate_sparse|ResourceGather|embeddings?/(?!.*(norm|dropout))|/gather"),
        ("optimizer", r"AdamW|ApplyAdam|WarmupDecay"),
        ("loss and metrics", r"masked_cross_entropy|cross_entropy|MaskedSparse|Entity|Accuracy|Mean\.|mark_entities|count_|compute_loss|"
                             r"compute_metrics|SparseSoftmax|loss_of_labels|sum_over_replicas"),
        ("matrix products", r":\w*MatMul\w*$|:Einsum$"),
        ("dropout, random numbers", r"dropout|:\w*Random\w*$|:Rng\w+$|random"),
        ("layer norm", r"norm"),
        ("gelu", r"gelu|erf|activate|intermediate/(?!dense)"),
        ("softmax, its scale and mask", r"softmax|attend|attention_bias|attention/self/(?!query|key|value)"),
        ("biases, residuals, sums", r":(_?\w*BiasAdd\w*|AddV2|Add|AddN|Sum)$"),
        ("transposes, copies, casts", r":(Cast|_?\w*Transpose|Concat\w*|Split\w*|Pack|Unpack|Slice|StridedSlice\w*|Reshape|Tile|Fill|"
                                      r"Identity\w*|ReadVariableOp|Pad\w*|ZerosLike|ExpandDims|BroadcastTo|_Arg|_Retval)$"),
    )
)  # fmt: skip


def compiled_functions(graph: Any) -> dict[str, str]:
    """What kind of work the functions do that nodes of a graph call; of a GraphDef, by the nodes' names."""
    bodies = {
        function.signature.name: {node.op for node in function.node_def}
        for function in graph.library.function
    }
    calls = {
        node.name: bodies[node.attr["f"].func.name]
        for node in graph.node
        if node.op.endswith("PartitionedCall")
    }
    kinds = {
        name: [kind for kind, types in COMPILED.items() if types & body]
        for name, body in calls.items()
    }
    return {name: f"{(found or ['softmax'])[0]} etc., compiled" for name, found in kinds.items()}


def kind_of(node: str, type_: str) -> str:
    """What kind of work a node does, by the scope in its name and by its type."""
    named = f"{node}:{type_}"
    moved = re.search(r":(_?\w*Transpose|Cast)$", named) and not re.search(
        r"norm|Adam|dropout|embed|gather", named, re.IGNORECASE
    )
    if moved:
        return "transposes, copies, casts"
    return next((kind for kind, pattern in KINDS if pattern.search(named)), "other")


class Step:
    """One step: seconds without the profiler, the milliseconds of each node, and the kinds of nodes that call functions."""

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
        """Milliseconds of all nodes."""
        return sum(self.kinds.values())

    def costly(self, top: int) -> list[tuple[tuple[str, str], tuple[float, int]]]:
        """The most costly types of operations: (type, kind), (milliseconds, nodes)."""
        found = ((key, (sum(values), len(values))) for key, values in self._types.items())
        return sorted(found, key=lambda entry: -entry[1][0])[:top]


def node_times(step: Callable[[], Any], steps: int) -> dict[tuple[str, str], float]:
    """Milliseconds of each node in a step, by (name, type): the median of its runs, times its runs in a step."""
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
    return {node: statistics.median(times) * len(times) / steps for node, times in runs.items()}


def read_runs(path: Path) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of all runs of all nodes; what ran inside another node on the same thread counts there alone."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            events = [
                (event.offset_ps, event.duration_ps, node)
                for event in line.events
                if (node := node_of(plane, event))
            ]
            for node, own in own_times(events):
                runs[node].append(own / 1e9)
    return runs


def node_of(plane: Any, event: Any) -> tuple[str, str] | None:
    """Name and type of the node that an event is the run of, if it is one."""
    name = plane.event_metadata[event.metadata_id].name
    if name == CALL:
        text = {
            stat.metadata_id: stat.str_value or plane.stat_metadata[stat.ref_value].name
            for stat in event.stats
        }
        told = {plane.stat_metadata[key].name: value for key, value in text.items()}
        return told["name"], told["kernel_type"]
    match = NODE.match(name)
    return (match[1], match[2]) if match else None


def own_times(events: list[tuple[int, int, Any]]) -> Iterator[tuple[Any, int]]:
    """(begin, duration, key) of one thread -> (key, duration less that of the events inside)."""
    open_events: list[list[Any]] = []  # [end, key, own]
    for begin, duration, key in sorted(events, key=lambda event: (event[0], -event[1])):
        while open_events and open_events[-1][0] <= begin:
            yield open_events[-1][1], open_events.pop()[2]
        if open_events:
            open_events[-1][2] -= duration
        open_events.append([begin + duration, key, duration])
    yield from ((key, own) for _, key, own in open_events)


@contextmanager
def scopes() -> Iterator[None]:
    """Name scopes around the functions and methods of tfner's model and some of TensorFlow's; build and trace inside."""
    import tensorflow as tf

    import tfner.model

    names = {module.name for module in pkgutil.iter_modules(tfner.model.__path__)} - NOT_IN_A_STEP
    modules = [importlib.import_module(f"tfner.model.{name}") for name in sorted(names)]
    with ExitStack() as stack:
        for owner, name in ((tf.nn, "softmax"), (tf, "gather"), (tf, "reduce_mean")):
            stack.enter_context(mock.patch.object(owner, name, scoped(name, getattr(owner, name))))
        for module in modules:
            for name, function in own_functions(module):
                replacement = scoped(name, function)
                for user in (user for user in modules if getattr(user, name, None) is function):
                    stack.enter_context(mock.patch.object(user, name, replacement))
            for owner in (
                value
                for value in vars(module).values()
                if isinstance(value, type) and value.__module__ == module.__name__
            ):
                for name, method in own_functions(owner):
                    scope = owner.__name__ if name == "__call__" else name.strip("_")
                    stack.enter_context(mock.patch.object(owner, name, scoped(scope, method)))
        yield


def own_functions(owner: Any) -> list[tuple[str, Callable[..., Any]]]:
    """The functions of a module or class of tfner that compute something."""
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    functions = [
        (name, value)
        for name, value in vars(owner).items()
        if isinstance(value, FunctionType) and value.__module__ == module
    ]
    return [
        (name, value)
        for name, value in functions
        if name == "__call__" or not (name.startswith("__") or name in NOT_SCOPED)
    ]


def scoped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its operations in a name scope."""
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with tf.name_scope(name.strip("_")):
            return function(*args, **kwargs)

    return run
