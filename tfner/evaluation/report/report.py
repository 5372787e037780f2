"""Keep the outcome of an evaluation: as JSON, as a page and as a printed table."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tfner.evaluation.calibration import CalibrationFit
from tfner.evaluation.errors import ErrorAnalysis
from tfner.evaluation.intervals import Intervals
from tfner.evaluation.learning_curve import LearningCurve
from tfner.evaluation.partial_matches import PartialMatches
from tfner.evaluation.reliability import Reliability
from tfner.evaluation.report.page import percent, render
from tfner.evaluation.report.score_table import describe_intervals, score_table
from tfner.evaluation.scores import EntityScores
from tfner.safeio.printable import printable
from tfner.safeio.whole_files import write_text_whole

ALWAYS_WRITTEN = {"entity", "data", "data_by_split", "seconds", "versions"}  # empty ones too


@dataclass(frozen=True, kw_only=True)
class Report:
    """Hold scores with all that is needed to judge them.

    Args:
        scores: counts over all evaluated documents.
        name: the settings' name; `split` names the data that was evaluated.
        dropped: `Ledger.counts` of each split, by the split's name.
        taught: of each split that teachers labelled its `documents`, the units that were `taught`,
            and those that no teacher has seen, `unseen`.
        began_from: the tagger that the run began from: its `source`, the tags of its head that were
            kept (`tags`), `new_tags` and `dropped_tags`; empty where it began from an encoder.
        seconds: wall time of each step.
        versions: of the packages that took part.
        errors: the kinds of mistakes, with examples.
        slices: scores of named subsets of the documents.
        splits: scores of the other splits of the same run; `split_intervals` are theirs.
        documents, units: how many were evaluated.
        intervals: of the scores, drawn over the documents.
        reliability: of the scores of predicted entities.
        calibration: what the scores of the run's model are calibrated with, fitted on dev.
        partial_matches: what the same predictions score where borders or types count less.
        curve: how the training of the run went.
    """

    scores: EntityScores
    name: str = ""
    split: str = ""
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    taught: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    began_from: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    errors: ErrorAnalysis | None = None
    slices: Mapping[str, EntityScores] = field(default_factory=dict)
    splits: Mapping[str, EntityScores] = field(default_factory=dict)
    split_intervals: Mapping[str, Intervals] = field(default_factory=dict)
    documents: int | None = None
    units: int | None = None
    intervals: Intervals | None = None
    reliability: Reliability | None = None
    calibration: CalibrationFit | None = None
    partial_matches: PartialMatches | None = None
    curve: LearningCurve | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give what `report.json` holds; `data` sums `dropped` over the splits.

        Optional keys without a value are left out.
        """
        values: dict[str, Any] = {"entity": self.scores.to_dict(), "data": self.total_dropped()}
        values["data_by_split"] = {name: dict(counts) for name, counts in self.dropped.items()}
        values["taught"] = {name: dict(counts) for name, counts in self.taught.items()}
        values["began_from"] = dict(self.began_from)
        values["seconds"] = {step: float(value) for step, value in self.seconds.items()}
        values["versions"] = dict(self.versions)
        for key in ("name", "split", "documents", "units"):
            values[key] = getattr(self, key)
        for key in ("slices", "splits", "split_intervals"):
            by_name = getattr(self, key)
            values[key] = {name: each.to_dict() for name, each in by_name.items()}
        values["errors"] = self.errors.to_dict() if self.errors else None
        values["f1_interval"] = self.intervals.micro_f1() if self.intervals else None
        for key in ("intervals", "partial_matches", "reliability", "calibration", "curve"):
            value = getattr(self, key)
            values[key] = value.to_dict() if value else None
        filled = {key for key, value in values.items() if value not in (None, "", {})}
        return {key: values[key] for key in values if key in filled | ALWAYS_WRITTEN}

    def total_dropped(self) -> dict[str, int]:
        """Count what was dropped or changed in the data, by reason over all splits."""
        total: Counter[str] = Counter()
        for counts in self.dropped.values():
            total.update(counts)
        return dict(total)

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` as UTF-8; a reader sees the old file or the whole new one."""
        content = json.dumps(self.to_dict(), ensure_ascii=False, indent=2)
        write_report(Path(path), content + "\n")

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page: one file, nothing from outside, a script that filters the errors."""
        write_report(Path(path), render(self.to_dict()))

    def print_table(self, console: Console) -> None:
        """Print a row for each type, the averages, and what was dropped in the data."""
        console.print(score_table(self.scores, self.split, self.intervals))
        if self.intervals:
            for line in describe_intervals(self.intervals):
                console.print(Text(line, style="dim"))
        if self.partial_matches:
            console.print(Text(describe_matches(self.partial_matches), style="dim"))
        if self.reliability:
            console.print(Text(describe_reliability(self.reliability), style="dim"))
        if self.calibration:
            console.print(Text(describe_calibration(self.calibration), style="dim"))
        for name, scores in self.slices.items():
            micro = scores.micro
            score = f"micro F1 {percent(micro.f1)} on {micro.support:,} entities"
            console.print(Text(f"{printable(name)}: {score}"))
        counts = self.total_dropped().items()
        named = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts]
        dropped = ", ".join(named)
        style = "yellow" if dropped else "dim"
        console.print(Text(f"Dropped from the data: {dropped or 'none'}", style=style))
        for split, counts in self.taught.items():
            console.print(Text(describe_taught(split, counts), style="dim"))


def describe_reliability(reliability: Reliability) -> str:
    """Write as a line how far scores are from the share that is right.

    >>> describe_reliability(Reliability(608, ece=0.021, by_chance=0.026, bins=()))
    'scores of entities: ECE 2.1 over 608 (perfect ones: 2.6 by chance)'
    """
    ece, by_chance = percent(reliability.ece), percent(reliability.by_chance)
    over = f"{reliability.entities:,} (perfect ones: {by_chance} by chance)"
    return f"scores of entities: ECE {ece} over {over}"


def describe_calibration(fit: CalibrationFit) -> str:
    """Write a calibration as a line.

    >>> from tfner.evaluation.calibration import Calibration
    >>> before, after = Reliability(608, 0.1, 0.02, ()), Reliability(608, 0.021, 0.026, ())
    >>> describe_calibration(CalibrationFit(Calibration(0.5, 0.25), 420, before, after))
    'calibrated on dev: ECE 10.0 → 2.1, each half of the documents by a fit on the other'
    """
    before, after = percent(fit.before.ece), percent(fit.after.ece)
    held_apart = "each half of the documents by a fit on the other"
    return f"calibrated on dev: ECE {before} → {after}, {held_apart}"


def describe_taught(split: str, counts: Mapping[str, int]) -> str:
    """Write what teachers labelled as a line.

    >>> describe_taught("unlabelled", {"documents": 1200, "taught": 34000, "unseen": 2})
    'Labelled by teachers in unlabelled: 34,000 units of 1,200 documents; 2 were seen by none'
    """
    documents = counts["documents"]
    taught = counts["taught"]
    unseen = counts["unseen"]
    labelled = f"{taught:,} units of {documents:,} documents"
    return f"Labelled by teachers in {split}: {labelled}; {unseen:,} were seen by none"


def describe_matches(matches: PartialMatches) -> str:
    """Write the micro F1 of the modes that are looser than the strict one as a line.

    >>> from tfner.documents import Entity
    >>> from tfner.evaluation.partial_matches import count_partial_matches
    >>> describe_matches(count_partial_matches([([Entity(0, 8, "A")], [Entity(4, 8, "A")])]))
    'looser F1: exact 0.0 (any type), partial 50.0, ent_type 100.0 (any overlap)'
    """
    micro = matches.micro
    exact, partial = percent(micro["exact"].f1), percent(micro["partial"].f1)
    ent_type = percent(micro["ent_type"].f1)
    by_span = f"exact {exact} (any type), partial {partial}"
    return f"looser F1: {by_span}, ent_type {ent_type} (any overlap)"


def write_report(path: Path, content: str) -> None:
    """Write a file of the report, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_whole(path, content)
