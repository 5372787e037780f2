"""Compares tfner's compiled steps with PyTorch's on one GPU, lowered where TensorFlow is.

usage: python -m benchmarks.gpu.compare lower FOLDER [--shape base] [--implementation fused]
           [--precision mixed_bfloat16] [--smoke]
       python -m benchmarks.gpu.compare time FOLDER [--sides xla torch torch-compile]
           [--steps 30] [--rounds 3] [--xla-python PYTHON] [--torch-python PYTHON] [--smoke]

`lower` needs TensorFlow and no GPU. It writes what XLA is given for three steps of a model with
random weights: training on 32 x 128 (a text a row), on packed 16 x 512, and inference on 64 x 128.
A training step is Keras's: forward, loss, backward, clipping, AdamW. `time` needs the FOLDER, JAX
and PyTorch (`pip install 'jax[cuda12]' torch`) and no TensorFlow. Each side compiles and runs in a
process of its own, in turn, --rounds times; PyTorch's is `benchmarks.peers.torch_step`: bf16
autocast, scaled-dot-product attention, fused AdamW.

What is measured so: what XLA makes of tfner's step on this device. What is not: TensorFlow's own
launch of it, and the input pipeline. Nobody has run `time` on a GPU yet; on a CPU the losses of the
lowered steps equal TensorFlow's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.processes import module_command, run_for_json

SIDES = ("xla", "torch", "torch-compile")
SMOKE_SIZES = {"training, packed": (2, 128), "inference, padded": (3, 64)}
TOLERANCE = 1e-3  # of losses, relative: in bfloat16 two compilers may round differently


def main(arguments: Sequence[str] | None = None) -> None:
    """Lower or time, as the command line says."""
    options = parse(arguments)
    if options.half == "lower":
        write_steps(options)
    else:
        time_steps(options)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    halves = parser.add_subparsers(dest="half", required=True)
    lower = halves.add_parser("lower", help="write the steps; needs TensorFlow")
    lower.add_argument("--shape", choices=("base", "minilm", "tiny"), default="base")
    lower.add_argument("--implementation", choices=("fused", "reference"), default="fused")
    lower.add_argument(
        "--precision", choices=("mixed_bfloat16", "float32"), default="mixed_bfloat16"
    )
    time = halves.add_parser("time", help="compile and time them; needs JAX and PyTorch")
    time.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    time.add_argument("--steps", type=int, default=30)
    time.add_argument("--rounds", type=int, default=3)
    time.add_argument("--xla-python", default=sys.executable, help="the Python that has JAX")
    time.add_argument("--torch-python", default=sys.executable, help="the Python that has PyTorch")
    for half in (lower, time):
        half.add_argument("folder", type=Path)
        about_smoke = "a tiny model, few steps: does it run"
        half.add_argument("--smoke", action="store_true", help=about_smoke)
    options = parser.parse_args(arguments)
    if options.smoke and options.half == "lower":
        options.shape = "tiny"
    if options.smoke and options.half == "time":
        options.steps, options.rounds = 3, 1
    return options


def write_steps(options: argparse.Namespace) -> None:
    """Lower the steps, in the process that has TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from benchmarks.gpu.lower import CASES, lower

    sizes = SMOKE_SIZES if options.smoke else CASES
    lower(options.folder, options.shape, options.implementation, options.precision, sizes)


def time_steps(options: argparse.Namespace) -> None:
    """Run every side in turn and print the tables."""
    spec = json.loads((options.folder / "steps.json").read_text(encoding="utf-8"))
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side in options.sides:
            runs[side].append(run_side(side, options))
    report(options, spec, runs)


def run_side(side: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one side in a process of its own."""
    arguments = (options.folder, options.steps)
    if side == "xla":
        return run_for_json(module_command(options.xla_python, "gpu.xla", *arguments))
    compiled = ["compile"] if side == "torch-compile" else []
    command = module_command(options.torch_python, "peers.torch_step", *arguments, *compiled)
    return run_for_json(command)


def report(
    options: argparse.Namespace, spec: dict[str, Any], runs: dict[str, list[dict[str, Any]]]
) -> None:
    """Print where, what and how fast."""
    firsts = {side: found[0] for side, found in runs.items()}
    devices = ", ".join(f"{side}: {first['device']}" for side, first in firsts.items())
    versions = ", ".join(sorted({first["version"] for first in firsts.values()}))
    print(f"machine: {describe_machine()}; devices: {devices}")
    print(f"versions: {versions}; lowered by {spec['versions']}")
    kind = f"{spec['implementation']}, {spec['precision']}"
    print(f"model: {spec['layers']} layers of {spec['hidden']}, {kind}; random weights")
    print(
        f"{options.steps} steps, rounds: {options.rounds}; milliseconds of a step: medians of "
        "those waited for (least and most), and of steps started one after the other"
    )
    for name, step in spec["steps"].items():
        print(f"\n{name}, {step['rows']} x {step['length']}")
        print(
            f"{'':<16}{'waited for':>12}{'least':>10}{'most':>10}{'in a row':>12}"
            f"{'pieces/s':>12}{'against xla':>14}{'compiling, s':>14}"
        )
        for side in runs:
            print_row(side, name, step, runs)
        if step["losses"] and "xla" in runs:
            print(compare_losses(step["losses"], runs["xla"][0]["steps"][name]["losses"]))
    print(
        "\nrun: the compiled steps alone; not run: TensorFlow's launch of them, the input pipeline"
    )


def print_row(
    side: str, name: str, step: dict[str, Any], runs: dict[str, list[dict[str, Any]]]
) -> None:
    """Print the medians over rounds, and how many times xla's time a step takes."""
    found = [run["steps"][name] for run in runs[side]]
    waited = [milliseconds for each in found for milliseconds in each["waited"]]
    in_a_row = median_in_a_row(found)
    of_xla = median_in_a_row([run["steps"][name] for run in runs.get("xla", ())])
    pieces = step["rows"] * step["length"] / in_a_row * 1000
    compiling = statistics.median(each["compile_seconds"] for each in found)
    print(
        f"{side:<16}{statistics.median(waited):>12.2f}{min(waited):>10.2f}{max(waited):>10.2f}"
        f"{in_a_row:>12.2f}{pieces:>12.0f}{in_a_row / of_xla:>14.2f}{compiling:>14.1f}"
    )


def median_in_a_row(found: Sequence[dict[str, Any]]) -> float:
    """Give the median of milliseconds a step over rounds, NaN of none."""
    values = [each["in_a_row"] for each in found]
    return statistics.median(values) if values else math.nan


def compare_losses(expected: list[float], got: list[float]) -> str:
    """Write the line on losses; end the benchmark where they are not TensorFlow's."""
    differences = [abs(one - other) / abs(one) for one, other in zip(expected, got, strict=True)]
    if not all(difference < TOLERANCE for difference in differences):  # as NaN is not
        sys.exit(f"the lowered step gives {got}, TensorFlow gave {expected}")
    steps = f"results of the first {len(got)} steps"
    return f"{steps} against TensorFlow's: within {max(differences):.1e} of them"


if __name__ == "__main__":
    main()
