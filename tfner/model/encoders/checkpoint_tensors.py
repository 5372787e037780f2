"""Write the weights of a BERT as the safetensors of its family have them: names, rows, layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras as keras

from tfner.model.encoders.bert_checkpoint import POSITIONS, TOKEN_TYPES
from tfner.safeio.bert_families import BERT_FAMILIES


def tensors_of_bert(bert: keras.layers.Layer) -> dict[str, np.ndarray]:
    """Copy the weights of transformers' layer, float32, by the names that PyTorch's model has.

    Reading them back gives the same layer. Kernels are [out, in] there. What no text reads and the
    layer does not have, the rows in front of RoBERTa's first position, is zeros.
    """
    config = bert.config
    family = BERT_FAMILIES[config.family]
    tensors = {}
    for variable in bert.weights:
        name, value = name_in_pytorch(variable)
        if name.endswith(TOKEN_TYPES) and not family.has_token_types:
            continue
        if name.endswith(POSITIONS):
            unused = config.unused_positions
            value = np.pad(value, [(unused, 0), (0, 0)])
        own_name = family.own_weight(name)
        tensors[own_name] = np.ascontiguousarray(value, np.float32)
    return tensors


def name_in_pytorch(variable: Any) -> tuple[str, np.ndarray]:
    """Give a variable of a TFBertModel its name and its layout in PyTorch."""
    from transformers.modeling_tf_pytorch_utils import (
        TransposeType,
        convert_tf_weight_name_to_pt_weight_name,
    )

    shape = variable.shape.as_list()
    name, layout = convert_tf_weight_name_to_pt_weight_name(variable.name, tf_weight_shape=shape)
    value = variable.numpy()
    return name, value.T if layout is TransposeType.SIMPLE else value
