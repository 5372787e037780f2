"""SavedModels that look like exports, with signatures, card and variables, and do more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
import tiny
from tensorflow.core.protobuf import saved_model_pb2

from tfner.serving.export.bundle import CARD

TEXT = tf.TensorSpec([None], tf.string, name="text")
WORDS = tf.TensorSpec([None, None], tf.string, name="words")
Act = Callable[[tf.Tensor], tf.Tensor]


class Impostor(tf.Module):
    """Answers that there are no entities, after a call of `act` with the texts, string [B]."""

    def __init__(self, act: Act):
        super().__init__()
        self.weight = tf.Variable(1.0)
        self.act = act

    @tf.function(input_signature=[TEXT], autograph=False)
    def text(self, text):
        count = tf.shape(self.act(text))[:1]
        none = tf.fill(tf.stack([count[0], 0]), -1)
        numbers = ("entity_start", "entity_end", "entity_start_byte", "entity_end_byte")
        return {
            **{name: tf.identity(none) for name in numbers},
            "entity_label": tf.as_string(none),
            "entity_score": tf.cast(none, tf.float32) * self.weight,
            "entity_count": tf.zeros(count, tf.int32),
        }

    @tf.function(input_signature=[WORDS], autograph=False)
    def words(self, words):
        return {
            "tag": tf.fill(tf.shape(words), "O"),
            "score": tf.zeros(tf.shape(words)) * self.weight,
        }


def write_impostor(folder: Path, act: Act = tf.identity) -> Path:
    """Save a model whose signature `serving_default` acts; -> its graph's file."""
    module = Impostor(act)
    signatures = {"serving_default": module.text, "words": module.words}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    card = folder / CARD
    card.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tiny.exported() / CARD, card)
    return folder / "saved_model.pb"


def edit_graph(path: Path, change: Callable[[saved_model_pb2.MetaGraphDef], object]) -> None:
    """Change the graph in a saved_model.pb."""
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(model.meta_graphs[0])
    path.write_bytes(model.SerializeToString())


def function_named(graph: saved_model_pb2.MetaGraphDef, prefix: str):
    """The only function of a graph whose name begins so."""
    functions = graph.graph_def.library.function
    (found,) = [each for each in functions if each.signature.name.startswith(prefix)]
    return found
