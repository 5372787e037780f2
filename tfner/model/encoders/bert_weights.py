"""The weights inside a TFBertModel, as the fused forward pass takes them."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

from tfner.model.encoders.fused import (
    Dense,
    FusedPass,
    LayerWeights,
    Norm,
    Weights,
    attention_bias,
    gelu,
)


def fused_pass(encoder: keras.Model, dtype: tf.DType, *, skip_padding: bool = False) -> FusedPass:
    """The fused pass of a TFBertModel's configuration; `skip_padding` as FusedPass says."""
    of_checkpoint = encoder.bert.encoder.layer[0].intermediate.intermediate_act_fn
    config = encoder.config
    return FusedPass(
        config.num_attention_heads,
        config.hidden_size // config.num_attention_heads,
        gelu if config.hidden_act == "gelu" else of_checkpoint,
        dtype,
        epsilon=config.layer_norm_eps,
        hidden_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        skip_padding=skip_padding,
    )


def read_weights(encoder: keras.Model) -> Weights:
    """The weights of a TFBertModel: its own variables, with those of queries, keys and values side by side."""
    embeddings = encoder.bert.embeddings
    return Weights(
        embeddings.weight,
        embeddings.position_embeddings,
        embeddings.token_type_embeddings[0],
        read_norm(embeddings.LayerNorm),
        tuple(map(read_layer, encoder.bert.encoder.layer)),
    )


def copy_weights(encoder: keras.Model, dtype: tf.DType) -> tuple[Weights, list[tf.Variable]]:
    """New variables that hold a TFBertModel's weights: tables and kernels in `dtype`, the few others in float32."""
    variables: list[tf.Variable] = []

    def copy(value: tf.Tensor) -> tf.Variable:
        kept = dtype if value.shape.rank == 2 else tf.float32
        variables.append(tf.Variable(tf.cast(value, kept), trainable=False))
        return variables[-1]

    return tf.nest.map_structure(copy, read_weights(encoder)), variables


def encode_packed(
    encoder: keras.Model,
    ids_BT: tf.Tensor,
    segments_BT: tf.Tensor,
    positions_BT: tf.Tensor,
    training: bool,
) -> tf.Tensor:
    """Hidden states of packed rows by a TFBertModel's own layers, whose model takes no mask of [B, T, T]; all int32 [B, T] -> [B, T, H]."""
    bert, layers = encoder.bert, encoder.config.num_hidden_layers
    embedded_BTH = bert.embeddings(ids_BT, positions_BT, tf.zeros_like(ids_BT), training=training)
    return bert.encoder(
        hidden_states=embedded_BTH,
        attention_mask=attention_bias(segments_BT, packed=True, dtype=embedded_BTH.dtype),
        head_mask=[None] * layers,
        encoder_hidden_states=None,
        encoder_attention_mask=None,
        past_key_values=[None] * layers,
        use_cache=False,
        output_attentions=False,
        output_hidden_states=False,
        return_dict=True,
        training=training,
    ).last_hidden_state


def read_layer(layer: keras.layers.Layer) -> LayerWeights:
    attention = layer.attention.self_attention
    parts = (attention.query, attention.key, attention.value)
    return LayerWeights(
        Dense(
            tf.concat([part.kernel for part in parts], 1),
            tf.concat([part.bias for part in parts], 0),
        ),
        read_dense(layer.attention.dense_output.dense),
        read_norm(layer.attention.dense_output.LayerNorm),
        read_dense(layer.intermediate.dense),
        read_dense(layer.bert_output.dense),
        read_norm(layer.bert_output.LayerNorm),
    )


def read_dense(dense: keras.layers.Dense) -> Dense:
    return Dense(dense.kernel, dense.bias)


def read_norm(norm: keras.layers.LayerNormalization) -> Norm:
    return Norm(norm.gamma, norm.beta)
