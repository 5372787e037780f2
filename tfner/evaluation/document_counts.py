"""Count the entities of each document by type: what draws of documents are scored with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfner.documents import Document, Entity
from tfner.evaluation.scores import score_entities

Found = Sequence[Sequence[Entity]]  # predictions, a sequence for each document


def count_types(documents: Sequence[Document], found: Found, labels: Sequence[str]) -> np.ndarray:
    """Count each document's gold, predicted and correct entities of K types.

        >>> mara = Document("Mara left", (Entity(0, 4, "PER"),))
        >>> found = [Entity(0, 4, "PER"), Entity(5, 9, "LOC")]
        >>> count_types([mara], [found], ["LOC", "PER"]).tolist()
        [[[0, 1], [1, 1], [0, 1]]]

    Returns:
        int32 [N, 3, K].
    """
    columns = {label: column for column, label in enumerate(labels)}
    shape = (len(documents), 3, len(labels))
    counts_N3K = np.zeros(shape, np.int32)
    for row_3K, document, entities in zip(counts_N3K, documents, found, strict=True):
        scores = score_entities([(document.entities, entities)])
        counted = (scores.true, scores.predicted, scores.correct)
        for row_K, counts in zip(row_3K, counted, strict=True):
            for label, count in counts.items():
                column = columns[label]
                row_K[column] = count
    return counts_N3K


def with_micro(counts_K: np.ndarray) -> np.ndarray:
    """Put the sum over the K types of the last axis in front of them: [..., K] to [..., L].

    >>> with_micro(np.array([[1, 2], [0, 3]])).tolist()
    [[3, 1, 2], [3, 0, 3]]
    """
    total_1 = counts_K.sum(axis=-1, keepdims=True)
    return np.concatenate([total_1, counts_K], axis=-1)
