"""Shows where the time of training and inference steps goes on the CPU, by kind of operation.

usage: python -m benchmarks.step.profile [--implementation fused reference]
           [--precision mixed_bfloat16 float32] [--rows 7] [--length 128]
           [--shape minilm | base | tiny] [--encoder FOLDER] [--steps 10] [--inter-op N] [--top 15]
           [--smoke]

The encoder has random weights and a shape of --shape, or is that of --encoder. Random sentences of
8 to 48 pieces, of three tenths of the vocabulary, fill packed rows of --length; the padded batch
holds the same sentences, a row each. A training step is all that Keras's `fit` runs for a batch:
forward, backward, clipping, AdamW, loss and metrics. Inference of the fused pass is that of an
export, over copies of the weights.

Times come from TensorFlow's profiler: each node's own time, its median over --steps. The functions
of tfner are put in name scopes for it, so that the Mul of gelu and the Mul of dropout are told
apart. Nodes can run at the same time, so their sum may pass the time of a step, which is measured
without the profiler, the implementations in turn; --inter-op 1 runs one node after the other. A
product that has a bias or a gelu fused into it counts as a product; what XLA has compiled counts
under what stands in it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import print_machine
from benchmarks.processes import seconds_of
from benchmarks.step.model import (
    SHAPES,
    build_model,
    ids_in_use,
    inference,
    make_batches,
    write_config,
)
from benchmarks.step.trace import Step, compiled_functions, node_times, scopes
from benchmarks.tables import table_row

PACKAGES = ("tensorflow", "tf-keras", "transformers", "numpy")
STEPS = ("training, packed", "training, padded", "inference, padded")


class Traced(NamedTuple):
    """Holds a step and the batch it was traced for."""

    step: Any
    inputs: Any
    compiled: dict[str, str]  # see `compiled_functions`

    def run(self) -> None:
        """Run the step once."""
        self.step(self.inputs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trace, time and print every implementation in every precision."""
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    print_machine(PACKAGES)
    print(
        f"encoder: {options.encoder or options.shape}; packed rows: {options.rows} x "
        f"{options.length}; steps: {options.steps}; "
        f"inter-op threads: {options.inter_op or 'as TensorFlow has it'}"
    )
    for precision in options.precision:
        with tempfile.TemporaryDirectory() as scratch:
            profile(options, precision, Path(scratch))


def profile(options: argparse.Namespace, precision: str, scratch: Path) -> None:
    """Print the tables of all implementations in one precision."""
    models = {
        name: trace_model(options, name, precision, scratch) for name in options.implementation
    }
    seconds = {}
    for step in STEPS:
        sides = {name: traced[step].run for name, traced in models.items()}
        seconds[step] = time_in_turn(sides, options.steps)
    for name, traced in models.items():
        steps = {}
        for step in STEPS:
            nodes = node_times(traced[step].run, options.steps)
            steps[step] = Step(seconds[step][name], nodes, traced[step].compiled)
        report(f"{name}, {precision}", steps, options.top)
    report_ratios(precision, seconds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", type=Path, help="a checkpoint's folder, instead of --shape")
    parser.add_argument("--shape", choices=SHAPES, default="minilm")
    parser.add_argument(
        "--implementation",
        nargs="+",
        choices=("fused", "reference"),
        default=["fused", "reference"],
    )
    parser.add_argument(
        "--precision", nargs="+", choices=("float32", "mixed_bfloat16"), default=["mixed_bfloat16"]
    )
    parser.add_argument("--rows", type=int, default=7)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument(
        "--inter-op", type=int, default=0, help="threads that run nodes; 0 leaves it to TensorFlow"
    )
    parser.add_argument(
        "--top", type=int, default=15, help="single types of operations that are listed"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="a tiny encoder, two steps: does it run"
    )
    options = parser.parse_args(arguments)
    if options.smoke:
        options.shape, options.rows, options.length, options.steps = "tiny", 2, 64, 2
    return options


def trace_model(
    options: argparse.Namespace, implementation: str, precision: str, scratch: Path
) -> dict[str, Traced]:
    """Build one model and trace its steps, by their names in `STEPS`."""
    import tensorflow as tf

    if options.inter_op:
        tf.config.threading.set_inter_op_parallelism_threads(options.inter_op)
    with scopes():
        folder = options.encoder or write_config(scratch, options.shape)
        is_pretrained = options.encoder is not None
        model = build_model(
            folder, implementation, precision, pretrained=is_pretrained, restricted=True
        )
        known = ids_in_use(model.encoder.config.vocab_size)
        packed, padded = make_batches(options.rows, options.length, known)
        train = tf.function(model.train_step)
        infer = tf.function(inference(model, implementation), autograph=False)
        calls = ((train, packed), (train, padded), (infer, padded[0]))
        return {name: trace(*call) for name, call in zip(STEPS, calls, strict=True)}


def trace(step: Any, inputs: Any) -> Traced:
    """Run a step once, while the scopes are in place."""
    step(inputs)
    graph = step.get_concrete_function(inputs).graph
    return Traced(step, inputs, compiled_functions(graph.as_graph_def()))


def time_in_turn(sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Time every round; the first two of each side do not count, and who begins alternates."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-2, rounds):
        for name in sorted(sides, reverse=number % 2 == 1):
            seconds = seconds_of(sides[name])
            if number >= 0:
                times[name].append(seconds)
    return times


def report(title: str, steps: dict[str, Step], top: int) -> None:
    """Print a table by kind, a column a step, then the single types of operations of each."""
    print(f"\n{title}: milliseconds of a step, share of all nodes")
    print(table_row("", steps, first=36, width=24))
    first = next(iter(steps.values()))
    found = {kind for step in steps.values() for kind in step.kinds}
    for kind in sorted(found, key=lambda kind: -first.kinds[kind]):
        shares = [show_share(step.kinds[kind], step.total) for step in steps.values()]
        print(table_row(kind, shares, first=36, width=24))
    totals = [show_share(step.total, step.total) for step in steps.values()]
    print(table_row("all nodes", totals, first=36, width=24))
    walls = [show_wall(step.seconds) for step in steps.values()]
    print(table_row("a step without the profiler, ms", walls, first=36, width=24))
    for name, step in steps.items():
        print(f"\n{title}, {name}: the most costly types of operations")
        for (type_, kind), (milliseconds, count) in step.costly(top):
            print(f"  {type_:<34}{kind:<34}{count:>5} x {show_share(milliseconds, step.total)}")


def report_ratios(precision: str, seconds: dict[str, dict[str, list[float]]]) -> None:
    """Print how many times as fast the first implementation is as the others, round by round."""
    print()
    for step, sides in seconds.items():
        (first, own), *others = sides.items()
        for name, taken in others:
            ratios = [other / mine for other, mine in zip(taken, own, strict=True)]
            faster = f"{first} is {statistics.median(ratios):.2f} times as fast as {name}"
            print(f"{precision}, {step}: {faster} ({min(ratios):.2f} to {max(ratios):.2f})")


def show_share(milliseconds: float, total: float) -> str:
    """Write milliseconds and their share."""
    share = 100 * milliseconds / total if total else 0
    return f"{milliseconds:>15.2f}{share:>7.1f} %"


def show_wall(seconds: list[float]) -> str:
    """Write median and least milliseconds of a step."""
    return f"{1000 * statistics.median(seconds):.1f}, from {1000 * min(seconds):.1f}"


if __name__ == "__main__":
    main()
