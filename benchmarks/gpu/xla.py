"""Compiles and times lowered steps with JAX's XLA, without TensorFlow; prints one line of JSON.

usage: python -m benchmarks.gpu.xla FOLDER STEPS

FOLDER is that of `benchmarks.gpu.compare lower`. Uses JAX's own bindings to XLA, which are private
and change: tried with jax 0.10.2 and 0.11.2. Training steps take the variables that the step before
gave, in place. Times: of steps that are each waited for, and of as many that are started one after
the other.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the other side needs memory too

import jax
import ml_dtypes  # noqa: F401  (gives NumPy bfloat16)
import numpy as np
from jax._src.lib import _jax, xla_client

jax.config.update("jax_enable_x64", True)  # random states and counters are int64


class Program:
    """Runs a compiled step, whose arguments stay on the device."""

    def __init__(self, folder: Path, name: str, step: dict[str, Any]):
        path = folder / name.replace(", ", "-")
        device = jax.devices()[0]
        begin = time.perf_counter()
        stablehlo = _jax.mlir.hlo_to_stablehlo(path.with_suffix(".hlo").read_bytes())
        devices = _jax.DeviceList((device,))
        options = xla_client.CompileOptions()
        self._executable = device.client.compile_and_load(stablehlo, devices, options)
        self.compile_seconds = time.perf_counter() - begin
        self._updates = {int(result): argument for result, argument in step["updates"].items()}
        with np.load(path.with_suffix(".npz")) as stored:
            given = values(step["arguments"], stored)
            self._arguments = [jax.device_put(value, device) for value in given]

    def __call__(self) -> Any:
        """Start a step; give its first result, a loss or logits, which need not be there yet."""
        started = self._executable.execute_sharded(self._arguments)
        results = [shards[0] for shards in started.disassemble_into_single_device_arrays()]
        for result, argument in self._updates.items():
            self._arguments[argument] = results[result]
        return results[0]


def values(arguments: list[dict[str, Any]], stored: Any) -> Iterator[np.ndarray]:
    """Give the arguments that were stored; draw large weights anew."""
    random = np.random.default_rng(0)
    for number, argument in enumerate(arguments):
        shape, dtype = argument["shape"], np.dtype(argument["dtype"])
        if argument["stored"]:
            value = stored[f"argument_{number}"]
        else:
            value = argument["spread"] * random.standard_normal(shape, np.float32)
        yield value.astype(dtype)


def measure(program: Program, steps: int) -> dict[str, Any]:
    """Time steps that are each waited for, then steps that are not."""
    losses, waited = [], []
    for _ in range(steps + 3):
        begin = time.perf_counter()
        result = program().block_until_ready()
        waited.append(1000 * (time.perf_counter() - begin))
        sizes = np.abs(np.asarray(result).astype(np.float32))
        losses.append(float(sizes.mean()))
    begin = time.perf_counter()
    for _ in range(steps):
        result = program()
    result.block_until_ready()
    in_a_row = 1000 * (time.perf_counter() - begin) / steps
    return {
        "waited": waited[3:],
        "in_a_row": in_a_row,
        "losses": losses[:3],
        "compile_seconds": program.compile_seconds,
    }


def main(folder: Path, steps: int) -> None:
    """Measure every step and print one line of JSON."""
    described = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    results = {
        name: measure(Program(folder, name, step), steps)
        for name, step in described["steps"].items()
    }
    version = f"jax {jax.__version__}"
    device = jax.devices()[0].device_kind
    print(json.dumps({"device": device, "version": version, "steps": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
