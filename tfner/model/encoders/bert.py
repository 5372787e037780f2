"""Build BERT from a checkpoint, and run it.

No other module touches transformers' TensorFlow classes; an export does not need them.

`TFBertModel.from_pretrained` of transformers 4.57 fails on safetensors files written by PyTorch,
which is what most checkpoints hold, so those are read here tensor by tensor and checked name by
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ModelError
from tfner.model.encoders import bert_config, bert_weights, weight_files
from tfner.model.encoders.encoder import Encoder, EncoderInput
from tfner.model.encoders.families import Family, register
from tfner.model.encoders.fused import FusedPass
from tfner.model.encoders.partial_embedding import PartialEmbedding
from tfner.model.export_copy import ExportCopy
from tfner.model.keras_internals import SeedSource
from tfner.safeio.printable import first_line
from tfner.safeio.sources import check_inside

OF_THE_ENCODER = re.compile(r"(^|/)(embeddings|encoder)(/|$)")  # in the names of a tf_model.h5


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
        ids_BT, segments_BT, positions_BT = inputs
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
        return fused(weights, *inputs, seeds, look_up)

    @property
    def word_embeddings(self) -> tf.Variable:
        """Return BERT's table, float32 [vocabulary, H]; `sync_embeddings` brings it up to date."""
        return self.bert.embeddings.weight

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """List BERT's own, without the table where a copy of some of its rows is trained."""
        weights = self.bert.trainable_weights
        if self._partial is None:
            return weights
        return [weight for weight in weights if weight is not self.word_embeddings]

    @property
    def weights(self) -> list[tf.Variable]:
        """List BERT's own variables, in the same order in every encoder of a shape."""
        return self.bert.weights

    def export_copy(self, dtype: tf.DType, *, skip_padding: bool) -> ExportCopy:
        """Copy the weights for the fused pass: tables and kernels in `dtype`, others in float32."""
        self.sync_embeddings()
        encode = bert_weights.fused_pass(self.bert, dtype, skip_padding=skip_padding)
        weights, variables = bert_weights.copy_weights(self.bert, dtype)
        return ExportCopy(lambda inputs: encode(weights, *inputs), variables)

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


def build_tf_bert(folder: Path, pretrained: bool) -> keras.Model:
    """Build transformers' own model, without a pooler; raises as `build_bert`."""
    from transformers import TFBertModel

    config, files = check_checkpoint(folder, pretrained)
    with errors_alone():
        try:
            model = TFBertModel(config, add_pooling_layer=False)
            model(model.dummy_inputs)
        except (ValueError, TypeError, KeyError, AttributeError, tf.errors.OpError) as error:
            where = f"{folder / 'config.json'}: no BERT can be built from it"
            raise ModelError(f"{where}: {first_line(error)}") from None
        if pretrained:
            load_weights(model, files, folder)
    return model


def check_checkpoint(folder: Path, pretrained: bool) -> tuple[Any, list[Path]]:
    """Check a checkpoint before anything is built from it.

    Returns:
        Its BertConfig, and the files of its weights; none if they are not wanted.

    Raises:
        ModelError: as `build_bert`.
    """
    config = read_config(folder)
    numbers = bert_config.count_weights(config)
    path = folder / "config.json"
    bert_config.check_count(path, numbers)
    if not pretrained:
        return config, []
    files = weight_files.find_weights(folder)
    weight_files.check_weights(files, numbers, folder)
    return config, files


@contextmanager
def errors_alone() -> Iterator[None]:
    """Keep transformers from advising against its TensorFlow classes and listing heads left out."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def read_config(folder: Path) -> Any:
    """Read the BertConfig of a checkpoint folder."""
    from transformers import BertConfig

    check_inside(folder, ["config.json"])
    path = folder / "config.json"
    settings = bert_config.read_bert_config(path)
    return BertConfig(**settings)


def load_weights(model: keras.Model, files: list[Path], folder: Path) -> None:
    """Fill a TFBertModel from the files of its folder."""
    if files[0].name == weight_files.TENSORFLOW:
        load_tensorflow_file(model, folder)
    else:
        tensors = weight_files.TensorFiles(files)
        tensors.keep("bert.")
        load_pytorch_tensors(model, tensors, folder)


def load_pytorch_tensors(
    model: keras.Model, tensors: weight_files.TensorFiles, folder: Path
) -> None:
    """Fill a TFBertModel from tensors by PyTorch's names, with or without the prefix `bert.`."""
    from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

    names = ("allow_missing_keys", "output_loading_info", "skip_logger_warnings")
    options = dict.fromkeys(names, True)
    try:
        _, info = load_pytorch_state_dict_in_tf2_model(model, tensors, **options)
    except (ValueError, tf.errors.OpError) as error:
        reason = first_line(error)
        message = f"{folder}: weights of another shape than config.json says: {reason}"
        raise ModelError(message) from None
    check_keys(folder, info["missing_keys"], info["unexpected_keys"])


def load_tensorflow_file(model: keras.Model, folder: Path) -> None:
    """Fill a TFBertModel from the folder's tf_model.h5."""
    from transformers import TFBertModel

    options: dict[str, Any] = {"config": model.config, "add_pooling_layer": False}
    options |= {"output_loading_info": True, "local_files_only": True}
    try:
        loaded, info = TFBertModel.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        where = f"{folder / 'tf_model.h5'}: damaged, or of another shape than config.json says"
        raise ModelError(f"{where}: {first_line(error)}") from None
    unexpected = [name for name in info["unexpected_keys"] if OF_THE_ENCODER.search(name)]
    missing = info["missing_keys"]
    check_keys(folder, missing, unexpected)
    model.set_weights(loaded.get_weights())


def check_keys(folder: Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """Refuse weights of which one is not there or one has no place: they are another encoder's."""
    for what, keys in {"are missing": missing, "have no place in it": unexpected}.items():
        names = sorted(keys)
        if names:
            first_names = names[:3]
            examples = ", ".join(first_names)
            found = f"{len(names)} {what}, for example {examples}"
            raise ModelError(f"{folder}: not the weights of this encoder: {found}")


register(Family("bert", check_checkpoint, build_bert))
