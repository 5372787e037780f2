"""Hold what became of a trial, for the table, the page and the best configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class TrialRecord:
    """Tell what became of a trial.

    Attributes:
        number: counts the trials from 1, and names the run folder.
        state: `pruned` was behind the others; `failed` has no result, and `reason` says why.
        f1: on dev, of the best epoch; of a pruned trial, of its last; None: there is none.
        seconds: that it took, over all processes.
        settings: the values of the searched settings that it had.
        is_base: whether it is the configuration as it stands.
        twin: the number of an earlier trial with the same settings, whose result is this one's.
    """

    number: int
    state: Literal["finished", "pruned", "failed"]
    f1: float | None
    seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_base: bool = False
    reason: str = ""
    twin: int | None = None


def best_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Find the finished trial of the highest F1, of equal ones the first; None without any."""
    best = ranked(records)[:1]
    return best[0] if best else None


def ranked(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Sort the finished trials, the best first; a trial that repeats an earlier one is left out.

    >>> two = TrialRecord(1, "finished", 0.5), TrialRecord(2, "finished", 0.7)
    >>> [record.number for record in ranked([*two, TrialRecord(3, "pruned", 0.9)])]
    [2, 1]
    """
    finished = [each for each in records if each.state == "finished" and each.twin is None]
    return sorted(finished, key=lambda record: (-(record.f1 or 0.0), record.number))


def base_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Find the trial of the configuration as it stands; None while it has no result."""
    return next((each for each in records if each.is_base and each.state == "finished"), None)


def number_folder(number: int) -> str:
    """Name the run folder of a trial.

    >>> number_folder(7)
    '007'
    """
    return f"{number:03d}"
