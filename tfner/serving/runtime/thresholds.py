"""Keep the entities that score enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tfner.documents import Entity
from tfner.safeio.printable import show

Threshold = float | Mapping[str, float]  # of all types, or by type; 0 for those not named


class Thresholds:
    """Keep entities whose score is at least the threshold of their type.

    >>> thresholds = Thresholds({"PER": 0.9}, ["LOC", "PER"])
    >>> thresholds.keep([Entity(0, 4, "PER", 0.8), Entity(9, 13, "LOC", 0.3)])
    [Entity(start=9, end=13, label='LOC', score=0.3, text='')]

    Args:
        threshold: one number for all types, or numbers by type.
        labels: the types that there are, by which names are checked; empty where they are unknown.

    Raises:
        TypeError: it is neither a number nor numbers by type.
        ValueError: a number is not in 0 to 1, or a type is named that there is not.
    """

    def __init__(self, threshold: Threshold, labels: Sequence[str] = ()):
        by_type = threshold if isinstance(threshold, Mapping) else {"": threshold}
        for name, value in by_type.items():
            where = f"threshold[{name!r}]" if name else "threshold"
            check_probability(value, where)
        unknown = sorted(set(by_type).difference(labels, [""])) if labels else []
        if unknown:
            known = ", ".join(labels)
            raise ValueError(f"threshold: expected types of {known}, got {', '.join(unknown)}")
        self._by_type = by_type
        self._of_others = by_type.get("", 0.0)

    def keep(self, entities: Iterable[Entity]) -> list[Entity]:
        """Keep the entities that score enough, in their order."""
        return [entity for entity in entities if entity.score >= self._of(entity.label)]

    def _of(self, label: str) -> float:
        return self._by_type.get(label, self._of_others)


def check_probability(value: object, name: str) -> None:
    """Refuse what is no number in 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        came = f"{type(value).__name__}: {show(value, longest=40)}"
        raise TypeError(f"{name}: expected a number, or numbers by type, got {came}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got {value}")


def parse_thresholds(texts: Sequence[str]) -> Threshold:
    """Read thresholds as a command line gives them: NUMBER for all types, or TYPE=NUMBER each.

    >>> parse_thresholds(["0.5"]), parse_thresholds(["PER=0.9", "LOC=0.5"])
    (0.5, {'PER': 0.9, 'LOC': 0.5})

    Raises:
        ValueError: one is neither.
    """
    by_type = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            by_type[name] = float(number)
        except ValueError:
            expected = "expected NUMBER or TYPE=NUMBER"
            raise ValueError(f"threshold: {expected}, got {show(text)}") from None
    if list(by_type) == [""]:
        return by_type[""]
    return by_type
