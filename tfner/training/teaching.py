"""Give the training data the soft labels that teachers have for it, before the first step.

No teacher runs in training: batches, replicas and micro-batches are as exact as without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tfner.data.batching.batch_by_size import batch_by_size
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.soft_labels import add_soft_labels, join_taught, piece_probabilities
from tfner.documents import Document
from tfner.monitoring.progress import meter
from tfner.training.run_inputs import RunInputs
from tfner.training.teachers import ask_all

# Documents that are asked for together, whose answers are one file of a teacher's.
DOCUMENTS_IN_BLOCK = 1024
CHARACTERS_IN_BLOCK = 1 << 20


def teach(inputs: RunInputs, *, writes: bool = True) -> None:
    """Label the training split, and the text without labels, by the teachers; then let these go.

    Args:
        inputs: get the taught corpus as their training data.
        writes: whether this process may keep the answers in the run folder; a cache that the
            settings name is used by all.
    """
    cache = Path(inputs.settings.data.cache) if inputs.settings.data.cache else None
    if cache is None and writes:
        cache = inputs.folder.soft_labels
    taught = []
    for split in ("train", "unlabelled"):
        documents = inputs.splits.documents.get(split)
        corpus = inputs.corpora.pop(split, None)
        if documents is None or not isinstance(corpus, EncodedCorpus):
            continue
        rows = soft_label_rows(inputs, documents, cache)
        found = add_soft_labels(corpus, rows, gold=split == "train")
        is_unseen = rows.sum(axis=1, dtype=np.float32) == 0
        unseen = np.count_nonzero(is_unseen)
        counts = {"documents": len(documents), "taught": len(rows) - unseen, "unseen": unseen}
        inputs.taught[split] = {name: int(count) for name, count in counts.items()}
        taught.append(found)
    inputs.corpora["train"] = join_taught(taught)
    inputs.teachers.clear()


def soft_label_rows(
    inputs: RunInputs, documents: Sequence[Document], cache: Path | None
) -> np.ndarray:
    """Ask the teachers for all documents, in blocks; float16 [L, K], a row a labelled piece."""
    labels = inputs.labels
    labelling = inputs.settings.model.labelling
    ask = partial(ask_all, inputs.teachers, labels, cache=cache)
    sizes = {"count": DOCUMENTS_IN_BLOCK, "characters": CHARACTERS_IN_BLOCK}
    rows = [np.zeros((0, len(labels)), np.float16)]
    with meter(inputs.console, "documents taught", len(documents)) as shown:
        for block in batch_by_size(documents, **sizes):
            rows.append(piece_probabilities(block, inputs.tokenizer, labels, labelling, ask))
            shown.advance(len(block))
    return np.concatenate(rows)
