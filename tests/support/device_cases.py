"""One training on some number of devices, or as one worker of several.

Test_devices compares what these processes leave behind.

`carry_out(FOLDER, "1:whole", "2:whole,parts")` runs one case on one CPU and two on two virtual
ones; `worker:whole` runs its part of one as the worker that TF_CONFIG names. FOLDER holds an
encoder, and gets a JSON file and the final weights of each.

Nothing is dropped out: a dropout draws for each replica by itself, so it cannot be the same on any
number of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras as keras
import tiny
from subprocesses import THREADS, forks

from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.batching.replica_range import ReplicaRange
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.model.classifier import TokenClassifier
from tfner.model.metrics import EntityF1, MaskedAccuracy
from tfner.model.optimizer import FusedAdamW
from tfner.training.devices.strategy import Devices, open_devices

PAD, LONGEST, ROW, STEPS = 0, 14, 16, 20
PATIENCE = 240.0  # seconds until all cases of a process must be done
CASES = {"whole": 1, "parts": 2}  # how many parts a batch is worked through in
TAGS = list(tiny.LABELS.tags)


def corpus() -> EncodedCorpus:
    """Forty windows, of which every fourth has labels, so that some replica has pieces but no label
    in most steps.
    """
    random = np.random.default_rng(5)
    lengths = random.integers(4, LONGEST + 1, 40)
    number = np.repeat(np.arange(len(lengths)), lengths)
    ids = random.integers(len(tiny.SPECIAL), len(tiny.vocabulary()), len(number)).astype(np.int32)
    labels = random.integers(0, len(TAGS), len(number)).astype(np.int32)
    mask = ((number % 4 == 0) & (random.random(len(number)) < 0.7)).astype(np.float32)
    return EncodedCorpus(
        *(tf.RaggedTensor.from_row_lengths(values, lengths) for values in (ids, labels, mask)),
        lengths.astype(np.int32),
    )


class AfterOneEpoch(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate of 0 in the first epoch, so that its F1 is that of one model."""

    def __init__(self, steps: int):
        self.steps = steps

    def __call__(self, step):
        return tf.where(step < self.steps, 0.0, 2e-3)


def compiled(parts: int, steps: int) -> TokenClassifier:
    model = tiny.classifier(implementation="fused", gradient_accumulation=parts)
    model.restrict_embedding_update(np.unique([PAD, *corpus().input_ids.flat_values.numpy()]))
    optimizer = FusedAdamW(AfterOneEpoch(steps), global_clipnorm=0.5, head_scale=2.0)
    model.compile(optimizer, label_metrics=[MaskedAccuracy(), EntityF1(TAGS)])
    return model


def tags_of_windows(model: TokenClassifier) -> list[list[list[str]]]:
    """The tags that the windows have and those that the model gives them, for seqeval."""
    x, y_BT, mask_BT = next(
        Batches(corpus(), PaddedSettings(40, "padded", (), PAD, 1)).training(1).as_numpy_iterator()
    )
    best_BT = model(x).numpy().argmax(-1)
    return [
        [[TAGS[tag] for tag in row[mask > 0]] for row, mask in zip(rows, mask_BT, strict=True)]
        for rows in (y_BT, best_BT)
    ]


def one_sided_steps(batches: PackedBatches, replicas: int) -> int:
    """How many of the STEPS have a replica with pieces but no label beside one that has labels."""
    parts = list(
        batches.training(
            1 + STEPS, 1, replicas=ReplicaRange(0, replicas, replicas)
        ).as_numpy_iterator()
    )[: STEPS * replicas]
    steps = [parts[begin : begin + replicas] for begin in range(0, len(parts), replicas)]
    silent = [[x["segment_ids"].any() and not mask.any() for x, _, mask in step] for step in steps]
    return sum(
        any(row) and any(mask.any() for _, _, mask in step)
        for row, step in zip(silent, steps, strict=True)
    )


def run(devices: Devices, parts: int) -> tuple[dict, list[np.ndarray]]:
    """Run an epoch of packed batches without learning, then STEPS steps.

    -> (what is measured, the weights).
    """
    batches = PackedBatches(corpus(), PackedSettings(9, ROW, PAD, 1))
    with devices.strategy.scope():
        model = compiled(parts, batches.steps_per_epoch)
    tags, before = tags_of_windows(model), model.head.kernel.numpy()
    data = devices.distribute(lambda replicas: batches.training(1, replicas=replicas))
    first = model.fit(data, steps_per_epoch=batches.steps_per_epoch, verbose=0).history
    data = devices.distribute(lambda replicas: batches.training(1 + STEPS, 1, replicas=replicas))
    norms: list[float] = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_: norms.append(float(model.optimizer.gradient_norm.numpy()))
    )
    later = model.fit(data, steps_per_epoch=1, epochs=STEPS, verbose=0, callbacks=[note]).history
    measured = {
        "replicas": devices.replicas,
        "loss": first["loss"] + later["loss"],
        "norm": norms,
        "f1": first["entity_f1"][0],
        "accuracy": first["accuracy"][0],
        "tags": tags,
        "one_sided": one_sided_steps(batches, devices.replicas),
        "moved": float(np.abs(model.head.kernel.numpy() - before).max()),
        "traces": model.train_function.experimental_get_tracing_count(),
        "unlabelled": int(model.unlabelled_batches.numpy()),
    }
    return measured, [variable.numpy() for variable in model.prediction_weights]


def split_processor(kinds: list[str]) -> None:
    """Make as many virtual devices as are needed.

    TensorFlow has groups of one size only in one process.
    """
    counts = [int(kind) for kind in kinds if kind != "worker"]
    if max(counts, default=1) > 1:
        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            processor, [tf.config.LogicalDeviceConfiguration()] * max(counts)
        )


class Carrying:
    """One process that carries out cases; what it says is in a file."""

    def __init__(self, folder: Path, *wanted: str, **variables: str):
        self.log = folder / f"{len(list(folder.glob('*.log')))}.log"
        self.log.touch()
        arguments = (folder, wanted, self.log, {**THREADS, **variables})
        self.process = forks.Process(target=carry_out, args=arguments)
        self.process.start()

    def end(self) -> tuple[int | None, str]:
        self.process.join(PATIENCE)
        return self.process.exitcode, self.log.read_text(encoding="utf-8")


def carry_out(folder: Path, wanted: Sequence[str], log: Path, variables: dict[str, str]) -> None:
    """Run cases, each on the devices that stand before it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(variables)
    tiny.checkpoint = lambda: folder / "bert"
    runs = dict(each.split(":") for each in wanted)
    split_processor(list(runs))
    for kind, cases in runs.items():
        devices = open_devices({"worker": "multi_worker", "1": "cpu"}.get(kind, "mirrored"))
        for case in cases.split(","):
            measured, weights = run(devices, CASES[case])
            file = folder / f"{case} on {kind}{devices.worker if kind == 'worker' else ''}"
            file.with_suffix(".json").write_text(json.dumps(measured))
            np.savez(file.with_suffix(".npz"), *weights)
