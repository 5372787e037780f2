"""Write a tagger as a folder of transformers, a model for token classification of its family."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from tfner.conversion.folder_card import folder_card
from tfner.exceptions import ConfigError, ModelError
from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.bert_config import NARROW, READ
from tfner.model.encoders.weight_files import ONE_FILE
from tfner.model.heads.crf import CrfHead
from tfner.model.heads.head import Head
from tfner.model.heads.softmax import SoftmaxHead
from tfner.safeio.bert_families import find_bert_family
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.safeio.sources import TOKEN_CLASSIFICATION, check_inside, is_fine_tuned
from tfner.safeio.whole_files import folder_written_whole
from tfner.tokenizers.byte_pair import BytePairTokenizer
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.sentencepiece import SentencePieceTokenizer
from tfner.tokenizers.sentencepiece_model import LAYOUTS
from tfner.tokenizers.vocabulary import TOKENIZER_JSON, class_name

logger = logging.getLogger(__name__)
CONFIG, TOKENIZER_CONFIG, PAGE = "config.json", "tokenizer_config.json", "README.md"
KERNEL, BIAS = "classifier.weight", "classifier.bias"
WRITTEN_FOR = "4.57.0"  # the oldest version of transformers that it was tried with
# Lists of what is copied: a checkpoint's files may name code to be run, or another machine's paths.
SETTINGS = (*READ, NARROW, "model_type", "pad_token_id", "bos_token_id", "eos_token_id")
OF_TOKENIZER = (
    *("do_lower_case", "strip_accents", "tokenize_chinese_chars", "do_basic_tokenize"),
    *("added_tokens_decoder", "clean_up_tokenization_spaces"),
)


class WrittenFolder(NamedTuple):
    """Say what was written and what was not.

    path: the folder.
    left_behind: a sentence for each thing that the tagger does and the folder does not.
    """

    path: Path
    left_behind: tuple[str, ...]


def write_transformers_folder(
    model: TokenClassifier,
    tokenizer: Tokenizer,
    card: Mapping[str, Any],
    checkpoint: Path,
    to: Path,
    *,
    overwrite: bool = False,
) -> WrittenFolder:
    """Write config.json, model.safetensors, the tokenizer's files and a card: whole, or nothing.

    Logits are the tagger's. transformers takes the best tag of each piece by itself, so transitions
    of a CRF and all else that makes entities of tags stay behind, and the log says so.

    Args:
        model: encoder and head.
        tokenizer: that of `checkpoint`.
        card: of the tagger, as `make_card` and a run make it.
        checkpoint: the folder with the encoder's config.json and the tokenizer's files.
        to: the new folder, or an empty one; with `overwrite` one of transformers, too.

    Raises:
        ConfigError: `to` is no such folder.
        ModelError: transformers has no such encoder or head.
    """
    check_destination(to, overwrite=overwrite)
    tensors = {**model.encoder.checkpoint_tensors(), **tensors_of_head(model.head)}
    config = make_config(checkpoint / CONFIG, card["tags"], model.dropout.rate)
    left_behind = list_left_behind(card, model.head)
    longest = model.encoder.max_positions
    page = folder_card(card, config["architectures"][0], longest, left_behind)
    with folder_written_whole(to) as building:
        write_json(building / CONFIG, config)
        copy_tokenizer(tokenizer, checkpoint, building, longest)
        (building / PAGE).write_text(page, encoding="utf-8")
        weights = building / ONE_FILE
        save_file(tensors, weights, metadata={"format": "pt"})
        weights.chmod(0o644)  # safetensors makes it the owner's alone
    for phrase in left_behind:
        logger.warning("%s: left behind: %s", to, phrase)
    return WrittenFolder(to, tuple(left_behind))


def check_destination(to: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds anything, but for one of transformers that is to be overwritten.

    Raises:
        ConfigError: it does.
    """
    if to.exists() and not to.is_dir():
        raise ConfigError(f"--to-hf: expected a new or an empty folder, got a file: {to}")
    if not to.is_dir() or not any(to.iterdir()):
        return
    if not overwrite:
        expected = "expected a new or an empty folder"
        raise ConfigError(f"--to-hf: {to}: {expected}, got one with files; or add --overwrite")
    if not is_fine_tuned(to):
        expected = f"expected a folder whose config.json names a model …{TOKEN_CLASSIFICATION}"
        raise ConfigError(f"--to-hf: {to}: to overwrite, {expected}, got another")


def tensors_of_head(head: Head) -> dict[str, np.ndarray]:
    """Give the product of a head as PyTorch has it: [K, H] and [K].

    Raises:
        ModelError: the head is another one.
    """
    if not isinstance(head, SoftmaxHead):
        kind = type(head).__name__
        raise ModelError(f"model.head: expected softmax or crf for transformers, got {kind}")
    kernel_HK = head.kernel.numpy()
    kernel_KH = np.ascontiguousarray(kernel_HK.T)
    return {KERNEL: kernel_KH, BIAS: head.bias.numpy()}


def make_config(path: Path, tags: Sequence[str], dropout: float) -> dict[str, Any]:
    """Make config.json of the checkpoint's own: the same encoder, another head.

    Raises:
        ModelError: the family has no model for token classification that is known here.
    """
    values = read_json_object(path, ModelError)
    family = find_bert_family(values)
    if family is None or not family.class_prefix:
        got = show(values.get("model_type"))
        raise ModelError(
            f"{path}: expected a model_type that transformers has a tagger of, got {got}"
        )
    names = map(family.setting, SETTINGS)
    config: dict[str, Any] = {"architectures": [family.class_prefix + TOKEN_CLASSIFICATION]}
    config |= {name: values[name] for name in names if name in values}
    config["model_type"] = family.model_type
    config["id2label"] = {str(number): tag for number, tag in enumerate(tags)}
    config["label2id"] = {tag: number for number, tag in enumerate(tags)}
    if family.has_classifier_dropout:
        config["classifier_dropout"] = dropout
    return {**config, "dtype": "float32", "transformers_version": WRITTEN_FOR}


def copy_tokenizer(tokenizer: Tokenizer, checkpoint: Path, to: Path, longest: int) -> None:
    """Copy the files of a tokenizer; its settings say its class and how long a text may be.

    Args:
        longest: pieces of the longest text, special ones included.
    """
    check_inside(checkpoint, tokenizer.files)
    for name in tokenizer.files:
        source = checkpoint / name
        if source.is_file() and name not in (CONFIG, TOKENIZER_CONFIG):
            shutil.copyfile(source, to / name)
    values = {}
    if (checkpoint / TOKENIZER_CONFIG).is_file():
        values = read_json_object(checkpoint / TOKENIZER_CONFIG, ModelError)
    tokens = [name for name in values if name.endswith("_token")]
    kept = {name: values[name] for name in (*OF_TOKENIZER, *tokens) if name in values}
    kind = class_name(checkpoint) or usual_class(tokenizer)
    config = {**kept, "tokenizer_class": kind, "model_max_length": longest}
    if isinstance(tokenizer, BytePairTokenizer):
        config["add_prefix_space"] = True  # each unit is cut with a space before it
        add_prefix_space(to / TOKENIZER_JSON)
    write_json(to / TOKENIZER_CONFIG, config)


def usual_class(tokenizer: Tokenizer) -> str:
    """Name the class of transformers of a tokenizer whose folder names none."""
    if isinstance(tokenizer, BytePairTokenizer):
        return "RobertaTokenizer"
    if isinstance(tokenizer, SentencePieceTokenizer):
        names = [name for name, layout in LAYOUTS.items() if layout == tokenizer.layout]
        return names[0]
    return "BertTokenizer"


def add_prefix_space(path: Path) -> None:
    """Let a byte-level BPE's tokenizer.json, if there is one, put a space before a text."""
    if not path.is_file():
        return
    values = read_json_object(path, ModelError)
    for section in ("pre_tokenizer", "post_processor"):
        for step in byte_level_steps(values.get(section)):
            step["add_prefix_space"] = True
    write_json(path, values)


def byte_level_steps(section: Any) -> Iterable[dict[str, Any]]:
    """List the steps of a section that know of prefix spaces."""
    if not isinstance(section, dict):
        return []
    steps = [section, *section.get("pretokenizers", []), *section.get("processors", [])]
    return [step for step in steps if "add_prefix_space" in step]


def list_left_behind(card: Mapping[str, Any], head: Head) -> list[str]:
    """Say what the tagger does that transformers does not, a sentence each."""
    export = card.get("export", {})
    found = []
    if isinstance(head, CrfHead):
        found.append(
            "the transitions of the CRF: transformers takes the best tag of each piece by itself, "
            "where the tagger takes the best sequence; it cost 8 points of F1 on WNUT-17. To lose "
            "less, train on from the run with model.head=softmax, and convert that"
        )
    elif card["decoder"] == "viterbi":
        found.append(
            "the decoder: transformers takes the best tag of each piece by itself, where the "
            "tagger takes the best legal sequence"
        )
    if card["tag_scheme"] == "BIOES":
        found.append(
            "the meaning of E- and S-: the pipeline knows B- and I- alone, and takes the others "
            "for types of their own"
        )
    if "calibration" in card:
        found.append("the calibration: scores are plain probabilities of tags")
    if export.get("threshold"):
        found.append(f"the threshold, {json.dumps(export['threshold'])}")
    if card.get("context", "none") != "none":
        found.append("the context: sentences of one document are not read together")
    if card.get("raw_text", "whole") != "whole":
        found.append("the cut into sentences: a pipeline reads a text as it is")
    if card.get("labelling", "word") != "word":
        found.append(f"the labelling, {card['labelling']}: which pieces of a word have a tag")
    return found


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, ensure_ascii=False, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")
