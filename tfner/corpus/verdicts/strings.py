"""Judge marks against each other: the same string with other labels, or marked here and not there.

Nothing is wrong with some of both, since names are ambiguous. What is counted is how many marks
would have to change, were every string always marked in the way that most of it is.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tfner.corpus.verdicts.verdict import (
    LOCATIONS_KEPT,
    Case,
    Kind,
    Splits,
    Verdict,
    add_location,
    count_of,
    grade,
    locate,
    marked_texts,
    quote,
)
from tfner.documents import Document, Entity
from tfner.tagging.word_tags import covered_words

Words = tuple[str, ...]
MANY = 0.05  # of the marks of a corpus
MOST_WORDS = 30  # of a string that is looked for
UNMARKED_LABEL = ""  # among the labels of examples
# Scripts without spaces between words: each character is a word, so that a name is found in them.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
# In raw text a word begins and ends with a letter or digit, or is one character of punctuation.
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}](?:[^\s{UNSPACED}]*[^\W_{UNSPACED}])?|\S")


@dataclass
class Usage:
    """Count how a string is marked, and name the first documents of each way."""

    text: str
    labels: Counter[str] = field(default_factory=Counter)
    unmarked: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def marked(self) -> int:
        """Count its marks."""
        return self.labels.total()

    @property
    def odd_labels(self) -> int:
        """Count the marks whose label is not its most frequent one."""
        most = max(self.labels.values())
        return self.marked - most

    @property
    def odd_marks(self) -> int:
        """Count the marks to add or remove, whichever are fewer, so that it always has one."""
        return min(self.marked, self.unmarked)


class WordRow(NamedTuple):
    """Hold the words of a document, their borders, and which of them an entity covers."""

    words: list[str]
    starts: list[int]
    ends: list[int]


SEVERAL_LABELS = Kind(
    "several labels",
    "warning",
    "Look at the rarer label of each: it is a mistake, or the context must tell it.",
)
UNMARKED = Kind(
    "unmarked strings",
    "warning",
    "Mark them everywhere or nowhere, but where the context tells the difference.",
)


def judge_strings(splits: Splits) -> Iterator[Verdict]:
    """Find strings with several labels, and strings that are marked here and unmarked there."""
    usages = list(count_usages(splits).values())
    usages.sort(key=lambda usage: usage.text)
    yield from judge_labels(usages)
    yield from judge_unmarked(usages)


def judge_labels(usages: Sequence[Usage]) -> Iterator[Verdict]:
    """Find strings with several labels, those first that have the most marks of a rarer one."""
    found = [usage for usage in usages if usage.odd_labels]
    if found:
        found.sort(key=lambda usage: -usage.odd_labels)
        odd = sum(usage.odd_labels for usage in found)
        marks = sum(usage.marked for usage in usages)
        strings = count_of(len(found), "string has", "strings have")
        finding = f"{strings} several labels, {odd:,} of {marks:,} marks not the usual one"
        severity = grade(odd, marks, MANY)
        cases = list(map(case_of_labels, found))
        yield SEVERAL_LABELS.verdict(finding, cases, severity=severity)


def judge_unmarked(usages: Sequence[Usage]) -> Iterator[Verdict]:
    """Find strings that are marked here and unmarked there, the most undecided first."""
    found = [usage for usage in usages if usage.odd_marks]
    if found:
        found.sort(key=lambda usage: -usage.odd_marks)
        odd = sum(usage.odd_marks for usage in found)
        marks = sum(usage.marked for usage in usages)
        strings = count_of(len(found), "string is", "strings are")
        times = count_of(sum(usage.unmarked for usage in found), "time")
        agree = f"{count_of(odd, 'mark')} would change for them to agree"
        finding = f"{strings} marked here and unmarked there, {times}; {agree}"
        severity = grade(odd, marks, MANY)
        cases = list(map(case_of_marks, found))
        yield UNMARKED.verdict(finding, cases, severity=severity)


def case_of_labels(usage: Usage) -> Case:
    """Say how often a string has each label, and where it has the rarer ones."""
    counts = sorted(usage.labels.items(), key=most_frequent_first)
    counted = [f"{label} {count:,}" for label, count in counts]
    rarer = [label for label, _ in counts[1:]]
    where = [name for label in rarer for name in usage.examples[label]]
    shown = where[:LOCATIONS_KEPT]
    listed = ", ".join(counted)
    return Case(f"{quote(usage.text)} {listed}", tuple(shown))


def most_frequent_first(item: tuple[str, int]) -> tuple[int, str]:
    """Sort labels by how often they are given, then by name."""
    label, count = item
    return -count, label


def case_of_marks(usage: Usage) -> Case:
    """Say how often a string is marked and not, and where it is as it rarely is."""
    counted = f"marked {usage.marked:,}, unmarked {usage.unmarked:,}"
    names = usage.examples[UNMARKED_LABEL]
    way = "unmarked"
    if usage.marked < usage.unmarked:
        names = [name for label in usage.labels for name in usage.examples[label]]
        way = "marked"
    listed = ", ".join(names[:LOCATIONS_KEPT])
    return Case(f"{quote(usage.text)} {counted}", (f"{way} in {listed}",))


def count_usages(splits: Splits) -> dict[Words, Usage]:
    """Count the marks of every string that is an entity somewhere, and where it is none."""
    usages: dict[Words, Usage] = {}
    for _, where, document in locate(splits):
        if document.entities:
            add_marks(document, where, usages)
    lengths = lengths_by_first_word(usages)
    for _, where, document in locate(splits):
        row = split_words(document)
        for words in find_unmarked(row, document.entities, lengths, usages):
            usage = usages[words]
            usage.unmarked += 1
            names = usage.examples[UNMARKED_LABEL]
            add_location(names, where)
    return usages


def add_marks(document: Document, where: str, usages: dict[Words, Usage]) -> None:
    """Count the marks of a document."""
    row = split_words(document)
    for entity, text in marked_texts(document):
        if any(map(str.isalnum, text)):
            words = words_of(entity, document, row)
            new = Usage(text)
            usage = usages.setdefault(words, new)
            usage.labels[entity.label] += 1
            names = usage.examples[entity.label]
            add_location(names, where)


def split_words(document: Document) -> WordRow:
    """Cut a document into its words, or where it has none given, by WORD.

    >>> split_words(Document('the "U.S." team')).words
    ['the', '"', 'U.S', '.', '"', 'team']
    """
    if document.words is None:
        spans = [match.span() for match in WORD.finditer(document.text)]
        words = [document.text[start:end] for start, end in spans]
    else:
        spans = document.words
        words = document.word_texts()
    starts = [start for start, _ in spans]
    ends = [end for _, end in spans]
    return WordRow(words, starts, ends)


def words_of(entity: Entity, document: Document, row: WordRow) -> Words:
    """Cut an entity into words; given words that it touches are whole."""
    if document.words is None:
        text = document.text[entity.start : entity.end]
        return tuple(WORD.findall(text))
    first, last = covered_words(entity, row.starts, row.ends)
    return tuple(row.words[first:last])


def lengths_by_first_word(usages: Iterable[Words]) -> dict[str, list[int]]:
    """Collect how many words the strings have that begin with a word, the longest first.

    >>> lengths_by_first_word([("New", "York"), ("New",), ("Oslo",), ("New", "York", "City")])
    {'New': [3, 2, 1], 'Oslo': [1]}
    """
    lengths = defaultdict(set)
    for words in usages:
        first = words[0]
        is_character = len(words) == 1 and re.fullmatch(f"[{UNSPACED}]", first)
        # A character is within many a longer word; the time of a search grows with its length.
        if not is_character and len(words) <= MOST_WORDS:
            lengths[first].add(len(words))
    return {first: sorted(counts, reverse=True) for first, counts in lengths.items()}


def find_unmarked(
    row: WordRow,
    entities: Sequence[Entity],
    lengths: Mapping[str, Sequence[int]],
    usages: Mapping[Words, Usage],
) -> Iterator[Words]:
    """Find the strings in a text that touch no entity, at each word the longest."""
    words = row.words
    is_free = free_words(row, entities)
    i = 0
    while i < len(words):
        step = 1
        for length in lengths.get(words[i], ()):
            end = i + length
            candidate = tuple(words[i:end])
            if candidate in usages and all(is_free[i:end]):
                yield candidate
                step = length
                break
        i += step


def free_words(row: WordRow, entities: Sequence[Entity]) -> list[bool]:
    """Tell of each word whether no entity shares a character with it."""
    is_free = [True] * len(row.words)
    for entity in entities:
        first = bisect_right(row.ends, entity.start)
        last = bisect_left(row.starts, entity.end)
        if first < last:
            covered = last - first
            is_free[first:last] = [False] * covered
    return is_free
