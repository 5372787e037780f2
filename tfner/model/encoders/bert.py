"""Build BERT from a checkpoint of one of its families, and run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.model.encoders import bert_weights
from tfner.model.encoders.bert_checkpoint import build_tf_bert, check_checkpoint
from tfner.model.encoders.checkpoint_tensors import tensors_of_bert
from tfner.model.encoders.encoder import Encoder, EncoderInput
from tfner.model.encoders.families import Family, register
from tfner.model.encoders.fused import FusedPass
from tfner.model.encoders.partial_embedding import PartialEmbedding
from tfner.model.export_copy import ExportCopy
from tfner.model.keras_internals import SeedSource
from tfner.safeio.bert_families import BERT_FAMILIES


class BertEncoder(Encoder):
    """Run the layers of a TFBertModel without its pooler.

    Args:
        bert: transformers' layer, with all its variables.
        implementation: who computes hidden states: "fused", our own pass over the layer's weights,
            or "reference", the layer itself.
    """

    def __init__(self, bert: keras.layers.Layer, implementation: str):
        super().__init__(name="encoder")
        self.bert = bert
        self.config = bert.config
        self.hidden_size = bert.config.hidden_size
        self.max_positions = bert.config.max_position_embeddings
        self.initializer_range = bert.config.initializer_range
        self._family = bert.config.family
        self._partial: PartialEmbedding | None = None
        self._fused: FusedPass | None = None
        self._seeds: SeedSource | None = None
        if implementation == "fused":
            self._fused = bert_weights.fused_pass(bert, tf.as_dtype(self.compute_dtype))
            self._seeds = SeedSource(name="seeds")

    # Nothing here needs autograph, and its reading through transformers' layers takes seconds.
    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: EncoderInput, training: bool = False) -> tf.Tensor:
        """Compute hidden states, float [B, T, H] in the precision of the dtype policy."""
        if self._fused is not None and self._seeds is not None:
            return self._run_fused(self._fused, self._seeds, inputs, training)
        ids_BT, segments_BT, positions_BT, _ = inputs
        if positions_BT is not None:
            packed = (ids_BT, segments_BT, positions_BT)
            return bert_weights.encode_packed(self.bert, *packed, training)
        output = self.bert(input_ids=ids_BT, attention_mask=segments_BT, training=training)
        return output.last_hidden_state

    def _run_fused(
        self, fused: FusedPass, source: SeedSource, inputs: EncoderInput, training: bool
    ) -> tf.Tensor:
        layers = self.config.num_hidden_layers
        count = fused.seed_count(layers)
        seeds = source.draw(count) if training else None
        look_up = None
        if self._partial is not None and training:
            look_up = self._partial.look_up
        elif self._partial is not None:
            look_up = partial(self._partial.look_up_any, self.word_embeddings)
        weights = bert_weights.read_weights(self.bert)
        return fused(weights, *inputs, seeds_D2=seeds, look_up=look_up)

    @property
    def word_embeddings(self) -> tf.Variable:
        """Return BERT's table, float32 [vocabulary, H]; `sync_embeddings` brings it up to date."""
        return self.bert.embeddings.weight

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """List BERT's own, without the table where a copy of some of its rows is trained.

        Nor are there token types where the checkpoint has none: theirs stay zeros.
        """
        weights = self.bert.trainable_weights
        left_out = []
        if self._partial is not None:
            left_out.append(self.word_embeddings)
        if not BERT_FAMILIES[self._family].has_token_types:
            left_out.append(self.bert.embeddings.token_type_embeddings)
        return [weight for weight in weights if not any(weight is other for other in left_out)]

    @property
    def weights(self) -> list[tf.Variable]:
        """List BERT's own variables, in the same order in every encoder of a shape."""
        return self.bert.weights

    def export_copy(self, dtype: tf.DType) -> ExportCopy:
        """Copy the weights for the fused pass: tables and kernels in `dtype`, others in float32."""
        self.sync_embeddings()
        encode = bert_weights.fused_pass(self.bert, dtype)
        weights, variables = bert_weights.copy_weights(self.bert, dtype)
        return ExportCopy(lambda inputs: encode(weights, *inputs), variables)

    def checkpoint_tensors(self) -> dict[str, np.ndarray]:
        """Copy BERT's weights by the names of its family: see `tensors_of_bert`."""
        self.sync_embeddings()
        return tensors_of_bert(self.bert)

    def restrict_embedding_update(self, ids: Sequence[int] | np.ndarray) -> None:
        """Update only the embedding rows listed in `ids` (ascending int [U]).

        Rows that no training text uses get no gradient; skipping them saves a tenth of a step on
        WNUT-17, and the optimizer's memory of them. They still decay as AdamW has them decay. Call
        this before the optimizer is built. The reference implementation reads its own table and
        trains all.
        """
        if self._fused is not None:
            self._partial = PartialEmbedding(self.word_embeddings, ids, name="rows")

    def sync_embeddings(self) -> None:
        """Put the rows that are trained apart into the table and let its other rows decay."""
        if self._partial is not None:
            self._partial.sync(self.word_embeddings)

    @property
    def checkpoint_objects(self) -> Mapping[str, Any]:
        """Name the state of dropout and the rows that are trained as checkpoints always have."""
        objects = {"_seeds": self._seeds, "_rows": self._partial}
        return {name: tracked for name, tracked in objects.items() if tracked is not None}


def build_bert(folder: Path, pretrained: bool, implementation: str = "fused") -> BertEncoder:
    """Build the encoder of a folder with BERT's config.json, its weights read or drawn at random.

    Raises:
        ModelError: config.json is not BERT's, or the weights are missing, damaged or of another
            shape.
    """
    model = build_tf_bert(folder, pretrained)
    return BertEncoder(model.bert, implementation)


for _name in BERT_FAMILIES:
    register(Family(_name, check_checkpoint, build_bert))
