"""Lowers tfner's compiled steps to HLO, to be compiled and timed where there is no TensorFlow.

FOLDER/steps.json says what each step is and what its arguments and results are; FOLDER/STEP.hlo is
XLA's HloModuleProto, lowered for the CPU but not yet optimized for any device; FOLDER/STEP.npz
holds the batch, counters, random states and small weights. Of large weights the shape and the
spread go along, and their values only with a tiny model, whose first losses go along too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.step.model import SHAPES, TAGS, build_model, inference, make_batches, write_config

CASES = {  # rows, length
    "training, padded": (32, 128),
    "training, packed": (16, 512),
    "inference, padded": (64, 128),
}
STORED = 4096  # values of an argument that go along whatever the model's size
CHECKED_STEPS = 3
DIMENSIONS = ("layers", "hidden", "heads", "inner", "vocabulary")


class Case(NamedTuple):
    """Holds a step and its batch: nested tensors, named in the order of the step's arguments."""

    step: Callable[[Any], tf.Tensor]
    batch: Any
    names: list[str]


def lower(
    folder: Path, shape: str, implementation: Any, precision: Any, sizes: dict[str, tuple[int, int]]
) -> None:
    """Write the HLO of every case and what is needed to run it."""
    folder.mkdir(parents=True, exist_ok=True)
    tf.keras.utils.set_random_seed(1)
    with tempfile.TemporaryDirectory() as scratch:
        config = write_config(Path(scratch), shape)
        model = build_model(config, implementation, precision, metrics=False)
    dimensions = dict(zip(DIMENSIONS, SHAPES[shape], strict=True))
    steps = {}
    for name, (rows, length) in sizes.items():
        case = make_case(model, name, rows, length, implementation)
        path = folder / name.replace(", ", "-")
        lowered = lower_case(case, path, small=shape == "tiny")
        size = {"rows": rows, "length": length}
        kind = {"training": "training" in name, "packed": "packed" in name}
        steps[name] = {**lowered, **size, **kind}
        megabytes = path.with_suffix(".hlo").stat().st_size / 1e6
        print(f"{name}, {rows} x {length}: {megabytes:.1f} MB of HLO")
    parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    described = {
        "machine": describe_machine(),
        "versions": describe_versions(("tensorflow", "tf-keras", "transformers")),
        "implementation": implementation,
        "precision": precision,
        "tags": len(TAGS),
        "parameters": parameters,
        **dimensions,
        "steps": steps,
    }
    (folder / "steps.json").write_text(json.dumps(described, indent=1), encoding="utf-8")


def make_case(model: Any, name: str, rows: int, length: int, implementation: str) -> Case:
    """Build what XLA is to compile; a training step is Keras's, without metrics."""
    vocabulary = model.encoder.config.vocab_size
    (x, y, mask), _ = make_batches(rows, length, range(vocabulary // 10, vocabulary))
    is_piece = tf.cast(x["segment_ids"] > 0, tf.int32)
    padded = {"input_ids": x["input_ids"], "attention_mask": is_piece}  # full rows, a text each
    compiled = partial(tf.function, jit_compile=True, autograph=False)
    if "inference" in name:
        infer = inference(model, implementation, compiled=True)
        return Case(compiled(infer), padded, sorted(padded))
    step = compiled(lambda data: model.train_step(data)["loss"])
    chosen = x if "packed" in name else padded
    return Case(step, (chosen, y, mask), [*sorted(chosen), "labels", "label_mask"])


def lower_case(case: Case, path: Path, *, small: bool) -> dict[str, Any]:
    """Write one step; give what is known of its arguments and results."""
    concrete = case.step.get_concrete_function(case.batch)
    program = case.step.experimental_get_compiler_ir(case.batch)(stage="hlo_serialized")
    path.with_suffix(".hlo").write_bytes(program)
    batch = [tensor.numpy() for tensor in tf.nest.flatten(case.batch)]
    arguments = batch + [read(captured) for captured in concrete.captured_inputs]
    module = hlo_pb2.HloModuleProto.FromString(program)
    check_shapes(module, arguments)
    kept: dict[str, Any] = {}
    described = []
    for number, value in enumerate(arguments):
        is_stored = small or number < len(case.names) or value.size <= STORED
        if is_stored:
            kept[f"argument_{number}"] = portable(value)
        described.append(describe(value, is_stored))
    np.savez(path.with_suffix(".npz"), **kept)
    aliases = module.input_output_alias.entries
    updates = {alias.output_shape_index[0]: alias.parameter_number for alias in aliases}
    losses = [scalar(case.step(case.batch)) for _ in range(CHECKED_STEPS if small else 0)]
    return {"batch": case.names, "arguments": described, "updates": updates, "losses": losses}


def read(captured: tf.Tensor) -> np.ndarray:
    """Read what a function has captured: a constant, or a variable's value."""
    if captured.dtype != tf.resource:
        return captured.numpy()
    (of_variable,) = captured._handle_data.shape_and_type
    dtype = tf.as_dtype(of_variable.dtype)
    return tf.raw_ops.ReadVariableOp(resource=captured, dtype=dtype).numpy()


def check_shapes(module: hlo_pb2.HloModuleProto, arguments: list[np.ndarray]) -> None:
    """Check that the program's parameters are the arguments, in this order."""
    expected = [list(parameter.dimensions) for parameter in module.host_program_shape.parameters]
    got = [list(value.shape) for value in arguments]
    if expected != got:
        wrong = "the arguments of the HLO are not those of the function"
        raise RuntimeError(f"{wrong}: expected {expected}, got {got}")


def describe(value: np.ndarray, stored: bool) -> dict[str, Any]:
    """Describe an argument: shape, type, whether its values go along, their spread."""
    return {
        "shape": list(value.shape),
        "dtype": value.dtype.name,
        "stored": stored,
        "spread": float(portable(value).std()),
    }


def portable(value: np.ndarray) -> np.ndarray:
    """Widen bfloat16 to float32, which NumPy's files hold."""
    return value.astype(np.float32) if value.dtype == tf.bfloat16.as_numpy_dtype else value


def scalar(result: tf.Tensor) -> float:
    """Give a loss as a number; of logits, their mean size."""
    return float(tf.reduce_mean(tf.abs(tf.cast(result, tf.float32))))
