"""Judge texts that stand in a corpus more than once, with different marks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from tfner.corpus.verdicts.verdict import (
    LOCATIONS_KEPT,
    Case,
    Kind,
    Splits,
    Verdict,
    add_location,
    count_of,
    locate,
    quote,
)
from tfner.documents import Document

Marks = tuple[tuple[int, int, str], ...]  # `Entity.key` of each, sorted


@dataclass
class Marking:
    """Count the documents of a text that have the same marks."""

    text: str
    documents: int = 0
    where: list[str] = field(default_factory=list)


CONTRADICTORY = Kind(
    "contradictory texts",
    "warning",
    "Make their marks the same: of each text one set of marks is right at most.",
)


def judge_texts(splits: Splits) -> Iterator[Verdict]:
    """Find texts that stand in several documents with different marks."""
    found = []
    documents = 0
    for markings in markings_of_repeated(splits):
        if len(markings) > 1:
            documents += sum(marking.documents for marking in markings)
            case = describe(markings)
            found.append(case)
    if found:
        texts = count_of(len(found), "text stands", "texts stand")
        finding = f"{texts} in {documents:,} documents with different marks"
        yield CONTRADICTORY.verdict(finding, found)


def markings_of_repeated(splits: Splits) -> Iterator[list[Marking]]:
    """Give the ways in which each text that stands in several documents is marked."""
    digests = Counter(digest_of(located.document.text) for located in locate(splits))
    markings: dict[bytes, dict[Marks, Marking]] = defaultdict(dict)
    for _, where, document in locate(splits):
        digest = digest_of(document.text)
        is_blank = not document.text.strip()
        if digests[digest] > 1 and not is_blank:
            marks = marks_of(document)
            new = Marking(document.text)
            marking = markings[digest].setdefault(marks, new)
            marking.documents += 1
            add_location(marking.where, where)
    for by_marks in markings.values():
        yield list(by_marks.values())


def digest_of(text: str) -> bytes:
    """Hash a text, so that no other is kept for it."""
    content = text.encode("utf-8", "surrogatepass")
    hashed = blake2b(content, digest_size=16)
    return hashed.digest()


def marks_of(document: Document) -> Marks:
    """Collect the entities of a document, in order."""
    keys = sorted(entity.key for entity in document.entities)
    return tuple(keys)


def describe(markings: list[Marking]) -> Case:
    """Quote a text and name a document of each way in which it is marked."""
    first = markings[0]
    shown = markings[:LOCATIONS_KEPT]
    where = [marking.where[0] for marking in shown]
    return Case(quote(first.text), tuple(where))
