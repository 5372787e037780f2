"""An encoder that nobody planned for.

A bag of embeddings with a convolution, added in this file alone.

It trains, is evaluated, exported, served and loaded again, by the same commands as BERT.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from rich.console import Console
from server_fakes import running

import tfner
from tfner.config import RunSettings
from tfner.exceptions import ConfigError, ModelError
from tfner.model.encoders import families
from tfner.model.encoders.encoder import Encoder, EncoderInput
from tfner.model.encoders.families import Family, build_encoder, find_family
from tfner.safeio.json_text import read_json_object
from tfner.serving.server.app import ServerSettings, open_models
from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.limits import Limits
from tfner.serving.server.servable import load_servable
from tfner.serving.server.service import Service
from tfner.training.restore import export_run, open_model
from tfner.training.run import train

pytestmark = pytest.mark.long

NAME = "bag"


class BagEncoder(Encoder):
    """Look up pieces and see three of them at once; padding and other texts are zeros."""

    def __init__(self, vocabulary: int, hidden_size: int, max_positions: int):
        super().__init__(name="encoder")
        self.hidden_size = hidden_size
        self.max_positions = max_positions
        self.embedding = keras.layers.Embedding(vocabulary, hidden_size)
        self.left = keras.layers.Dense(hidden_size)
        self.middle = keras.layers.Dense(hidden_size)
        self.right = keras.layers.Dense(hidden_size)

    def call(self, inputs: EncoderInput, training: bool = False) -> tf.Tensor:
        x_BTH = self.embedding(inputs.input_ids)
        before = neighbours(x_BTH, inputs.segment_ids, 1)
        after = neighbours(x_BTH, inputs.segment_ids, -1)
        return tf.nn.relu(self.left(before) + self.middle(x_BTH) + self.right(after))

    @property
    def word_embeddings(self) -> tf.Variable:
        return self.embedding.embeddings


def neighbours(x_BTH: tf.Tensor, segments_BT: tf.Tensor, by: int) -> tf.Tensor:
    """What stands `by` positions before, where it is of the same text; else 0."""
    padded = tf.pad(segments_BT, [[0, 0], [1, 1]])
    moved = tf.roll(padded, by, axis=1)[:, 1:-1]
    same_BT1 = ((moved == segments_BT) & (segments_BT > 0))[..., None]
    shifted = tf.roll(tf.pad(x_BTH, [[0, 0], [1, 1], [0, 0]]), by, axis=1)[:, 1:-1]
    return tf.where(same_BT1, shifted, 0.0)


def build(folder: Path, pretrained: bool, implementation: str) -> BagEncoder:
    config = read_json_object(folder / "config.json", ModelError)
    encoder = BagEncoder(config["vocab_size"], 24, config["max_position_embeddings"])
    ones = tf.ones([1, 4], tf.int32)
    encoder(EncoderInput(ones, ones))
    return encoder


@pytest.fixture(scope="module", autouse=True)
def family():
    families.register(Family(NAME, check=lambda folder, pretrained: None, build=build))
    yield
    del families.FAMILIES[NAME]


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> RunSettings:
    folder = tmp_path_factory.mktemp("bag")
    tiny.write_checkpoint(folder / "checkpoint", None, model_type=NAME)
    people, places = ("anna", "boris", "clara", "david"), ("oslo", "paris", "lima", "turin")
    lines = [
        json.dumps({"text": f"{who} met the {who} in {where}", "entities": spans(who, where)})
        for who in people
        for where in places
    ]
    (folder / "data.jsonl").write_text("\n".join(lines * 4), encoding="utf-8")
    return RunSettings.model_validate(
        {
            "name": "bag",
            "devices": "cpu",
            "data": {"train": str(folder / "data.jsonl"), "dev": str(folder / "data.jsonl")},
            "encoder": {
                "checkpoint": str(folder / "checkpoint"),
                "initialize": "random",
                "max_length": 32,
                "overlap": 8,
            },
            "model": {"head": "softmax"},
            "training": {"epochs": 3, "batch_size": 4, "learning_rate": 0.02},
            "runs_dir": str(folder / "runs"),
            "exports_dir": str(folder / "exports"),
        }
    )


def spans(who: str, where: str) -> list[list]:
    second = len(who) + len(" met the ")
    third = second + len(who) + len(" in ")
    return [
        [0, len(who), "PER"],
        [second, second + len(who), "PER"],
        [third, third + len(where), "LOC"],
    ]


@pytest.fixture(scope="module")
def outcome(settings):
    return train(settings, Console(quiet=True))


TEXT = "clara met the boris in lima"
WANTED = [("clara", "PER"), ("boris", "PER"), ("lima", "LOC")]


def found(recognizer) -> list[tuple[str, str]]:
    return [(entity.text, entity.label) for entity in recognizer(TEXT)]


def test_it_trains_and_is_evaluated(outcome):
    assert outcome.state == "finished"
    assert outcome.reports["dev"].scores.micro.f1 == 1.0


def test_its_export_and_its_run_are_loaded_and_say_the_same(outcome, settings):
    assert found(tfner.load(outcome.export)) == WANTED
    assert found(open_model(settings.run_dir)) == WANTED


def test_its_export_is_served(outcome):
    def service() -> Service:
        settings = ServerSettings(outcome.export.parent, name="bag")
        return Service(open_models(settings, load_servable), Limits(), ServerBatching())

    with running(service) as (rest, _):
        assert found(tfner.connect(f"{rest}/v1/models/bag")) == WANTED


def test_it_is_exported_again_in_the_precision_that_it_has(outcome, settings, tmp_path):
    exported = export_run(settings.run_dir, tmp_path)
    assert found(tfner.load(exported)) == WANTED
    message = "^export.precision: expected float32 for BagEncoder, got bfloat16$"
    with pytest.raises(ConfigError, match=message):
        export_run(settings.run_dir, tmp_path, ["precision=bfloat16"])


def test_packed_texts_do_not_see_each_other(settings):
    encoder = build_encoder(Path(settings.encoder.checkpoint), pretrained=False)
    ids = np.array([[5, 6, 7, 8, 9, 0]], np.int32)
    segments = np.array([[1, 1, 1, 2, 2, 0]], np.int32)
    packed = encoder(EncoderInput(ids, segments)).numpy()
    alone = encoder(EncoderInput(ids[:, :3], segments[:, :3])).numpy()
    np.testing.assert_allclose(packed[:, :3], alone, atol=1e-6)


def test_a_family_that_is_not_known_is_refused_by_name(tmp_path):
    tiny.write_checkpoint(tmp_path, None, model_type="squeeze")
    message = r"expected model_type bag, bert, .* or xlm-roberta, got squeeze$"
    with pytest.raises(ModelError, match=message):
        find_family(tmp_path)
