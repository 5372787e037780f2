"""The BERT inside. The only module that touches transformers' TensorFlow classes; an export does not need it.

`TFBertModel.from_pretrained` of transformers 4.57 fails on safetensors files written by PyTorch, which is what most checkpoints hold,
so those are read here tensor by tensor and checked name by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import MissingExtraError, ModelError
from tfner.inputs import encoder_folder

SMALL_FILES = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
WEIGHTS = (("model.safetensors", "model.safetensors.index.json", "model-*.safetensors"), ("tf_model.h5",), ("pytorch_model.bin",))
OF_THE_ENCODER = re.compile(r"(^|/)(embeddings|encoder)(/|$)")  # in the names of a tf_model.h5
NOT_OF_THE_ENCODER = re.compile(r"(^|\.)pooler\.|position_ids$|^(cls|classifier|qa_outputs|seq_relationship)\.")


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
        raise ModelError(f"encoder.checkpoint: {name} is no local folder and could not be had from the hub: {first_line(error)}") from None
    return folder


def build_encoder(folder: Path, *, pretrained: bool = True) -> keras.Model:
    """A TFBertModel without pooler, its weights from `folder` or drawn at random.

    Takes `input_ids` and `attention_mask`, int32 [B, T]; `.last_hidden_state` is [B, T, H].

    Raises:
        ModelError: config.json is not BERT's, or the weights are missing, damaged or of another shape.
    """
    from transformers import TFBertModel

    config = read_config(folder)
    with errors_alone():
        try:
            encoder = TFBertModel(config, add_pooling_layer=False)
            encoder(encoder.dummy_inputs)
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            raise ModelError(f"{folder / 'config.json'}: no BERT can be built from it: {first_line(error)}") from None
        if pretrained:
            load_weights(encoder, folder)
    return encoder


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

    path = folder / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: expected the JSON configuration of a BERT: {error}") from None
    kind = values.get("model_type", "bert") if isinstance(values, dict) else type(values).__name__
    if kind != "bert":
        raise ModelError(f"{path}: expected model_type bert, got {kind}")
    return BertConfig.from_dict(values)


def load_weights(encoder: keras.Model, folder: Path) -> None:
    """Fill the encoder from whichever weights file the folder holds."""
    if files := safetensors_files(folder):
        load_pytorch_tensors(encoder, read_safetensors(files), folder)
    elif (folder / "tf_model.h5").is_file():
        load_tensorflow_file(encoder, folder)
    elif (folder / "pytorch_model.bin").is_file():
        load_pytorch_tensors(encoder, read_torch(folder / "pytorch_model.bin"), folder)
    else:
        raise ModelError(f"{folder}: expected weights in model.safetensors, tf_model.h5 or pytorch_model.bin, found none; "
                         "to train from scratch set encoder.initialize=random")


def safetensors_files(folder: Path) -> list[Path]:
    """The one file, or the shards that an index names; empty where there is none."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"] if (folder / "model.safetensors").is_file() else []
    try:
        return [folder / name for name in sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: expected a JSON object with weight_map: {first_line(error)}") from None


def read_safetensors(files: Iterable[Path]) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.tensorflow import load_file

    tensors: dict[str, Any] = {}
    for path in files:
        try:
            tensors.update(load_file(str(path)))
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: damaged or no safetensors file: {error}") from None
    return tensors


def read_torch(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch", f"reading {path}") from None
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a zoo of types for a damaged file
        raise ModelError(f"{path}: damaged or no PyTorch weights: {error}") from None
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}


def load_pytorch_tensors(encoder: keras.Model, tensors: dict[str, Any], folder: Path) -> None:
    from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

    prefixed = any(name.startswith("bert.") for name in tensors)
    of_encoder = {
        name: tf.cast(value, tf.float32).numpy()
        for name, value in tensors.items()
        if (name.startswith("bert.") or not prefixed) and not NOT_OF_THE_ENCODER.search(name)
    }
    try:
        _, info = load_pytorch_state_dict_in_tf2_model(
            encoder, of_encoder, allow_missing_keys=True, output_loading_info=True, skip_logger_warnings=True
        )
    except (ValueError, tf.errors.OpError) as error:
        raise ModelError(f"{folder}: weights of another shape than config.json says: {first_line(error)}") from None
    check_keys(folder, info["missing_keys"], info["unexpected_keys"])


def load_tensorflow_file(encoder: keras.Model, folder: Path) -> None:
    from transformers import TFBertModel

    try:
        loaded, info = TFBertModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'tf_model.h5'}: damaged, or of another shape than config.json says: {first_line(error)}") from None
    check_keys(folder, info["missing_keys"], [name for name in info["unexpected_keys"] if OF_THE_ENCODER.search(name)])
    encoder.set_weights(loaded.get_weights())


def check_keys(folder: Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """A weight that is not there, or one that has no place, means that these are not this encoder's weights."""
    for what, names in (("are missing", sorted(missing)), ("have no place in it", sorted(unexpected))):
        if names:
            raise ModelError(f"{folder}: not the weights of this encoder: {len(names)} {what}, for example {', '.join(names[:3])}")


def first_line(error: Exception) -> str:
    """Libraries explain themselves at length; a user's message holds one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
