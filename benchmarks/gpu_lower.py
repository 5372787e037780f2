"""tfner's compiled steps as HLO: what XLA is given for a step, to be compiled and timed on a machine without TensorFlow.

FOLDER/steps.json says what each step is and what its arguments and results are; FOLDER/STEP.hlo is XLA's HloModuleProto, lowered for the
CPU but not yet optimized for any device; FOLDER/STEP.npz holds the batch, counters, random states and small weights. Of large weights
the shape and the spread go along, and their values only with a tiny model, whose first losses go along too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from machine import describe_machine, describe_versions
from step_model import SHAPES, TAGS, build_model, inference, make_batches, write_config
from tensorflow.compiler.xla.service import hlo_pb2

CASES = {  # rows, length
    "training, padded": (32, 128),
    "training, packed": (16, 512),
    "inference, padded": (64, 128),
}
STORED = 4096  # values of an argument that go along whatever the model's size
CHECKED_STEPS = 3


class Case(NamedTuple):
    """A step and its batch, as nested tensors, whose names are given in the order of the step's arguments."""

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
        model = build_model(
            write_config(Path(scratch), shape), implementation, precision, metrics=False
        )
    dimensions = dict(
        zip(("layers", "hidden", "heads", "inner", "vocabulary"), SHAPES[shape], strict=True)
    )
    steps = {}
    for name, (rows, length) in sizes.items():
        steps[name] = lower_case(
            make_case(model, name, rows, length, implementation),
            folder / file_name(name),
            small=shape == "tiny",
        )
        steps[name] |= {
            "rows": rows,
            "length": length,
            "training": "training" in name,
            "packed": "packed" in name,
        }
        print(
            f"{name}, {rows} x {length}: {(folder / file_name(name)).with_suffix('.hlo').stat().st_size / 1e6:.1f} MB of HLO"
        )
    described = {
        "machine": describe_machine(),
        "versions": describe_versions(("tensorflow", "tf-keras", "transformers")),
        "implementation": implementation,
        "precision": precision,
        "tags": len(TAGS),
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        **dimensions,
        "steps": steps,
    }
    (folder / "steps.json").write_text(json.dumps(described, indent=1), encoding="utf-8")


def file_name(case: str) -> str:
    return case.replace(", ", "-")


def make_case(model: Any, name: str, rows: int, length: int, implementation: str) -> Case:
    """What XLA is to compile; a training step is Keras's of a TokenClassifier, without metrics."""
    vocabulary = model.encoder.config.vocab_size
    (x, y, mask), _ = make_batches(rows, length, range(vocabulary // 10, vocabulary))
    padded = {
        "input_ids": x["input_ids"],
        "attention_mask": tf.cast(x["segment_ids"] > 0, tf.int32),
    }  # full rows, a text each
    if "inference" in name:
        return Case(
            tf.function(
                inference(model, implementation, compiled=True), jit_compile=True, autograph=False
            ),
            padded,
            sorted(padded),
        )
    step = tf.function(
        lambda data: model.train_step(data)["loss"], jit_compile=True, autograph=False
    )
    chosen = x if "packed" in name else padded
    return Case(step, (chosen, y, mask), [*sorted(chosen), "labels", "label_mask"])


def lower_case(case: Case, path: Path, *, small: bool) -> dict[str, Any]:
    """Write one step; what is known of its arguments and results."""
    concrete = case.step.get_concrete_function(case.batch)
    program = case.step.experimental_get_compiler_ir(case.batch)(stage="hlo_serialized")
    path.with_suffix(".hlo").write_bytes(program)
    arguments = [tensor.numpy() for tensor in tf.nest.flatten(case.batch)] + [
        read(captured) for captured in concrete.captured_inputs
    ]
    module = hlo_pb2.HloModuleProto.FromString(program)
    check_shapes(module, arguments)
    stored = [
        small or number < len(case.names) or value.size <= STORED
        for number, value in enumerate(arguments)
    ]
    kept: dict[str, Any] = {
        f"argument_{number}": portable(value)
        for number, value in enumerate(arguments)
        if stored[number]
    }
    np.savez(path.with_suffix(".npz"), **kept)
    return {
        "batch": case.names,
        "arguments": [
            describe(value, is_stored) for value, is_stored in zip(arguments, stored, strict=True)
        ],
        "updates": {
            entry.output_shape_index[0]: entry.parameter_number
            for entry in module.input_output_alias.entries
        },
        "losses": [scalar(case.step(case.batch)) for _ in range(CHECKED_STEPS)] if small else [],
    }


def read(captured: tf.Tensor) -> np.ndarray:
    """The value of what a function has captured: a constant, or a variable's."""
    if captured.dtype != tf.resource:
        return captured.numpy()
    (of_variable,) = captured._handle_data.shape_and_type
    return tf.raw_ops.ReadVariableOp(
        resource=captured, dtype=tf.as_dtype(of_variable.dtype)
    ).numpy()


def check_shapes(module: hlo_pb2.HloModuleProto, arguments: list[np.ndarray]) -> None:
    """The program's parameters are the arguments, in this order."""
    expected = [list(parameter.dimensions) for parameter in module.host_program_shape.parameters]
    got = [list(value.shape) for value in arguments]
    if expected != got:
        raise RuntimeError(
            f"the arguments of the HLO are not those of the function: expected {expected}, got {got}"
        )


def describe(value: np.ndarray, stored: bool) -> dict[str, Any]:
    return {
        "shape": list(value.shape),
        "dtype": value.dtype.name,
        "stored": stored,
        "spread": float(portable(value).std()),
    }


def portable(value: np.ndarray) -> np.ndarray:
    """bfloat16 as float32, which NumPy's files hold."""
    return value.astype(np.float32) if value.dtype == tf.bfloat16.as_numpy_dtype else value


def scalar(result: tf.Tensor) -> float:
    """A loss; of logits, their mean size."""
    return float(tf.reduce_mean(tf.abs(tf.cast(result, tf.float32))))
