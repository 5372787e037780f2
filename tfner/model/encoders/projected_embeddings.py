"""Make embeddings that are narrower than hidden states as wide as these, as ELECTRA does."""

from __future__ import annotations

import copy
from typing import Any

import tensorflow as tf
import tf_keras as keras


def project_embeddings(bert: keras.layers.Layer, width: int) -> None:
    """Give an unbuilt TFBertMainLayer embeddings of `width`, and a product behind them.

    A normalization of `width` comes in between. `bert.embeddings.projection` is the product, a
    Dense; all else of the embeddings is where it is in BERT's.
    """
    # Only a checkpoint needs transformers' classes, and importing them takes seconds.
    from transformers.models.bert.modeling_tf_bert import TFBertEmbeddings

    class ProjectedEmbeddings(TFBertEmbeddings):
        def __init__(self, config: Any, hidden_size: int):
            super().__init__(config, name="embeddings")
            initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
            options = {"kernel_initializer": initializer, "name": "projection"}
            self.projection = keras.layers.Dense(hidden_size, **options)

        def build(self, input_shape: Any = None) -> None:
            super().build(input_shape)
            with tf.name_scope("projection"):
                self.projection.build([None, None, width])

        def call(
            self,
            input_ids: tf.Tensor | None = None,
            position_ids: tf.Tensor | None = None,
            token_type_ids: tf.Tensor | None = None,
            training: bool = False,
            **options: Any,
        ) -> tf.Tensor:
            inputs = input_ids, position_ids, token_type_ids
            embedded_BTE = super().call(*inputs, training=training, **options)
            return self.projection(embedded_BTE)

    config = copy.deepcopy(bert.config)
    config.hidden_size = width
    bert.embeddings = ProjectedEmbeddings(config, bert.config.hidden_size)
