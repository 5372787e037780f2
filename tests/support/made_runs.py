"""Run folders as a training leaves them, but for the training: weights are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tiny

from tfner.config import RunSettings
from tfner.model.build import build_classifier
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.registry import tokenizer_files
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.run_folder import RunFolder


def write_run(
    path: Path,
    types: tuple[str, ...] = ("LOC", "PER"),
    checkpoint: Path | None = None,
    **model: Any,
) -> RunFolder:
    """Write a run of a checkpoint, its head gives every tag; `model` are settings of that group."""
    source = checkpoint or tiny.checkpoint()
    encoder = {"checkpoint": str(source), "max_length": 32, "overlap": 8}
    values = {"name": path.name, "encoder": encoder, "model": model, "runs_dir": str(path.parent)}
    settings = RunSettings.model_validate(values).resolve_context("none")
    labels = LabelSet(types, settings.model.tag_scheme)
    folder = RunFolder(path)
    folder.create(settings, source, {}, tokenizer_files())
    folder.save_labels(labels)
    made = build_classifier(settings, source, labels, pretrained=True, policy="float32")
    random = np.random.default_rng(len(labels))
    ids = random.integers(len(tiny.SPECIAL), len(tiny.vocabulary()), (16, 24)).astype(np.int32)
    kernel, bias, *others = made.head.get_weights()
    kernel = random.normal(0, 0.7, kernel.shape)
    bias = -tiny.hidden_states(made.encoder, ids, np.ones_like(ids)).mean((0, 1)) @ kernel
    drawn = [random.normal(0, 0.7, other.shape) for other in others]
    made.head.set_weights([kernel, bias, *drawn])
    Checkpoints(folder.best, "best").write("best-000001", tf.train.Checkpoint(model=made))
    return folder
