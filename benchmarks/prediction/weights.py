"""Makes of one finished run what is compared: exports, and a checkpoint of the same weights.

usage: python -m benchmarks.prediction.weights RUN FOLDER

FOLDER receives `float32/1` and `bfloat16/1`, exports; `checkpoint`, Hugging Face's with PyTorch's
names; and `logits.npz`: ids, mask and logits of the run's model, for the peer to compare its own
with.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

    from tfner.model.classifier import TokenClassifier
    from tfner.tagging.schemes import LabelSet

PRECISIONS = ("float32", "bfloat16")
TOKENIZER_FILES = (
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
PARTS = {  # of a layer of TFBertModel -> of PyTorch's
    "attention.self_attention.query": "attention.self.query",
    "attention.self_attention.key": "attention.self.key",
    "attention.self_attention.value": "attention.self.value",
    "attention.dense_output.dense": "attention.output.dense",
    "attention.dense_output.LayerNorm": "attention.output.LayerNorm",
    "intermediate.dense": "intermediate.dense",
    "bert_output.dense": "output.dense",
    "bert_output.LayerNorm": "output.LayerNorm",
}


def main(run: str, folder: str) -> None:
    """Write exports, checkpoint and logits."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from tfner.training.restore import export_run

    for precision in PRECISIONS:
        export_run(Path(run), Path(folder) / precision, overrides=[f"precision={precision}"])
    model, labels, encoder = restore(Path(run))
    write_checkpoint(model, labels, encoder, Path(folder) / "checkpoint")
    write_logits(model, Path(folder) / "logits.npz")


def restore(run: Path) -> tuple[TokenClassifier, LabelSet, Path]:
    """Load the best weights of a run in float32, its labels, and its encoder's small files."""
    import tensorflow as tf

    from tfner.model.build import build_classifier
    from tfner.training.state.checkpoints import Checkpoints
    from tfner.training.state.run_folder import RunFolder

    folder = RunFolder(run)
    labels = folder.load_labels()
    model = build_classifier(
        folder.settings, folder.encoder, labels, pretrained=False, policy="float32"
    )
    Checkpoints(folder.best, "best").restore(tf.train.Checkpoint(model=model))
    return model, labels, folder.encoder


def write_checkpoint(model: TokenClassifier, labels: LabelSet, encoder: Path, folder: Path) -> None:
    """Write a folder that BertForTokenClassification.from_pretrained takes."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    save_file(named_weights(model), folder / "model.safetensors", metadata={"format": "pt"})
    names = dict(enumerate(labels.tags))
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    config |= {
        "architectures": ["BertForTokenClassification"],
        "id2label": names,
        "label2id": {name: id for id, name in names.items()},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in TOKENIZER_FILES:
        if (encoder / name).is_file():
            shutil.copy(encoder / name, folder)


def named_weights(model: TokenClassifier) -> dict[str, np.ndarray]:
    """Collect the weights under PyTorch's names; its matrices are [out, in]."""
    embeddings = model.encoder.bert.embeddings
    found = {
        "bert.embeddings.word_embeddings.weight": embeddings.weight.numpy(),
        "bert.embeddings.position_embeddings.weight": embeddings.position_embeddings.numpy(),
        "bert.embeddings.token_type_embeddings.weight": embeddings.token_type_embeddings.numpy(),
        **named_part("bert.embeddings.LayerNorm", embeddings.LayerNorm),
        **named_part("classifier", model.head),
    }
    for number, layer in enumerate(model.encoder.bert.encoder.layer):
        for ours, theirs in PARTS.items():
            part = attrgetter(ours)(layer)
            found |= named_part(f"bert.encoder.layer.{number}.{theirs}", part)
    return found


def named_part(name: str, layer: tf.Module) -> dict[str, np.ndarray]:
    """Collect those of a dense layer (transposed) or a layer norm."""
    is_norm = hasattr(layer, "gamma")
    weight, bias = (layer.gamma, layer.beta) if is_norm else (layer.kernel, layer.bias)
    matrix = np.ascontiguousarray(weight.numpy().T)
    return {f"{name}.weight": matrix, f"{name}.bias": bias.numpy()}


def write_logits(model: TokenClassifier, path: Path) -> None:
    """Write ids and mask [4, 48] of random pieces, and their logits [4, 48, K]."""
    random = np.random.default_rng(3)
    ids = random.integers(5, model.encoder.config.vocab_size, (4, 48)).astype(np.int32)
    lengths = np.array([[48], [31], [7], [1]])
    mask = (np.arange(48) < lengths).astype(np.int32)
    logits = model({"input_ids": ids, "attention_mask": mask})
    np.savez(path, ids=ids, mask=mask, logits=logits.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
