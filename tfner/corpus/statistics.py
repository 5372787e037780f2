"""Count what a corpus holds, split by split, and what should make one wary, for `tfner.inspect`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import combinations
from math import ceil
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.documents import Document
from tfner.safeio.printable import printable
from tfner.tagging.word_tags import covered_words, split_borders

# Sections of the table: attribute of SplitStatistics -> name of its row.
SIZES = {
    "documents": "documents",
    "empty": "  without text",
    "without_entities": "  without entities",
    "duplicates": "  repeated",
    **{name: name for name in ("characters", "units", "pieces", "entities")},
}
LENGTHS = {
    "document_units": "units a document, p50 / p95 / max",
    "document_pieces": "pieces a document",
    "entity_units": "units an entity",
    "entity_characters": "characters an entity",
}
UNKNOWN_SHOWN = 10  # characters listed for each split, the most frequent


@dataclass(frozen=True)
class Lengths:
    """Hold nearest-rank percentiles: half of the values are at most `p50`, 95 in 100 `p95`."""

    p50: int
    p95: int
    maximum: int

    @classmethod
    def of(cls, values: Iterable[int] | None) -> Lengths | None:
        """Measure values; None where there are none."""
        ordered = [] if values is None else sorted(values)
        if not ordered:
            return None
        ranks = [ceil(percent * len(ordered) / 100) for percent in (50, 95, 100)]
        p50, p95, maximum = (int(ordered[rank - 1]) for rank in ranks)
        return cls(p50, p95, maximum)

    def __str__(self) -> str:
        return f"{self.p50:,} / {self.p95:,} / {self.maximum:,}"


@dataclass(frozen=True, kw_only=True)
class TokenStats:
    """Hold what only the tokenizer knows of a split.

    Args:
        units: how many units each document has; needed where the documents have no words.
        pieces: how many pieces each document has.
        dropped: `Ledger.counts`: misaligned, vanished and what else was recorded.
        unknown_characters: characters that become [UNK], with how often they stand in the split.
    """

    units: Sequence[int] | None = None
    pieces: Sequence[int] | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    unknown_characters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """Hold the numbers of one split.

    None is unknown, because no units or pieces were counted, or nothing was there to measure.
    `empty` documents hold nothing but white space; `duplicates` repeat the text of an earlier one
    that is not empty.
    """

    documents: int
    empty: int
    without_entities: int
    duplicates: int
    characters: int
    units: int | None
    pieces: int | None
    types: dict[str, int]
    document_units: Lengths | None
    document_pieces: Lengths | None
    entity_units: Lengths | None
    entity_characters: Lengths | None
    dropped: dict[str, int]
    unknown_characters: dict[str, int]

    @property
    def entities(self) -> int:
        """Count entities of all types."""
        return sum(self.types.values())


@dataclass(frozen=True)
class CorpusStatistics:
    """Hold all splits, and `shared`: {split: {earlier split: documents with a text of its}}."""

    splits: dict[str, SplitStatistics]
    shared: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Make plain dicts, for JSON."""
        return asdict(self)

    def print_table(self, console: Console) -> None:
        """Print a column for each split, then what splits share.

        A column has the split's size, its lengths, what was dropped and its entity types.
        """
        sizes = _table("", self.splits)
        for section in size_rows(self.splits):
            for row in section:
                _add_row(sizes, row)
            sizes.add_section()
        console.print(sizes)
        types = _table("entities", self.splits)
        for row in type_rows(self.splits):
            _add_row(types, row)
        console.print(types)
        for name, others in self.shared.items():
            for other, count in others.items():
                total = self.splits[name].documents
                stand = f"{count:,} of {total:,} documents stand in {printable(other)} too"
                console.print(Text(f"{printable(name)}: {stand}", style="yellow"))
        for name, split in self.splits.items():
            if split.unknown_characters:
                characters = _list_characters(split.unknown_characters)
                title = printable(name)
                unknown = f"{title}: unknown to the vocabulary: {characters}"
                console.print(Text(unknown))


def corpus_statistics(
    splits: Mapping[str, Iterable[Document]], token_stats: Mapping[str, TokenStats] | None = None
) -> CorpusStatistics:
    """Count documents, entities, lengths and duplicates of each split; each iterable is read once.

    Args:
        splits: documents by the split's name, in the order in which they are shown.
        token_stats: by the same names, what the tokenizer knows; a split may be left out.
    """
    texts = defaultdict(Counter)
    counted = {}
    for name, documents in splits.items():
        own_stats = (token_stats or {}).get(name, TokenStats())
        counted[name] = _split_statistics(documents, own_stats, texts[name])
    shared = {}
    for earlier, later in combinations(splits, 2):
        in_both = texts[later].keys() & texts[earlier].keys()
        count = sum(texts[later][text] for text in in_both)
        if count:
            shared.setdefault(later, {})[earlier] = count
    return CorpusStatistics(counted, shared)


def _split_statistics(
    documents: Iterable[Document], token_stats: TokenStats, texts: Counter[bytes]
) -> SplitStatistics:
    """Count one split; `texts` counts the hashes of its texts."""
    tally = _Tally(texts)
    for document in documents:
        tally.add(document)
    units = token_stats.units
    if units is None:
        units = tally.units()
    pieces = token_stats.pieces
    by_frequency = sorted(tally.types.items(), key=_most_frequent_first)
    return SplitStatistics(
        documents=tally.documents,
        empty=tally.empty,
        without_entities=tally.without_entities,
        duplicates=sum(texts.values()) - len(texts),
        characters=tally.characters,
        units=_total(units),
        pieces=_total(pieces),
        types=dict(by_frequency),
        document_units=Lengths.of(units),
        document_pieces=Lengths.of(pieces),
        entity_units=Lengths.of(tally.entity_units),
        entity_characters=Lengths.of(tally.entity_characters),
        dropped=dict(token_stats.dropped),
        unknown_characters=dict(token_stats.unknown_characters),
    )


def _total(counts: Iterable[int] | None) -> int | None:
    return None if counts is None else int(sum(counts))


def _most_frequent_first(item: tuple[str, int]) -> tuple[int, str]:
    name, count = item
    return -count, name


@dataclass
class _Tally:
    """Count document by document; of texts only hashes are kept."""

    texts: Counter[bytes]
    documents: int = 0
    empty: int = 0
    without_entities: int = 0
    characters: int = 0
    types: Counter[str] = field(default_factory=Counter)
    words: list[int] = field(default_factory=list)
    entity_units: list[int] = field(default_factory=list)
    entity_characters: list[int] = field(default_factory=list)

    def add(self, document: Document) -> None:
        self.documents += 1
        self.characters += len(document.text)
        self.without_entities += not document.entities
        if document.text.strip():
            content = document.text.encode("utf-8", "surrogatepass")
            hashed = blake2b(content, digest_size=16)
            digest = hashed.digest()
            self.texts[digest] += 1
        else:
            self.empty += 1
        self.types.update(entity.label for entity in document.entities)
        self.entity_characters += [entity.end - entity.start for entity in document.entities]
        if document.words is not None:
            self._add_words(document, document.words)

    def _add_words(self, document: Document, words: Sequence[tuple[int, int]]) -> None:
        self.words.append(len(words))
        starts, ends = split_borders(words)
        for entity in document.entities:
            first, last = covered_words(entity, starts, ends)
            covered = last - first
            self.entity_units.append(covered)

    def units(self) -> list[int] | None:
        """Give the words of each document; unknown where some have none given."""
        return self.words if len(self.words) == self.documents else None


Row = tuple[str, list[str]]  # a name, and a cell for each split


def size_rows(splits: Mapping[str, SplitStatistics]) -> list[list[Row]]:
    """Make the rows of the table in three sections: sizes, lengths, and what was dropped.

    What nothing is known of has no row.
    """
    sections = []
    for names in (SIZES, LENGTHS):
        values = ((name, values_of(splits, attribute)) for attribute, name in names.items())
        sections.append([_row(name, each) for name, each in values if any_known(each)])
    dropped = []
    for reason in dict.fromkeys(reason for split in splits.values() for reason in split.dropped):
        counts = [split.dropped.get(reason, 0) for split in splits.values()]
        name = reason.replace("_", " ")
        dropped.append(_row(name, counts))
    return [*sections, dropped]


def values_of(splits: Mapping[str, SplitStatistics], attribute: str) -> list[int | Lengths | None]:
    """Collect what each split has of one kind."""
    return [getattr(split, attribute) for split in splits.values()]


def any_known(values: Iterable[int | Lengths | None]) -> bool:
    """Tell whether something is known of any split."""
    return any(value is not None for value in values)


def type_rows(splits: Mapping[str, SplitStatistics]) -> list[Row]:
    """Make a row for each entity type, the most frequent first."""
    total = Counter()
    for split in splits.values():
        total.update(split.types)
    rows = []
    for label, _ in sorted(total.items(), key=_most_frequent_first):
        counts = [split.types.get(label, 0) for split in splits.values()]
        rows.append(_row(label, counts))
    return rows


def _row(name: str, values: Iterable[int | Lengths | None]) -> Row:
    return name, list(map(_cell, values))


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(header_style="bold")
    table.add_column(title)
    for column in columns:
        header = Text(printable(column))
        table.add_column(header, justify="right")
    return table


def _add_row(table: Table, row: Row) -> None:
    """Add a row of Text objects, because a label in brackets is no markup."""
    name, cells = row
    table.add_row(Text(printable(name)), *map(Text, cells))


def _cell(value: int | Lengths | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _list_characters(counts: Mapping[str, int]) -> str:
    """List the most frequent characters with their code points and counts."""
    frequent = sorted(counts.items(), key=_most_frequent_first)
    shown = ", ".join(map(_describe_character, frequent[:UNKNOWN_SHOWN]))
    rest = len(frequent) - UNKNOWN_SHOWN
    return f"{shown} and {rest:,} others" if rest > 0 else shown


def _describe_character(item: tuple[str, int]) -> str:
    character, count = item
    return f"{printable(character)} U+{ord(character):04X} ({count:,})"
