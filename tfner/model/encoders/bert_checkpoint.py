"""Build transformers' TFBertModel from a checkpoint of BERT or of a family that is BERT inside.

No other module but that of ELECTRA's embeddings touches transformers' TensorFlow classes; an export
does not need them.

`TFBertModel.from_pretrained` of transformers 4.57 fails on safetensors files written by PyTorch,
which is what most checkpoints hold, so those are read here tensor by tensor and checked name by
name.
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
from tfner.model.encoders import bert_config, weight_files
from tfner.model.encoders.projected_embeddings import project_embeddings
from tfner.safeio.bert_families import BERT_FAMILIES, BertFamily
from tfner.safeio.printable import first_line
from tfner.safeio.sources import check_inside

OF_THE_ENCODER = re.compile(r"(^|/)(embeddings|encoder)(/|$)")  # in the names of a tf_model.h5
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"


def build_tf_bert(folder: Path, pretrained: bool) -> keras.Model:
    """Build transformers' own model, without a pooler; raises as `build_bert`."""
    from transformers import TFBertModel

    config, files = check_checkpoint(folder, pretrained)
    with errors_alone():
        try:
            model = TFBertModel(config, add_pooling_layer=False)
            width = bert_config.embedding_width(config)
            if width != config.hidden_size:
                project_embeddings(model.bert, width)
            model(model.dummy_inputs)
        except (ValueError, TypeError, KeyError, AttributeError, tf.errors.OpError) as error:
            where = f"{folder / 'config.json'}: no BERT can be built from it"
            raise ModelError(f"{where}: {first_line(error)}") from None
        if pretrained:
            load_weights(model, files, folder)
    if not BERT_FAMILIES[config.family].has_token_types:
        table = model.bert.embeddings.token_type_embeddings
        table.assign(tf.zeros_like(table))
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
    if files[0].name == weight_files.TENSORFLOW and config.family != "bert":
        expected = f"expected the weights of a {config.family} as safetensors"
        raise ModelError(f"{folder}: {expected}, got {weight_files.TENSORFLOW} alone")
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


class BertTensors:
    """Give the tensors of a checkpoint under BERT's names and in BERT's shapes, one by one.

    It has of an open safetensors file what transformers asks one for.

    Raises:
        ModelError: a file is damaged, or two of its tensors are the same one of BERT's.
    """

    def __init__(self, files: list[Path], config: Any, folder: Path):
        family = BERT_FAMILIES[config.family]
        self._tensors = weight_files.TensorFiles(files)
        self._tensors.keep(family.prefix)
        self._unused_positions = config.unused_positions
        self._own_names: dict[str, str] = {}
        for own in self._tensors:
            name = family.bert_weight(own)
            other = self._own_names.setdefault(name, own)
            if other != own:
                raise ModelError(f"{folder}: expected {other} or {own} in the weights, got both")

    def __iter__(self) -> Iterator[str]:
        return iter(self._own_names)

    def own_names(self, names: Iterable[str]) -> list[str]:
        """List the names of tensors in their files."""
        return [self._own_names.get(name, name) for name in names]

    def get_tensor(self, name: str) -> Any:
        """Read one tensor, as a float32 array; of positions the rows that texts have."""
        own = self._own_names[name]
        tensor = self._tensors.get_tensor(own)
        return tensor[self._unused_positions :] if name.endswith(POSITIONS) else tensor


def load_weights(model: keras.Model, files: list[Path], folder: Path) -> None:
    """Fill a TFBertModel from the files of its folder."""
    family = BERT_FAMILIES[model.config.family]
    if files[0].name != weight_files.TENSORFLOW:
        tensors = BertTensors(files, model.config, folder)
        load_pytorch_tensors(model, tensors, family, folder)
    else:
        load_tensorflow_file(model, folder)


def load_pytorch_tensors(
    model: keras.Model, tensors: BertTensors, family: BertFamily, folder: Path
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
    missing = info["missing_keys"]
    if not family.has_token_types:
        missing = [name for name in missing if not name.endswith(TOKEN_TYPES)]
    check_keys(folder, map(family.own_weight, missing), tensors.own_names(info["unexpected_keys"]))


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
