"""tfner's compiled steps against PyTorch's on one GPU: lowered where TensorFlow is, timed where only JAX and PyTorch are.

usage: python benchmarks/gpu_step.py lower FOLDER [--shape base] [--implementation fused] [--precision mixed_bfloat16] [--smoke]
       python benchmarks/gpu_step.py time FOLDER [--sides xla torch torch-compile] [--steps 30] [--rounds 3] [--xla-python PYTHON]
                                                 [--torch-python PYTHON] [--smoke]

`lower` needs TensorFlow and no GPU. It writes what XLA is given for three steps of a model with random weights: training on 32 x 128
(a text a row), on packed 16 x 512, and inference on 64 x 128. A training step is Keras's: forward, loss, backward, clipping, AdamW.
`time` needs the FOLDER, JAX and PyTorch (`pip install 'jax[cuda12]' torch`) and no TensorFlow. Each side compiles and runs in a process of
its own, in turn, --rounds times; PyTorch's is peers/torch_step.py: bf16 autocast, scaled-dot-product attention, fused AdamW.

What is measured so: what XLA makes of tfner's step on this device. What is not: TensorFlow's own launch of it, and the input pipeline.
Nobody has run `time` on a GPU yet; on a CPU the losses of the lowered steps equal TensorFlow's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine

HERE = Path(__file__).parent
SMOKE_SIZES = {"training, packed": (2, 128), "inference, padded": (3, 64)}
TOLERANCE = 1e-3  # of losses, relative: in bfloat16 two compilers may round differently


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if options.half == "lower":
        write_steps(options)
    else:
        time_steps(options)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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
    time.add_argument(
        "--sides",
        nargs="+",
        choices=("xla", "torch", "torch-compile"),
        default=["xla", "torch", "torch-compile"],
    )
    time.add_argument("--steps", type=int, default=30)
    time.add_argument("--rounds", type=int, default=3)
    time.add_argument("--xla-python", default=sys.executable, help="the Python that has JAX")
    time.add_argument("--torch-python", default=sys.executable, help="the Python that has PyTorch")
    for half in (lower, time):
        half.add_argument("folder", type=Path)
        half.add_argument(
            "--smoke", action="store_true", help="a tiny model, few steps: does it run"
        )
    options = parser.parse_args(arguments)
    if options.smoke and options.half == "lower":
        options.shape = "tiny"
    if options.smoke and options.half == "time":
        options.steps, options.rounds = 3, 1
    return options


def write_steps(options: argparse.Namespace) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    import gpu_lower

    sizes = SMOKE_SIZES if options.smoke else gpu_lower.CASES
    gpu_lower.lower(options.folder, options.shape, options.implementation, options.precision, sizes)


def time_steps(options: argparse.Namespace) -> None:
    spec = json.loads((options.folder / "steps.json").read_text(encoding="utf-8"))
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side in options.sides:
            runs[side].append(run_side(side, options))
    report(options, spec, runs)


def run_side(side: str, options: argparse.Namespace) -> dict[str, Any]:
    """One side in a process of its own."""
    scripts = {
        "xla": [
            options.xla_python,
            str(HERE / "gpu_xla.py"),
            str(options.folder),
            str(options.steps),
        ],
        "torch": [
            options.torch_python,
            str(HERE / "peers" / "torch_step.py"),
            str(options.folder),
            str(options.steps),
        ],
    }
    command = [*scripts["torch"], "compile"] if side == "torch-compile" else scripts[side]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def report(
    options: argparse.Namespace, spec: dict[str, Any], runs: dict[str, list[dict[str, Any]]]
) -> None:
    devices = ", ".join(f"{side}: {found[0]['device']}" for side, found in runs.items())
    print(f"machine: {describe_machine()}; devices: {devices}")
    print(
        f"versions: {', '.join(sorted({found[0]['version'] for found in runs.values()}))}; lowered by {spec['versions']}"
    )
    print(
        f"model: {spec['layers']} layers of {spec['hidden']}, {spec['implementation']}, {spec['precision']}; random weights"
    )
    print(
        f"{options.steps} steps, rounds: {options.rounds}; milliseconds of a step: medians of those waited for (least and most), and of "
        "steps started one after the other"
    )
    for name, step in spec["steps"].items():
        print(f"\n{name}, {step['rows']} x {step['length']}")
        print(
            f"{'':<16}{'waited for':>12}{'least':>10}{'most':>10}{'in a row':>12}{'pieces/s':>12}{'against xla':>14}{'compiling, s':>14}"
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
    """The medians over rounds; how many times xla's time a step takes."""
    found = [run["steps"][name] for run in runs[side]]
    waited = [milliseconds for each in found for milliseconds in each["waited"]]
    in_a_row = statistics.median(each["in_a_row"] for each in found)
    of_xla = (
        statistics.median(each["steps"][name]["in_a_row"] for each in runs["xla"])
        if "xla" in runs
        else math.nan
    )
    columns = f"{statistics.median(waited):>12.2f}{min(waited):>10.2f}{max(waited):>10.2f}{in_a_row:>12.2f}"
    pieces = step["rows"] * step["length"] / in_a_row * 1000
    compiling = statistics.median(each["compile_seconds"] for each in found)
    print(f"{side:<16}{columns}{pieces:>12.0f}{in_a_row / of_xla:>14.2f}{compiling:>14.1f}")


def compare_losses(expected: list[float], got: list[float]) -> str:
    """A line for the table; another result than TensorFlow's ends the benchmark."""
    differences = [abs(one - other) / abs(one) for one, other in zip(expected, got, strict=True)]
    if not all(difference < TOLERANCE for difference in differences):  # as NaN is not
        sys.exit(f"the lowered step gives {got}, TensorFlow gave {expected}")
    return f"results of the first {len(got)} steps against TensorFlow's: within {max(differences):.1e} of them"


if __name__ == "__main__":
    main()
