"""A head that nobody planned for: the nearest of one point a tag, added in this file alone.

It trains, is evaluated, exported and loaded again, by the same commands as the softmax.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from rich.console import Console

import tfner
from tfner.config import RunSettings
from tfner.exceptions import ConfigError
from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.families import build_encoder
from tfner.model.export_copy import ExportCopy
from tfner.model.heads import head as heads
from tfner.model.heads.head import PLAIN_LOSS, Head, LossSums, build_head
from tfner.training.restore import open_model
from tfner.training.run import train

NAME = "nearest"
MARGIN = 1.0


class NearestHead(Head):
    """Learn a point for each tag: the tag of a piece is that of the nearest.

    The loss is a hinge: the right point should be nearer than any other by a margin.
    """

    def __init__(self, labels, loss=PLAIN_LOSS, *, initializer_range: float):
        super().__init__(labels, loss)
        self.spread = initializer_range

    def build(self, input_shape) -> None:
        shape = [len(self.labels.tags), input_shape[-1]]
        normal = keras.initializers.RandomNormal(stddev=self.spread)
        self.points = self.add_weight("points", shape, initializer=normal)
        super().build(input_shape)

    def call(self, hidden_BTH: tf.Tensor) -> tf.Tensor:
        return minus_distances(hidden_BTH, self.points)

    def loss_sums(self, y_BT, logits_BTK, mask_BT, segments_BT=None) -> LossSums:
        labelled_BT = mask_BT > 0
        logits_BTK = tf.where(labelled_BT[..., None], logits_BTK, 0.0)
        right_BTK = tf.one_hot(tf.where(labelled_BT, y_BT, 0), logits_BTK.shape[-1], True, False)
        right_BT1 = tf.reduce_max(tf.where(right_BTK, logits_BTK, -np.inf), -1, keepdims=True)
        hinges_BTK = tf.nn.relu(MARGIN + logits_BTK - right_BT1)
        cost_BT = tf.reduce_sum(tf.where(right_BTK, 0.0, hinges_BTK), -1)
        weights_BT = tf.cast(labelled_BT, tf.float32)
        return LossSums(tf.reduce_sum(cost_BT * weights_BT), tf.reduce_sum(weights_BT))

    def export_copy(self) -> ExportCopy:
        points = tf.Variable(self.points, trainable=False)
        return ExportCopy(lambda hidden_BTH: minus_distances(hidden_BTH, points), [points])


def minus_distances(hidden_BTH: tf.Tensor, points_KH: tf.Tensor) -> tf.Tensor:
    hidden_BTH = tf.cast(hidden_BTH, tf.float32)
    return -tf.reduce_sum((hidden_BTH[..., None, :] - points_KH) ** 2, -1)


@pytest.fixture(scope="module", autouse=True)
def registered():
    heads.register(NAME, NearestHead)
    yield
    del heads.HEADS[NAME]


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> RunSettings:
    folder = tmp_path_factory.mktemp("nearest")
    lines = [
        json.dumps({"text": f"the {who} runs", "entities": [[4, 4 + len(who), kind]]})
        for who, kind in (("anna", "PER"), ("oslo", "LOC"), ("boris", "PER"), ("lima", "LOC"))
    ]
    (folder / "data.jsonl").write_text("\n".join(lines * 10), encoding="utf-8")
    return RunSettings.model_validate(
        {
            "name": "nearest",
            "devices": "cpu",
            "data": {"train": str(folder / "data.jsonl"), "dev": str(folder / "data.jsonl")},
            "encoder": {"checkpoint": str(tiny.checkpoint()), "max_length": 32, "overlap": 8},
            "model": {"head": NAME},
            "training": {"epochs": 3, "batch_size": 4, "learning_rate": 0.005},
            "runs_dir": str(folder / "runs"),
            "exports_dir": str(folder / "exports"),
        }
    )


def found(recognizer) -> list[tuple[str, str]]:
    return [(entity.text, entity.label) for entity in recognizer("the anna runs")]


@pytest.mark.long
def test_it_trains_is_exported_and_loaded_again(settings):
    outcome = train(settings, Console(quiet=True))
    assert outcome.reports["dev"].scores.micro.f1 == 1.0
    assert found(tfner.load(outcome.export)) == [("anna", "PER")]
    assert found(open_model(settings.run_dir)) == [("anna", "PER")]


@pytest.mark.long
def test_accumulated_parts_update_as_the_whole_batch_does():
    moved = []
    for parts in (1, 3):
        encoder = build_encoder(tiny.checkpoint())
        head = build_head(NAME, tiny.LABELS, PLAIN_LOSS, 0.02)
        keras.utils.set_random_seed(3)
        model = TokenClassifier(encoder, head, dropout=0.0, gradient_accumulation=parts)
        model.build_for_any_shape()
        before = model.head.points.numpy()
        model.compile(keras.optimizers.SGD(0.1))
        random = np.random.default_rng(1)
        x = {
            "input_ids": random.integers(5, 90, (6, 8)).astype(np.int32),
            "attention_mask": np.ones((6, 8), np.int32),
        }
        y = random.integers(0, len(tiny.LABELS), (6, 8)).astype(np.int32)
        mask = (random.random((6, 8)) < 0.5).astype(np.float32)
        model.fit(tf.data.Dataset.from_tensors((x, y, mask)), verbose=0)
        moved.append(model.head.points.numpy() - before)
    np.testing.assert_allclose(*moved, atol=1e-5)
    assert np.abs(moved[0]).max() > 1e-3


def test_a_head_that_is_not_known_is_refused_by_name():
    message = "^model.head: expected one of crf, nearest, softmax, got 'forest'$"
    with pytest.raises(ConfigError, match=message):
        build_head("forest", tiny.LABELS, PLAIN_LOSS, 0.02)
