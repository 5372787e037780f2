"""A BERT of two layers and some hundred pieces with random weights.

A checkpoint folder, and what is built on it.

Weights are drawn wide, so that hidden states differ from piece to piece and a random head gives
every tag somewhere.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import string
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tfner.tagging.schemes import LabelSet

CONFIG = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = """
the of in and to on at by with near from new old young river city road hill bank house company
school anna boris clara david lund oslo paris lima kiev turin acme volta bayer siemens runs
walks met saw built moved founded sold
""".split()  # noqa: SIM905
CONTINUATIONS = """
ing er ed es ly burg ville stad ton son sen ov mann lab corp gmbh ology
""".split()  # noqa: SIM905
LABELS = LabelSet(("LOC", "ORG", "PER"))
BIOES = LabelSet(("LOC", "ORG", "PER"), "BIOES")


def vocabulary() -> list[str]:
    """Special tokens, words, and every character of ASCII and some of other scripts alone and as a
    continuation.
    """
    characters = [*string.ascii_lowercase, *string.digits, *"äöüßéñçøабвгдежзиклмнопрстуאבגדהו"]
    continuations = [f"##{piece}" for piece in (*characters, *CONTINUATIONS)]
    return [
        *SPECIAL,
        *string.punctuation,
        *"–…“”«»。、東京都大阪市",
        *characters,
        *continuations,
        *WORDS,
    ]


@functools.cache
def _home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tfner-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def checkpoint() -> Path:
    """Write a checkpoint folder as transformers' PyTorch models do, a masked language model's
    head included.
    """
    folder = _home() / "checkpoint"
    write_checkpoint(folder, {f"bert.{name}": value for name, value in tensors().items()})
    return folder


def write_one_layer(folder: Path, **config: Any) -> Path:
    """Write a checkpoint folder of the first layer: a second takes time, often to show no more."""
    names = {f"bert.{name}": value for name, value in tensors().items()}
    first = {name: value for name, value in names.items() if ".layer.1." not in name}
    return write_checkpoint(folder, first, num_hidden_layers=1, **config)


def write_checkpoint(folder: Path, named: dict[str, np.ndarray] | None, **config: Any) -> Path:
    """A folder with config.json, vocab.txt and, if any are given, PyTorch's tensors."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        json.dumps({**CONFIG, "vocab_size": len(vocabulary()), **config})
    )
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    if named is not None:
        save_file(named, folder / "model.safetensors")
    return folder


@functools.cache
def tensors() -> dict[str, np.ndarray]:
    """The weights under PyTorch's names, without a prefix; matrices are [out, in]."""
    random = np.random.default_rng(7)
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]

    def normal(*shape: int, scale: float) -> np.ndarray:
        return random.normal(0.0, scale, shape).astype(np.float32)

    def dense(name: str, rows: int, columns: int) -> dict[str, np.ndarray]:
        return {
            f"{name}.weight": normal(rows, columns, scale=1.5 / columns**0.5),
            f"{name}.bias": normal(rows, scale=0.1),
        }

    def norm(name: str) -> dict[str, np.ndarray]:
        return {
            f"{name}.weight": 1 + normal(hidden, scale=0.1),
            f"{name}.bias": normal(hidden, scale=0.1),
        }

    found = {
        "embeddings.word_embeddings.weight": normal(len(vocabulary()), hidden, scale=1.0),
        "embeddings.position_embeddings.weight": normal(
            CONFIG["max_position_embeddings"], hidden, scale=0.3
        ),
        "embeddings.token_type_embeddings.weight": normal(
            CONFIG["type_vocab_size"], hidden, scale=0.3
        ),
        **norm("embeddings.LayerNorm"),
    }
    for layer in range(CONFIG["num_hidden_layers"]):
        block = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            found |= dense(f"{block}.attention.self.{name}", hidden, hidden)
        found |= dense(f"{block}.attention.output.dense", hidden, hidden) | norm(
            f"{block}.attention.output.LayerNorm"
        )
        found |= dense(f"{block}.intermediate.dense", inner, hidden)
        found |= dense(f"{block}.output.dense", hidden, inner) | norm(f"{block}.output.LayerNorm")
    return found


@functools.cache
def tokenizer():
    """The WordPieceTokenizer of the checkpoint."""
    from tfner.tokenizers.wordpiece import WordPieceTokenizer

    return WordPieceTokenizer.from_checkpoint(checkpoint())


def classifier(
    labels: LabelSet = LABELS,
    *,
    policy: str = "float32",
    implementation: str = "reference",
    loss: Any = None,
    folder: Path | None = None,
    head: str = "softmax",
    **options: Any,
):
    """Build a TokenClassifier whose head draws every tag about equally often.

    Over the checkpoint, or another `folder` of as many pieces or more. Options are the
    constructor's.
    """
    from tfner.model.build import precision
    from tfner.model.classifier import TokenClassifier
    from tfner.model.encoders.families import build_encoder
    from tfner.model.heads.head import LossOptions, build_head

    with precision(policy):
        encoder = build_encoder(folder or checkpoint(), implementation=implementation)
        built = build_head(head, labels, loss or LossOptions(), 0.02)
        model = TokenClassifier(encoder, built, **{"dropout": 0.0, **options})
        model.build_for_any_shape()
    random = np.random.default_rng(11)
    kernel = random.normal(0.0, 0.7, model.head.kernel.shape)
    ids = random.integers(len(SPECIAL), len(vocabulary()), (16, 24)).astype(np.int32)
    hidden = hidden_states(encoder, ids, np.ones_like(ids)).astype(np.float32)
    # So that no tag is the likelier one whatever the piece.
    bias = -hidden.mean((0, 1)) @ kernel
    model.head.kernel.assign(kernel)
    model.head.bias.assign(bias)
    return model


def hidden_states(encoder: Any, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What an encoder makes of padded rows, [B, T, H]."""
    from tfner.model.encoders.encoder import EncoderInput

    return encoder(EncoderInput(ids, mask)).numpy()


def reference_states(encoder: Any, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What transformers' own layer makes of them."""
    return encoder.bert(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()


@functools.cache
def tagger(labels: LabelSet = LABELS, **options: Any):
    """Build a Tagger as an export holds it, over a copy of the cached classifier of a label set."""
    return tagger_over(_frozen_classifier(labels), labels, **options)


@functools.cache
def _frozen_classifier(labels: LabelSet):
    from tfner.model.inference.frozen import FrozenClassifier

    return FrozenClassifier(classifier(labels), np.float32)


def tagger_over(model: Any, labels: LabelSet, **options: Any):
    """A Tagger over a model, which it follows as its weights change.

    Options are the constructor's, and those of DecoderOptions.
    """
    from tfner.model.heads.head import DecoderOptions
    from tfner.model.inference.tagger import Tagger

    names = ("method", "threshold", "max_entities", "calibration")
    decoding = DecoderOptions(**{name: options.pop(name) for name in names if name in options})
    options = {"max_length": 32, "overlap": 8, **options}
    return Tagger(model, tokenizer(), labels, decoding=decoding, **options)


@functools.cache
def live():
    """A Recognizer over the model in this process."""
    from tfner.serving.export.bundle import make_card
    from tfner.serving.runtime.graph_functions import GraphFunctions

    signatures = live_signatures()
    return GraphFunctions(signatures, signatures.text, signatures.words).recognizer(
        make_card(tagger(), name="tiny")
    )


@functools.cache
def live_signatures():
    """The functions that a Recognizer over the model in this process asks."""
    from tfner.serving.export.signatures import Signatures

    return Signatures(tagger())


@functools.cache
def exported() -> Path:
    """The folder of an export of the same model: version 1."""
    return export_of(tagger(), "tiny", "export")


@functools.cache
def loaded():
    """A Recognizer over that export."""
    from tfner.serving.runtime.saved_model import load_recognizer

    return load_recognizer(exported())


@functools.cache
def served():
    """That export as TensorFlow loads it."""
    return load_for_serving(exported())


def export_of(model: Any, name: str, folder: str) -> Path:
    """Write an export of a tagger; give the folder of version 1."""
    from tfner.serving.export.bundle import export_model, make_card

    return export_model(model, make_card(model, name=name), _home() / folder)


def load_for_serving(folder: Path):
    """Load an export as TensorFlow does, with the operations of TF.Text."""
    import tensorflow as tf

    from tfner.tokenizers.text_ops import load_text_ops

    load_text_ops()
    return tf.saved_model.load(str(folder))


def add_weights(folder: Path, pieces: int, seed: int) -> Path:
    """Write random weights for so many pieces into a checkpoint folder, under PyTorch's names."""
    from safetensors.numpy import save_file

    rows = np.random.default_rng(seed).normal(0.0, 1.0, (pieces, CONFIG["hidden_size"]))
    table = {"embeddings.word_embeddings.weight": rows.astype(np.float32)}
    save_file({**tensors(), **table}, folder / "model.safetensors")
    return folder


def tagger_of(folder: Path, tokenizer: Any, **options: Any):
    """Build a Tagger as an export holds it, over another checkpoint and its tokenizer."""
    from tfner.model.inference.frozen import FrozenClassifier
    from tfner.model.inference.tagger import Tagger

    frozen = FrozenClassifier(classifier(folder=folder), np.float32)
    return Tagger(frozen, tokenizer, LABELS, max_length=32, overlap=8, **options)
