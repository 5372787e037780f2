"""Read the weights inside transformers' BERT layer as the fused forward pass takes them."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

from tfner.model.encoders import fused
from tfner.model.encoders.fused import Dense, Norm


def fused_pass(bert: keras.layers.Layer, dtype: tf.DType) -> fused.FusedPass:
    """Build the fused pass of a BERT layer's configuration."""
    config = bert.config
    heads = config.num_attention_heads
    head_size = config.hidden_size // heads
    activate = bert.encoder.layer[0].intermediate.intermediate_act_fn
    if config.hidden_act == "gelu":
        activate = fused.gelu
    options = {
        "epsilon": config.layer_norm_eps,
        "hidden_dropout": config.hidden_dropout_prob,
        "attention_dropout": config.attention_probs_dropout_prob,
    }
    return fused.FusedPass(heads, head_size, activate, dtype, **options)


def read_weights(bert: keras.layers.Layer) -> fused.Weights:
    """Take a BERT layer's own variables, those of queries, keys and values put side by side."""
    embeddings = bert.embeddings
    positions = embeddings.position_embeddings
    segment = embeddings.token_type_embeddings[0]
    norm = read_norm(embeddings.LayerNorm)
    layers = tuple(map(read_layer, bert.encoder.layer))
    wider = getattr(embeddings, "projection", None)
    projection = read_dense(wider) if wider is not None else None
    return fused.Weights(embeddings.weight, positions, segment, norm, projection, layers)


def copy_weights(
    bert: keras.layers.Layer, dtype: tf.DType
) -> tuple[fused.Weights, list[tf.Variable]]:
    """Copy a BERT layer's weights into variables: tables, kernels in `dtype`, others float32."""
    variables: list[tf.Variable] = []

    def copy(value: tf.Tensor | None) -> tf.Variable | None:
        if value is None:
            return None
        value = tf.cast(value, dtype if value.shape.rank == 2 else tf.float32)
        variable = tf.Variable(value, trainable=False)
        variables.append(variable)
        return variable

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
    of_no_layer = dict.fromkeys(("head_mask", "past_key_values"), [None] * layers)
    absent = dict.fromkeys(("encoder_hidden_states", "encoder_attention_mask"))
    unwanted = dict.fromkeys(("use_cache", "output_attentions", "output_hidden_states"), False)
    options = {**of_no_layer, **absent, **unwanted, "return_dict": True, "training": training}
    types_BT = tf.zeros_like(ids_BT)
    embedded_BTH = bert.embeddings(ids_BT, positions_BT, types_BT, training=training)
    bias_B1TT = fused.attention_bias(segments_BT, packed=True, dtype=embedded_BTH.dtype)
    output = bert.encoder(hidden_states=embedded_BTH, attention_mask=bias_B1TT, **options)
    return output.last_hidden_state


def read_layer(layer: keras.layers.Layer) -> fused.LayerWeights:
    """Take the weights of one transformer layer."""
    attention = layer.attention
    heads = attention.self_attention
    projections = (heads.query, heads.key, heads.value)
    kernel = tf.concat([projection.kernel for projection in projections], 1)
    bias = tf.concat([projection.bias for projection in projections], 0)
    attended = read_output(attention.dense_output)
    up = read_dense(layer.intermediate.dense)
    return fused.LayerWeights(Dense(kernel, bias), *attended, up, *read_output(layer.bert_output))


def read_output(output: keras.layers.Layer) -> tuple[Dense, Norm]:
    """Take the weights of a product and of the normalization after it."""
    return read_dense(output.dense), read_norm(output.LayerNorm)


def read_dense(dense: keras.layers.Dense) -> Dense:
    """Take kernel and bias."""
    return Dense(dense.kernel, dense.bias)


def read_norm(norm: keras.layers.LayerNormalization) -> Norm:
    """Take scale and offset."""
    return Norm(norm.gamma, norm.beta)
