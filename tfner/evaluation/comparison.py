"""Tell whether the difference between two systems' F1 on the same documents is more than chance.

Two questions, two answers. The paired bootstrap (Efron 1979; Koehn 2004) says how far the
difference would move on other such documents. Approximate randomization (Noreen 1989; Yeh 2000)
says how often two systems that are as good as each other would differ as much: it swaps their
predictions of each document by coin. Both draw documents whole; sentences of one longer document
(`Document.group`) are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document, Entity
from tfner.evaluation.resampling import bootstrap_sums, f1_of, sum_groups, swap_sums
from tfner.evaluation.scores import EntityScores, score_entities
from tfner.exceptions import DataError

DRAWS = 10_000
SEED = 1
LEVEL = 0.95
BOUNDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
ROUNDING = 1e-12  # differences of the same fractions may differ in their last bit

Bounds = tuple[float, float]
Found = Sequence[Sequence[Entity]]  # predictions, a sequence for each document


class F1Difference(NamedTuple):
    """Hold the F1 of two systems and what the draws say of the difference `b - a`.

    Fractions in [0, 1]. In the share LEVEL of the bootstrap's draws the difference was between
    `low` and `high`, in `not_better` of them B was not better than A. `p` is the two-sided p-value
    of the randomization, `p_holm` the same where all types are tested together (Holm 1979); None
    for all types as one. `a_interval` and `b_interval` are where each F1 was in the same share.
    """

    a: float
    b: float
    support: int
    low: float
    high: float
    not_better: float
    p: float
    a_interval: Bounds = (0.0, 0.0)
    b_interval: Bounds = (0.0, 0.0)
    p_holm: float | None = None

    @property
    def difference(self) -> float:
        """Give what B has more than A."""
        return self.b - self.a

    def to_dict(self) -> dict[str, Any]:
        """Give the numbers by name, `p_holm` only where there is one."""
        values = {**self._asdict(), "difference": self.difference}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Comparison:
    """Hold how two systems compare over all types and in each.

    Args:
        scores_a, scores_b: counts over all documents.
        micro: over all types as one.
        types: by name.
        documents: how many were read.
        groups: how many were drawn from and swapped; less where several are one longer document.
        draws: of the bootstrap, and as many of the randomization.
        seed: of both.
    """

    scores_a: EntityScores
    scores_b: EntityScores
    micro: F1Difference
    types: dict[str, F1Difference]
    documents: int
    groups: int
    draws: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Give differences by name, and how they were drawn."""
        values: dict[str, Any] = {}
        for name in ("documents", "groups", "draws", "seed"):
            values[name] = getattr(self, name)
        values["level"] = LEVEL
        types = {name: difference.to_dict() for name, difference in self.types.items()}
        values["f1"] = {"micro": self.micro.to_dict(), "types": types}
        return values


def compare_predictions(
    documents: Sequence[Document],
    found_a: Found,
    found_b: Found,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Comparison:
    """Compare two systems' predictions for the same documents.

    The same predictions have the difference 0 and p = 1:

        >>> mara = Document("Mara left", (Entity(0, 4, "PER"),))
        >>> found = [[Entity(0, 4, "PER")], []]
        >>> compare_predictions([mara, mara], found, found, draws=99).micro.p
        1.0
    """
    scores_a = score_found(documents, found_a)
    scores_b = score_found(documents, found_b)
    labels = sorted({*scores_a.types, *scores_b.types})
    a_N3K = count_types(documents, found_a, labels)
    b_N3K = count_types(documents, found_b, labels)
    counts_N23K = np.stack([a_N3K, b_N3K], axis=1)
    counts_D23K = sum_groups(documents, counts_N23K)
    micro, *of_types = measure_differences(counts_D23K, draws, seed)
    types = dict(zip(labels, of_types, strict=True))
    adjusted = adjust_p_values(types)
    size = len(documents), len(counts_D23K)
    return Comparison(scores_a, scores_b, micro, adjusted, *size, draws, seed)


def check_documents(documents: Sequence[Document], where: str) -> None:
    """Refuse documents that cannot tell two systems apart, before anything heavy runs.

    Raises:
        DataError: none has an entity, or there is only one to draw from.
    """
    count = len(documents)
    if not any(document.entities for document in documents):
        found = f"found none in {count:,} documents"
        raise DataError(f"{where}: expected marked entities, {found}")
    groups = {document.group or number for number, document in enumerate(documents)}
    if len(groups) < 2:
        expected = "expected two documents or more to draw from, of different groups"
        raise DataError(f"{where}: {expected}, got one of {count:,} texts")


def score_found(documents: Sequence[Document], found: Found) -> EntityScores:
    """Count the predictions for all documents."""
    gold = (document.entities for document in documents)
    return score_entities(zip(gold, found, strict=True))


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


def measure_differences(counts_D23K: np.ndarray, draws: int, seed: int) -> list[F1Difference]:
    """Measure the difference over all K types as one, then in each of them.

    `counts_D23K` are those of `count_types` of D groups and two systems. All types are drawn in the
    same draws.
    """
    random = np.random.default_rng(seed)
    total_23K = counts_D23K.sum(axis=0)
    total_23L = with_micro(total_23K)
    a_L, b_L = f1_of_counts(total_23L)
    support_L = total_23L[0, 0]
    drawn_S2L = bootstrap_f1(counts_D23K, draws, random)
    a_L2, b_L2 = np.quantile(drawn_S2L, BOUNDS, axis=0).transpose(1, 2, 0)
    drawn_SL = drawn_S2L[:, 1] - drawn_S2L[:, 0]
    low_L, high_L = np.quantile(drawn_SL, BOUNDS, axis=0)
    is_not_better_SL = drawn_SL <= 0
    not_better_L = is_not_better_SL.mean(axis=0)
    p_L = randomization_p_values(counts_D23K, draws, random)
    columns = (a_L, b_L, support_L, low_L, high_L, not_better_L, p_L)
    intervals = (map(tuple, bounds_L2.tolist()) for bounds_L2 in (a_L2, b_L2))
    rows = zip(*(column.tolist() for column in columns), *intervals, strict=True)
    return list(starmap(F1Difference, rows))


def bootstrap_f1(counts_D23K: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Draw groups with replacement and score each draw: float64 [S, 2, L].

    Both systems are scored on the same draw.
    """
    sums_S23K = bootstrap_sums(counts_D23K, draws, random)
    sums_S23L = with_micro(sums_S23K)
    return f1_of_counts(sums_S23L)


def randomization_p_values(
    counts_D23K: np.ndarray, draws: int, random: np.random.Generator
) -> np.ndarray:
    """Swap the systems on groups chosen by coin; count how often they differ as much: [L].

    The p-value is (r + 1) / (n + 1): the predictions as they are count as one more draw, so that no
    p-value is 0 (Phipson and Smyth 2010).
    """
    counts_D23L = with_micro(counts_D23K)
    a_3L, b_3L = counts_D23L.sum(axis=0)
    differences_D3L = counts_D23L[:, 1] - counts_D23L[:, 0]
    gained_S3L = swap_sums(differences_D3L, draws, random)
    swapped_SL = f1_difference(a_3L + gained_S3L, b_3L - gained_S3L)
    observed_L = f1_difference(a_3L, b_3L)
    least_L = np.abs(observed_L) - ROUNDING
    as_much_SL = np.abs(swapped_SL) >= least_L
    count_L = as_much_SL.sum(axis=0)
    return (count_L + 1) / (draws + 1)


def f1_difference(a_3L: np.ndarray, b_3L: np.ndarray) -> np.ndarray:
    """Give the F1 of B less that of A, of counts [..., 3, L]."""
    f1_a_L = f1_of_counts(a_3L)
    f1_b_L = f1_of_counts(b_3L)
    return f1_b_L - f1_a_L


def with_micro(counts_K: np.ndarray) -> np.ndarray:
    """Put the sum over the K types of the last axis in front of them: [..., K] to [..., L].

    >>> with_micro(np.array([[1, 2], [0, 3]])).tolist()
    [[3, 1, 2], [3, 0, 3]]
    """
    total_1 = counts_K.sum(axis=-1, keepdims=True)
    return np.concatenate([total_1, counts_K], axis=-1)


def f1_of_counts(counts_3L: np.ndarray) -> np.ndarray:
    """Divide gold, predicted and correct entities, [..., 3, L] to [..., L]."""
    true_L, predicted_L, correct_L = np.moveaxis(counts_3L, -2, 0)
    return f1_of(true_L, predicted_L, correct_L)


def adjust_p_values(types: dict[str, F1Difference]) -> dict[str, F1Difference]:
    """Add to each type the p-value for having tested all of them.

    A type without a gold entity has no F1 that could differ and is no test.
    """
    tested = {name: difference.p for name, difference in types.items() if difference.support}
    p_values = list(tested.values())
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    changed = {}
    for name, difference in types.items():
        p_holm = adjusted.get(name, 1.0)
        changed[name] = difference._replace(p_holm=p_holm)
    return changed


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests, so that one false alarm in all is as rare as asked for.

    The least is multiplied by the number of tests, the next by one less, and so on; none falls
    below one before it (Holm 1979).

    >>> holm([0.25, 0.0625, 0.125])
    [0.25, 0.1875, 0.25]
    """
    tests = len(p_values)
    adjusted = [1.0] * tests
    largest = 0.0
    order = sorted(range(tests), key=p_values.__getitem__)
    for rank, index in enumerate(order):
        tests_left = tests - rank
        multiplied = tests_left * p_values[index]
        largest = max(largest, multiplied)
        adjusted[index] = min(largest, 1.0)
    return adjusted
