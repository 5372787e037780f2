"""Judge texts that stand in a corpus more than once, with different marks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from tfner.corpus.verdicts.verdict import (
    Case,
    Splits,
    Verdict,
    add_location,
    count_of,
    first_cases,
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


def judge_texts(splits: Splits) -> Iterator[Verdict]:
    """Find texts that stand in several documents with different marks."""
    digests = Counter(digest_of(located.document.text) for located in locate(splits))
    repeated = {digest for digest, count in digests.items() if count > 1}
    markings: dict[bytes, dict[Marks, Marking]] = defaultdict(dict)
    for _, where, document in locate(splits):
        digest = digest_of(document.text)
        if digest in repeated and document.text.strip():
            marks = marks_of(document)
            marking = markings[digest].setdefault(marks, Marking(document.text))
            marking.documents += 1
            add_location(marking.where, where)
    found = [list(each.values()) for each in markings.values() if len(each) > 1]
    if found:
        texts = count_of(len(found), "text stands", "texts stand")
        documents = sum(marking.documents for each in found for marking in each)
        yield Verdict(
            name="contradictory texts",
            severity="warning",
            finding=f"{texts} in {documents:,} documents with different marks",
            advice="Make their marks the same: of each text one set of marks is right at most.",
            count=len(found),
            cases=first_cases(map(describe, found)),
        )


def digest_of(text: str) -> bytes:
    """Hash a text, so that no other is kept for it."""
    content = text.encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=16).digest()


def marks_of(document: Document) -> Marks:
    """Collect the entities of a document, in order."""
    return tuple(sorted(entity.key for entity in document.entities))


def describe(markings: list[Marking]) -> Case:
    """Quote a text and name a document of each way in which it is marked."""
    where = tuple(marking.where[0] for marking in markings[:3])
    return Case(quote(markings[0].text), where)
