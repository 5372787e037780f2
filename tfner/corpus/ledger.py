"""Keep account of everything that was dropped, changed or repaired on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

Reason = Literal[
    "repaired",  # an illegal tag sequence, read as seqeval's default mode reads it
    "overlapping",  # nested in or overlapping a longer entity, so a flat tagger cannot hold it
    "discontinuous",  # made of several fragments
    "misaligned",  # a border inside a unit: widened to whole units for training
    "vanished",  # no unit of it has a piece: BERT's text cleaning removes all its characters
    "trimmed_border",  # began or ended with blanks, which have no piece: trimmed when read
    "left_out",  # of a type that `data.types` leaves out
    "unknown_label",  # its type is not in the label set
    "untagged",  # a line of a column file without a tag
    "skipped_record",  # a record that its annotator rejected or left undecided
    "skipped_annotation",  # a note, relation, event or attribute: not an entity
    "invalid_span",  # a span outside its text or of no length
]
REASONS: tuple[str, ...] = get_args(Reason)


class Entry(NamedTuple):
    """Hold one thing dropped or changed: why, where it stood, and what it was."""

    reason: str
    where: str
    detail: str


@dataclass
class Ledger:
    """Collect entries; `counts` by reason goes into reports, `entries` is listed on demand."""

    entries: list[Entry] = field(default_factory=list)

    def record(self, reason: Reason, where: str, detail: str) -> None:
        """Enter one thing dropped or changed; `where` is `file:line` or a document's id."""
        self.entries.append(Entry(reason, where, detail))

    def take(self) -> list[Entry]:
        """Take the entries out that there are now."""
        entries, self.entries = self.entries, []
        return entries

    @property
    def counts(self) -> dict[str, int]:
        """Count entries by reason, in the order of REASONS, those without an entry left out."""
        counter = Counter(entry.reason for entry in self.entries)
        return {reason: counter[reason] for reason in REASONS if counter[reason]}

    def summary(self) -> str:
        """Sum up in a line for the log, `3 repaired, 1 vanished`; empty if there is no entry."""
        counts = self.counts.items()
        return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts)
