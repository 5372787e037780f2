"""The BERT inside. The only module that touches transformers' TensorFlow classes; an export does not need it.

`TFBertModel.from_pretrained` of transformers 4.57 fails on safetensors files written by PyTorch, which is what most checkpoints hold,
so those are read here tensor by tensor and checked name by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ModelError
from tfner.model.encoders.bert_config import check_count, count_weights, read_bert_config
from tfner.model.encoders.weight_files import (
    TENSORFLOW,
    check_weights,
    find_weights,
    read_safetensors,
)
from tfner.safeio.printable import first_line
from tfner.safeio.sources import check_inside, encoder_folder

SMALL_FILES = (
    "config.json",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
WEIGHTS = (
    ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors"),
    ("tf_model.h5",),
)
OF_THE_ENCODER = re.compile(r"(^|/)(embeddings|encoder)(/|$)")  # in the names of a tf_model.h5


def resolve_checkpoint(checkpoint: str) -> Path:
    """The folder of a checkpoint; a hub name is downloaded (or found in the hub's cache) first.

    Raises:
        ConfigError: no such folder, and not shaped like a hub name.
        ModelError: the hub has no such model or cannot be reached.
    """
    folder = encoder_folder(checkpoint)
    return folder if folder is not None else download(checkpoint)


def download(name: str) -> Path:
    """The hub's files of a checkpoint, the weights in one format only: many repositories hold the same weights in three."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        for weights in WEIGHTS:
            folder = Path(snapshot_download(name, allow_patterns=[*SMALL_FILES, *weights]))
            if any(any(folder.glob(pattern)) for pattern in weights):
                break
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ModelError(
            f"encoder.checkpoint: {name} is no local folder and could not be had from the hub: {first_line(error)}"
        ) from None
    return folder


def build_encoder(folder: Path, *, pretrained: bool = True) -> keras.Model:
    """A TFBertModel without pooler, its weights from `folder` or drawn at random.

    Takes `input_ids` and `attention_mask`, int32 [B, T]; `.last_hidden_state` is [B, T, H].

    Raises:
        ModelError: config.json is not BERT's, or the weights are missing, damaged or of another shape.
    """
    from transformers import TFBertModel

    config, files = check_checkpoint(folder, pretrained=pretrained)
    with errors_alone():
        try:
            encoder = TFBertModel(config, add_pooling_layer=False)
            encoder(encoder.dummy_inputs)
        except (ValueError, TypeError, KeyError, AttributeError, tf.errors.OpError) as error:
            raise ModelError(
                f"{folder / 'config.json'}: no BERT can be built from it: {first_line(error)}"
            ) from None
        if pretrained:
            load_weights(encoder, files, folder)
    return encoder


def check_checkpoint(folder: Path, *, pretrained: bool) -> tuple[Any, list[Path]]:
    """What can be told of a checkpoint before anything is built from it. -> (its BertConfig, the files of its weights)

    Raises:
        ModelError: as `build_encoder`.
    """
    config = read_config(folder)
    numbers = count_weights(config)
    check_count(folder / "config.json", numbers)
    files = find_weights(folder) if pretrained else []
    if files:
        check_weights(files, numbers, folder)
    return config, files


@contextmanager
def errors_alone() -> Iterator[None]:
    """Keep transformers from advising the user against its TensorFlow classes and listing the heads that it left out."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def read_config(folder: Path) -> Any:
    """The BertConfig of a checkpoint folder."""
    from transformers import BertConfig

    check_inside(folder, ["config.json"])
    return BertConfig(**read_bert_config(folder / "config.json"))


def load_weights(encoder: keras.Model, files: list[Path], folder: Path) -> None:
    """Fill the encoder from the files of its folder."""
    if files[0].name == TENSORFLOW:
        load_tensorflow_file(encoder, folder)
    else:
        load_pytorch_tensors(encoder, read_safetensors(files), folder)


def load_pytorch_tensors(encoder: keras.Model, tensors: dict[str, Any], folder: Path) -> None:
    from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

    prefixed = any(name.startswith("bert.") for name in tensors)
    of_encoder = {
        name: tf.cast(value, tf.float32).numpy()
        for name, value in tensors.items()
        if name.startswith("bert.") or not prefixed
    }
    try:
        _, info = load_pytorch_state_dict_in_tf2_model(
            encoder,
            of_encoder,
            allow_missing_keys=True,
            output_loading_info=True,
            skip_logger_warnings=True,
        )
    except (ValueError, tf.errors.OpError) as error:
        raise ModelError(
            f"{folder}: weights of another shape than config.json says: {first_line(error)}"
        ) from None
    check_keys(folder, info["missing_keys"], info["unexpected_keys"])


def load_tensorflow_file(encoder: keras.Model, folder: Path) -> None:
    from transformers import TFBertModel

    try:
        loaded, info = TFBertModel.from_pretrained(
            folder,
            config=encoder.config,
            add_pooling_layer=False,
            output_loading_info=True,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder / 'tf_model.h5'}: damaged, or of another shape than config.json says: {first_line(error)}"
        ) from None
    check_keys(
        folder,
        info["missing_keys"],
        [name for name in info["unexpected_keys"] if OF_THE_ENCODER.search(name)],
    )
    encoder.set_weights(loaded.get_weights())


def check_keys(folder: Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """A weight that is not there, or one that has no place, means that these are not this encoder's weights."""
    for what, names in (
        ("are missing", sorted(missing)),
        ("have no place in it", sorted(unexpected)),
    ):
        if names:
            raise ModelError(
                f"{folder}: not the weights of this encoder: {len(names)} {what}, for example {', '.join(names[:3])}"
            )
