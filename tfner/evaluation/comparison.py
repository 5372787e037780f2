"""Tell whether the difference between two systems' F1 on the same documents is more than chance.

Two questions, two answers. The paired bootstrap (Efron 1979; Koehn 2004) says how far the
difference would move on other such documents. Approximate randomization (Noreen 1989; Yeh 2000)
says how often two systems that are as good as each other would differ as much: it swaps their
predictions of each document by coin. Both draw documents whole; sentences of one longer document
(`Document.group`) are one.

A draw of the bootstrap counts for a difference where both systems have an F1 in it: where it holds
a gold entity, or spurious ones of both. If A alone has spurious ones, its F1 is 0 and B, which is
right, has none: there is nothing to subtract. A swap keeps the gold entities, so where there are
any both have an F1 in all swaps; a type without them is no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document
from tfner.evaluation.document_counts import Found, count_types, with_micro
from tfner.evaluation.resampling import (
    LEVEL,
    bootstrap_sums,
    bounds_of,
    chance_without,
    f1_of,
    sum_groups,
    swap_sums,
)
from tfner.evaluation.scores import EntityScores, score_entities
from tfner.exceptions import DataError

DRAWS = 10_000
SEED = 1
ROUNDING = 1e-12  # differences of the same fractions may differ in their last bit

Bounds = tuple[float, float]


class F1Difference(NamedTuple):
    """Hold the F1 of two systems and what the draws say of the difference `b - a`.

    Fractions in [0, 1]; an F1 without an entity on either side is 0. In the share LEVEL of the
    bootstrap's draws that count the difference was between `low` and `high`, in `not_better` of
    them B was not better than A; `defined` counts these draws, in which both have an F1. `p` is the
    two-sided p-value of the randomization, `p_holm` the same where all types are tested together
    (Holm 1979); None for all types as one. `a_interval` and `b_interval` are where each F1 was in
    the same share. What too few draws say is None, see `bounds_of`.
    """

    a: float
    b: float
    support: int
    low: float | None
    high: float | None
    not_better: float | None
    p: float
    a_interval: Bounds | None = None
    b_interval: Bounds | None = None
    p_holm: float | None = None
    defined: int = 0

    @property
    def difference(self) -> float:
        """Give what B has more than A."""
        return self.b - self.a

    def to_dict(self) -> dict[str, Any]:
        """Give the numbers by name, without those that are None."""
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

        >>> from tfner.documents import Entity
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


def measure_differences(counts_D23K: np.ndarray, draws: int, seed: int) -> list[F1Difference]:
    """Measure the difference over all K types as one, then in each of them.

    `counts_D23K` are those of `count_types` of D groups and two systems. All types are drawn in the
    same draws.
    """
    random = np.random.default_rng(seed)
    counts_D23L = with_micro(counts_D23K)
    total_23L = counts_D23L.sum(axis=0)
    f1_2L = np.nan_to_num(f1_of_counts(total_23L))
    support_L = total_23L[0, 0]
    drawn_S2L = bootstrap_f1(counts_D23K, draws, random)
    p_L = randomization_p_values(counts_D23K, draws, random)
    has_D2L = counts_D23L.max(axis=2) > 0
    differences = []
    for index, (a, b) in enumerate(f1_2L.T.tolist()):
        drawn = summarize_draws(drawn_S2L[:, :, index], has_D2L[:, :, index])
        support, p = support_L[index].item(), p_L[index].item()
        one = F1Difference(a=a, b=b, support=support, p=p, **drawn)
        differences.append(one)
    return differences


def summarize_draws(drawn_S2: np.ndarray, has_D2: np.ndarray) -> dict[str, Any]:
    """Say what the draws of two F1s tell of their difference, by the names of F1Difference.

    Args:
        drawn_S2: F1 of A and B in each draw, nan where it has none.
        has_D2: which groups hold an entity, gold or predicted by A, by B.
    """
    groups = len(has_D2)
    difference_S = drawn_S2[:, 1] - drawn_S2[:, 0]
    without_a, without_b = map(chance_without, has_D2.T)
    without_both = chance_without(has_D2.max(axis=1))
    bounds = bounds_of(difference_S, groups, without_a + without_b - without_both)
    low, high = bounds or (None, None)
    defined_S = difference_S[~np.isnan(difference_S)]
    is_not_better_S = defined_S <= 0
    not_better = is_not_better_S.mean().item() if bounds else None
    values: dict[str, Any] = {"low": low, "high": high, "not_better": not_better}
    values["defined"] = len(defined_S)
    values["a_interval"] = bounds_of(drawn_S2[:, 0], groups, without_a)
    values["b_interval"] = bounds_of(drawn_S2[:, 1], groups, without_b)
    return values


def bootstrap_f1(counts_D23K: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Draw groups with replacement and score each draw: float64 [S, 2, L], nan without an entity.

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
    """Give the F1 of B less that of A, of counts [..., 3, L]; 0 where one has none.

    That is so in types without a gold entity alone, where the other one is 0 or has none either.
    """
    f1_a_L = f1_of_counts(a_3L)
    f1_b_L = f1_of_counts(b_3L)
    return np.nan_to_num(f1_b_L - f1_a_L)


def f1_of_counts(counts_3L: np.ndarray) -> np.ndarray:
    """Divide gold, predicted and correct entities, [..., 3, L] to [..., L]; nan without any."""
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
