"""Read the weights inside transformers' BERT layer as the fused forward pass takes them."""

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


def fused_pass(
    bert: keras.layers.Layer, dtype: tf.DType, *, skip_padding: bool = False
) -> FusedPass:
    """Build the fused pass of a BERT layer's configuration; `skip_padding` as FusedPass says."""
    config = bert.config
    activate = bert.encoder.layer[0].intermediate.intermediate_act_fn
    return FusedPass(
        config.num_attention_heads,
        config.hidden_size // config.num_attention_heads,
        gelu if config.hidden_act == "gelu" else activate,
        dtype,
        epsilon=config.layer_norm_eps,
        hidden_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        skip_padding=skip_padding,
    )


def read_weights(bert: keras.layers.Layer) -> Weights:
    """Take a BERT layer's own variables, those of queries, keys and values put side by side."""
    embeddings = bert.embeddings
    return Weights(
        embeddings.weight,
        embeddings.position_embeddings,
        embeddings.token_type_embeddings[0],
        read_norm(embeddings.LayerNorm),
        tuple(map(read_layer, bert.encoder.layer)),
    )


def copy_weights(bert: keras.layers.Layer, dtype: tf.DType) -> tuple[Weights, list[tf.Variable]]:
    """Copy a BERT layer's weights into variables: tables, kernels in `dtype`, others float32."""
    variables: list[tf.Variable] = []

    def copy(value: tf.Tensor) -> tf.Variable:
        kept = dtype if value.shape.rank == 2 else tf.float32
        variables.append(tf.Variable(tf.cast(value, kept), trainable=False))
        return variables[-1]

    return tf.nest.map_structure(copy, read_weights(bert)), variables


def encode_packed(
    bert: keras.layers.Layer,
    ids_BT: tf.Tensor,
    segments_BT: tf.Tensor,
    positions_BT: tf.Tensor,
    training: bool,
) -> tf.Tensor:
    """Compute hidden states of packed rows by BERT's own layers: int32 [B, T] -> [B, T, H].

    The layer as a whole takes no mask [B, T, T]; its embeddings and its encoder do.
    """
    layers = bert.config.num_hidden_layers
    embedded_BTH = bert.embeddings(ids_BT, positions_BT, tf.zeros_like(ids_BT), training=training)
    output = bert.encoder(
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
    )
    return output.last_hidden_state


def read_layer(layer: keras.layers.Layer) -> LayerWeights:
    """Take the weights of one transformer layer."""
    attention = layer.attention.self_attention
    projections = (attention.query, attention.key, attention.value)
    kernel = tf.concat([projection.kernel for projection in projections], 1)
    bias = tf.concat([projection.bias for projection in projections], 0)
    return LayerWeights(
        Dense(kernel, bias),
        read_dense(layer.attention.dense_output.dense),
        read_norm(layer.attention.dense_output.LayerNorm),
        read_dense(layer.intermediate.dense),
        read_dense(layer.bert_output.dense),
        read_norm(layer.bert_output.LayerNorm),
    )


def read_dense(dense: keras.layers.Dense) -> Dense:
    """Take kernel and bias."""
    return Dense(dense.kernel, dense.bias)


def read_norm(norm: keras.layers.LayerNormalization) -> Norm:
    """Take scale and offset."""
    return Norm(norm.gamma, norm.beta)
