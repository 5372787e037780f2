"""Give the training data the soft labels that teachers have for it, before the first step.

No teacher runs in training: batches, replicas and micro-batches are as exact as without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tfner.data.batching.batch_by_size import batch_by_size
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.soft_labels import add_soft_labels, is_seen, join_corpora, piece_probabilities
from tfner.documents import Document
from tfner.monitoring.progress import meter
from tfner.training.batches import make_batches
from tfner.training.run_inputs import RunInputs
from tfner.training.schedule import choose_schedule, log_schedule
from tfner.training.teachers import ask_all

# Documents that are asked for together, whose answers are one file of a teacher's.
DOCUMENTS_IN_BLOCK = 1024
CHARACTERS_IN_BLOCK = 1 << 20
TAUGHT = ("train", "unlabelled")  # splits that teachers label


def teach(inputs: RunInputs, *, writes: bool = True) -> None:
    """Label the training split, and the text without labels, by the teachers; then let these go.

    How long the training will be is said before: teachers may be at work for hours.

    Args:
        inputs: get the taught corpus as their training data.
        writes: whether this process may keep the answers in the run folder; a cache that the
            settings name is used by all.
    """
    log_schedule_before(inputs)
    cache = answers_folder(inputs, writes=writes)
    corpora = inputs.corpora
    taught = []
    for split in TAUGHT:
        corpus = corpora.pop(split, None)
        if isinstance(corpus, EncodedCorpus):
            documents = inputs.splits.documents[split]
            rows = soft_label_rows(inputs, documents, cache)
            inputs.taught[split] = count_taught(documents, rows)
            is_gold = split == "train"
            corpus = add_soft_labels(corpus, rows, gold=is_gold)
            taught.append(corpus)
    corpora["train"] = join_corpora(taught)
    inputs.teachers.clear()


def log_schedule_before(inputs: RunInputs) -> None:
    """Say how long the training will be: what teachers say changes neither windows nor batches."""
    corpora = [inputs.corpora[split] for split in TAUGHT if split in inputs.corpora]
    encoded = [corpus for corpus in corpora if isinstance(corpus, EncodedCorpus)]
    joined = replace(inputs, corpora={"train": join_corpora(encoded)})
    batches = make_batches(joined)
    settings = inputs.settings.training
    schedule = choose_schedule(settings, batches.steps_per_epoch)
    log_schedule(settings, schedule)


def answers_folder(inputs: RunInputs, *, writes: bool) -> Path | None:
    """Choose where the teachers' answers are kept; None = nowhere."""
    cache = inputs.settings.data.cache
    if cache is not None:
        return Path(cache)
    return inputs.folder.soft_labels if writes else None


def count_taught(documents: Sequence[Document], rows_LK: np.ndarray) -> dict[str, int]:
    """Count what the teachers labelled, for the report."""
    is_seen_L = is_seen(rows_LK)
    taught = int(is_seen_L.sum())
    unseen = len(is_seen_L) - taught
    return {"documents": len(documents), "taught": taught, "unseen": unseen}


def soft_label_rows(
    inputs: RunInputs, documents: Sequence[Document], cache: Path | None
) -> np.ndarray:
    """Ask the teachers for all documents, in blocks; float16 [L, K], a row a labelled piece."""
    labels = inputs.labels
    tokenizer = inputs.tokenizer
    labelling = inputs.settings.model.labelling
    ask = partial(ask_all, inputs.teachers, labels, cache=cache)
    sizes = {"count": DOCUMENTS_IN_BLOCK, "characters": CHARACTERS_IN_BLOCK}
    none = np.zeros((0, len(labels)), np.float16)
    rows = [none]
    with meter(inputs.console, "documents taught", len(documents)) as shown:
        for block in batch_by_size(documents, **sizes):
            found = piece_probabilities(block, tokenizer, labels, labelling, ask)
            rows.append(found)
            shown.advance(len(block))
    return np.concatenate(rows)
