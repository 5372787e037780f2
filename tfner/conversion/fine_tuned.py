"""Open a folder that transformers wrote for token classification as a tagger, without training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfner.config import RunSettings, override_export
from tfner.conversion.label_names import HeadOutputs, names_in_order, read_outputs
from tfner.exceptions import ModelError
from tfner.model.build import build_export_tagger, precision
from tfner.model.classifier import TokenClassifier
from tfner.model.encoders import weight_files
from tfner.model.encoders.encoder import Encoder
from tfner.model.encoders.families import build_encoder
from tfner.model.heads.softmax import SoftmaxHead
from tfner.model.inference.tagger import Tagger
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.safeio.sources import TOKEN_CLASSIFICATION, check_inside, is_fine_tuned
from tfner.serving.export.bundle import make_card
from tfner.tagging.schemes import LabelSet, Scheme
from tfner.tokenizers.registry import open_tokenizer

KERNEL, BIAS = "classifier.weight", "classifier.bias"
NEVER = -1e4  # logit of a tag that the head does not have
LONGEST_WINDOW = 512  # pieces; these checkpoints have learned from windows of that many, or fewer
OVERLAP_SHARE = 4  # neighbouring windows share one piece in so many


class HeadWeights(NamedTuple):
    """Hold a linear layer as PyTorch has it."""

    kernel: np.ndarray  # float32 [outputs, H]
    bias: np.ndarray  # float32 [outputs]


def open_fine_tuned(
    folder: Path,
    *,
    name: str | None = None,
    names: Sequence[str] | None = None,
    scheme: Scheme | None = None,
    overrides: Sequence[str] = (),
) -> tuple[Tagger, dict[str, Any]]:
    """Build the tagger of a fine-tuned checkpoint, ready for an export, and its card.

    A word's tag is that of its first piece, as the usual recipe learns it. Texts are read in
    windows as long as the encoder allows, up to 512 pieces, since a model learned in such ones.

    Args:
        folder: with config.json, safetensors and the tokenizer's files.
        name: of the model; by default the folder's.
        names: of the head's outputs, in place of `id2label`; `-` leaves one out.
        scheme: of the tags; by default as their prefixes say.
        overrides: `key=value` settings of the group `export`.

    Raises:
        ModelError: the folder holds no such checkpoint, or its head is not one linear layer.
        ConfigError: names of the head's outputs are no tags, or a setting is wrong.
    """
    config = read_config(folder)
    where = "--labels"
    if names is None:
        where = str(folder / "config.json")
        names = names_in_order(config, where)
    outputs = read_outputs(names, scheme, where)
    labels = outputs.labels
    tokenizer = open_tokenizer(folder)
    weights = read_head(folder)
    check_outputs(folder, weights, names)
    with precision("float32"):
        encoder = build_encoder(folder)
    model = build_model(encoder, outputs, weights)
    if name is None:
        own_name = folder.resolve().name
        name = model_name(own_name)
    base = settings_of(name, folder, encoder, labels)
    settings = override_export(base, overrides)
    tagger = build_export_tagger(model, tokenizer, labels, settings)
    card = make_card(tagger, **describe(settings), converted_from=origin(config, names))
    return tagger, card


def describe(settings: RunSettings) -> dict[str, Any]:
    """Make the entries of a card that settings know."""
    export = settings.export
    encoder = {"checkpoint": Path(settings.encoder.checkpoint).name, "initialize": "pretrained"}
    entries: dict[str, Any] = {"name": settings.name, "encoder": encoder}
    entries["labelling"] = settings.model.labelling
    entries["context"] = settings.data.context
    entries["export"] = export.model_dump(mode="json", exclude={"enabled"})
    return entries


def origin(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Say what was converted: the architecture, and what its outputs were called."""
    architectures = config["architectures"]
    return {"architecture": architectures[0], "labels": list(names)}


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json, where it is that of a fine-tuned checkpoint.

    Raises:
        ModelError: it is missing or says something else.
    """
    check_inside(folder, ["config.json"])
    path = folder / "config.json"
    config = read_json_object(path, ModelError)
    if not is_fine_tuned(folder):
        expected = f"expected an architecture whose name ends in {TOKEN_CLASSIFICATION}"
        got = show(config.get("architectures"))
        raise ModelError(f"{path}: {expected}, got {got}")
    return config


def read_head(folder: Path) -> HeadWeights:
    """Read the layer over the encoder.

    Raises:
        ModelError: there are no safetensors, or the head is another one.
    """
    files = weight_files.find_weights(folder)
    first_name = files[0].name
    if first_name == weight_files.TENSORFLOW:
        expected = f"expected the head's weights in {weight_files.ONE_FILE}"
        raise ModelError(f"{folder}: {expected}, found {first_name} alone")
    names = weight_files.head_names(files)
    if names != [BIAS, KERNEL]:
        expected = f"expected one linear layer as head, {KERNEL} and {BIAS}"
        raise ModelError(f"{folder}: {expected}, got {show(names)}")
    found = weight_files.read_tensors(files, names)
    kernel = found[KERNEL]
    bias = found[BIAS]
    return HeadWeights(kernel, bias)


def check_outputs(folder: Path, head: HeadWeights, names: Sequence[str]) -> None:
    """Check that the head has one output a name.

    Raises:
        ModelError: it has not.
    """
    count = len(names)
    kernel_shape = list(head.kernel.shape)
    bias_shape = list(head.bias.shape)
    is_matrix = len(kernel_shape) == 2
    if not is_matrix or kernel_shape[0] != count or bias_shape != [count]:
        shapes = f"{KERNEL} {kernel_shape} and {BIAS} {bias_shape}"
        raise ModelError(f"{folder}: expected {count} outputs, one a label, got {shapes}")


def build_model(encoder: Encoder, outputs: HeadOutputs, weights: HeadWeights) -> TokenClassifier:
    """Put a head with given weights on an encoder.

    Raises:
        ModelError: the head is made for hidden states of another size.
    """
    check_hidden_size(weights, encoder.hidden_size)
    head = SoftmaxHead(outputs.labels)
    with precision("float32"):
        model = TokenClassifier(encoder, head)
        model.build_for_any_shape()
    arranged = arrange(weights, outputs.outputs)
    head.set_weights(arranged)
    return model


def check_hidden_size(weights: HeadWeights, hidden: int) -> None:
    """Check that the head was made for hidden states of this size.

    Raises:
        ModelError: it was not.
    """
    shape = list(weights.kernel.shape)
    if shape[1] != hidden:
        expected = f"expected a layer over {hidden} hidden numbers"
        raise ModelError(f"{KERNEL}: {expected}, got {shape}")


def arrange(weights: HeadWeights, outputs: Sequence[int | None]) -> list[np.ndarray]:
    """Put a head's outputs in the order of tags; a tag without an output is never predicted.

    >>> weights = HeadWeights(np.array([[1.0], [2.0]]), np.array([3.0, 4.0]))
    >>> [array.tolist() for array in arrange(weights, [1, None])]
    [[[2.0, 0.0]], [4.0, -10000.0]]

    Args:
        weights: kernel [outputs, H] and bias.
        outputs: the number of each tag's output.

    Returns:
        Kernel [H, K] and bias [K].
    """
    nothing = np.zeros_like(weights.kernel[0])
    rows, biases = [], []
    for output in outputs:
        has_output = output is not None
        rows.append(weights.kernel[output] if has_output else nothing)
        biases.append(weights.bias[output] if has_output else NEVER)
    kernel_KH = np.array(rows)
    bias_K = np.array(biases, np.float32)
    return [kernel_KH.T, bias_K]


def model_name(text: str) -> str:
    """Make a name that a folder and a server's model may have.

    >>> model_name("bert-base (v2)")
    'bert-base__v2_'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip("._-") or "tagger"


def settings_of(name: str, folder: Path, encoder: Encoder, labels: LabelSet) -> RunSettings:
    """Make the settings of a run that would have ended in this tagger."""
    longest = min(LONGEST_WINDOW, encoder.max_positions)
    overlap = (longest - 2) // OVERLAP_SHARE
    windows = {"max_length": longest, "overlap": overlap}
    encoder_values = {"checkpoint": str(folder), **windows}
    values = {"name": name, "labels": labels.types, "encoder": encoder_values}
    return RunSettings.model_validate({**values, "data": {"context": "none"}})
