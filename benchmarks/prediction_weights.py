"""What `prediction.py` compares, made of one finished run: exports, and the same weights as a Hugging Face checkpoint.

usage: python benchmarks/prediction_weights.py RUN FOLDER

FOLDER receives `float32/1` and `bfloat16/1`, exports; `checkpoint`, with PyTorch's names; and `logits.npz`: ids, mask and logits of the
run's model, for the peer to compare its own with.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from tfner.training.restore import export_run

    for precision in PRECISIONS:
        export_run(Path(run), Path(folder) / precision, overrides=[f"precision={precision}"])
    model, labels, encoder = restore(Path(run))
    write_checkpoint(model, labels, encoder, Path(folder) / "checkpoint")
    write_logits(model, Path(folder) / "logits.npz")


def restore(run: Path) -> tuple[TokenClassifier, LabelSet, Path]:
    """The best weights of a run in float32, its labels, and the folder of its encoder's small files."""
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
    """A folder that BertForTokenClassification.from_pretrained takes."""
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
    """The weights under PyTorch's names; its matrices are [out, in]."""
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
            part = layer
            for step in ours.split("."):
                part = getattr(part, step)
            found |= named_part(f"bert.encoder.layer.{number}.{theirs}", part)
    return found


def named_part(name: str, layer: tf.Module) -> dict[str, np.ndarray]:
    """Those of a dense layer or a layer norm."""
    is_norm = hasattr(layer, "gamma")
    weight, bias = (layer.gamma, layer.beta) if is_norm else (layer.kernel, layer.bias)
    return {f"{name}.weight": np.ascontiguousarray(weight.numpy().T), f"{name}.bias": bias.numpy()}


def write_logits(model: TokenClassifier, path: Path) -> None:
    """Logits [B, T, K] of random pieces, rows of different lengths."""
    random = np.random.default_rng(3)
    ids = random.integers(5, model.encoder.config.vocab_size, (4, 48)).astype(np.int32)
    mask = (np.arange(48) < np.array([[48], [31], [7], [1]])).astype(np.int32)
    np.savez(
        path, ids=ids, mask=mask, logits=model({"input_ids": ids, "attention_mask": mask}).numpy()
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
