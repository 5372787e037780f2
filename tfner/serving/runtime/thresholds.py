"""Keep the entities that score enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import cast

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
        others: of the types that are not named.

    Raises:
        TypeError: it is neither a number nor numbers by type.
        ValueError: a number is not in 0 to 1, or a type is named that there is not.
    """

    def __init__(self, threshold: Threshold, labels: Sequence[str] = (), others: float = 0.0):
        by_type = threshold if isinstance(threshold, Mapping) else {}
        check_names(by_type, labels)
        of_others = others if isinstance(threshold, Mapping) else threshold
        self._of_others = probability_of(of_others, "threshold")
        self._by_type = {
            name: probability_of(value, f"threshold[{name!r}]") for name, value in by_type.items()
        }

    def keep(self, entities: Iterable[Entity]) -> list[Entity]:
        """Keep the entities that score enough, in their order."""
        return [entity for entity in entities if entity.score >= self._of(entity.label)]

    def _of(self, label: str) -> float:
        return self._by_type.get(label, self._of_others)


def check_names(by_type: Mapping[str, float], labels: Sequence[str]) -> None:
    """Refuse names that are no types; without labels any name may be one."""
    for name in by_type:
        if not isinstance(name, str):
            came = f"{type(name).__name__}: {show(name, longest=40)}"
            raise TypeError(f"threshold: expected names of types, got {came}")
        if not name:
            raise ValueError("threshold: expected names of types, got an empty one")
    unknown = sorted(set(by_type).difference(labels)) if labels else []
    if unknown:
        known = ", ".join(labels)
        raise ValueError(f"threshold: expected types of {known}, got {', '.join(unknown)}")


def probability_of(value: object, name: str) -> float:
    """Give a number in 0 to 1 as a float, which NumPy's scalars become too; refuse all else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        came = f"{type(value).__name__}: {show(value, longest=40)}"
        raise TypeError(f"{name}: expected a number, or numbers by type, got {came}")
    number = cast("float", value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got {number}")
    return float(number)


def parse_thresholds(texts: Sequence[str]) -> Threshold:
    """Read thresholds as a command line gives them: NUMBER for all types, or TYPE=NUMBER each.

    "" stands for the types that are not named, where some are.

    >>> parse_thresholds(["0.5"]), parse_thresholds(["PER=0.9", "LOC=0.5"])
    (0.5, {'PER': 0.9, 'LOC': 0.5})

    Raises:
        ValueError: one is neither, or a type has two.
    """
    by_type = {}
    for name, number in numbers_by_type(texts, "threshold").items():
        try:
            by_type[name] = float(number)
        except ValueError:
            expected = "expected NUMBER or TYPE=NUMBER"
            text = f"{name}={number}" if name else number
            raise ValueError(f"threshold: {expected}, got {show(text)}") from None
    if list(by_type) == [""]:
        return by_type[""]
    return by_type


def numbers_by_type(texts: Sequence[str], option: str) -> dict[str, str]:
    """Part types from numbers, which are not looked at; "" is the type of a number alone.

    >>> numbers_by_type(["0.5", "PER=0.9"], "threshold")
    {'': '0.5', 'PER': '0.9'}

    Raises:
        ValueError: a type has two numbers, of which one would be passed over.
    """
    numbers: dict[str, str] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if name in numbers:
            whose = name or "the types that are not named"
            came = f"{show(numbers[name])} and {show(number)}"
            raise ValueError(f"{option}: expected one number for {whose}, got {came}")
        numbers[name] = number
    return numbers
