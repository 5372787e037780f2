"""Read files of token, gold and predicted tag, and match two that score the same gold entities.

`evaluate --predictions` writes such files, and so do other taggers, for conlleval. A sentence is a
document; those behind one line `-DOCSTART-` are of one group.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.column_layout import Layout, detect_layout
from tfner.formats.columns import Sentence, parse_sentences, spans_of, to_document
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import read_lines
from tfner.safeio.printable import show
from tfner.tagging.schemes import detect_scheme, is_tag

LEAST_COLUMNS = 3  # token, gold tag, predicted tag
Pair = tuple[Document, list[Entity], list[Entity]]  # gold, and what A and B predicted


class ScoredSentence(NamedTuple):
    """Hold a sentence with its gold entities as a document, and the predicted ones."""

    sentence: Sentence
    document: Document
    predicted: tuple[Entity, ...]


def read_scored(path: Path, settings: ReadSettings, ledger: Ledger) -> list[ScoredSentence]:
    """Read gold tags from the last column but one, and predicted tags from the last one.

    Both are of one tag scheme.

    Raises:
        DataError: there are fewer columns, a tag is none, a byte cannot be decoded; under strict
            also an illegal sequence of tags.
    """
    lines = read_lines(path, settings.encoding, settings.max_line)
    layout = detect_layout(lines, path, settings)
    if layout.width < LEAST_COLUMNS:
        expected = "expected token, gold tag and predicted tag in each line"
        raise DataError(f"{path}: {expected}, got {layout.width} columns in most")
    gold = read_tagged(lines, replace(layout, tag=layout.width - 2), path, "gold")
    predicted = read_tagged(lines, replace(layout, tag=layout.width - 1), path, "predicted")
    tags = [tags for _, tags in chain(gold, predicted)]
    scheme = detect_scheme(tags) if settings.scheme == "auto" else settings.scheme
    scored = []
    for (sentence, gold_tags), (_, predicted_tags) in zip(gold, predicted, strict=True):
        sides = [
            to_document(sentence, spans_of(sentence, own, scheme, settings.strict, ledger))
            for own in (gold_tags, predicted_tags)
        ]
        scored.append(ScoredSentence(sentence, sides[0], sides[1].entities))
    return scored


def read_tagged(
    lines: Iterable[str], layout: Layout, path: Path, what: str
) -> list[tuple[Sentence, list[str]]]:
    """Read the sentences with the tags of one column, none of which may be missing."""
    tagged = []
    for sentence in parse_sentences(lines, layout, path):
        tags = []
        for index, tag in enumerate(sentence.tags):
            if tag is None or not is_tag(tag):
                expected = f"expected a {what} tag, O or such as B-PER, in column {layout.tag}"
                got = "none" if tag is None else show(tag)
                raise DataError(f"{sentence.where(index)}: {expected}, got {got}")
            tags.append(tag)
        tagged.append((sentence, tags))
    return tagged


def match_scored(a: Sequence[ScoredSentence], b: Sequence[ScoredSentence]) -> Iterator[Pair]:
    """Match the sentences of two files, which must have the same words and gold entities.

    Words may be cut in other ways, as `evaluate --predictions` cuts them at the borders of what was
    predicted: B's entities are given in the text of A.

    Raises:
        DataError: the files are of other text or gold entities, or one is shorter; the message
            opens with the line of B, or of A where B has ended.
    """
    for one, other in zip(a, b, strict=False):
        check_words(one.sentence, other.sentence)
        predicted = move_entities(other.predicted, other.document, one.document)
        gold = move_entities(other.document.entities, other.document, one.document)
        check_gold(one, other.sentence, gold)
        yield one.document, list(one.predicted), predicted
    shorter = min(len(a), len(b))
    for beyond in (*a[shorter:], *b[shorter:]):
        got = f"got one beyond the {shorter:,} of the other file"
        raise DataError(f"{beyond.sentence.where(0)}: expected no further sentence, {got}")


def check_words(a: Sentence, b: Sentence) -> None:
    """Refuse sentences of other characters."""
    if "".join(a.words) == "".join(b.words):
        return
    pairs = enumerate(zip_longest(a.words, b.words))
    index = next(index for index, (one, other) in pairs if one != other)
    if index < min(len(a.words), len(b.words)):
        expected = f"expected {show(a.words[index])} as in {a.where(index)}"
        raise DataError(f"{b.where(index)}: {expected}, got {show(b.words[index])}")
    expected = f"expected {len(a.words)} words in the sentence as in {a.where(0)}"
    raise DataError(f"{b.where(0)}: {expected}, got {len(b.words)}")


def check_gold(a: ScoredSentence, b: Sentence, gold: Iterable[Entity]) -> None:
    """Refuse gold entities that are not those of A; `gold` are B's, in the text of A."""
    expected = {entity.key for entity in a.document.entities}
    got = {entity.key for entity in gold}
    if expected == got:
        return
    start, end, label = min(expected ^ got)
    entity = f"{label} {show(a.document.text[start:end])}"
    starts = [first for first, _ in a.document.words or ()]
    index = bisect_right(starts, start) - 1
    where_a = a.sentence.where(index)
    where_b = b.where(index if a.sentence.words == b.words else 0)
    if (start, end, label) in expected:
        raise DataError(f"{where_b}: expected the gold entity {entity} as in {where_a}, got none")
    raise DataError(f"{where_b}: expected no gold entity {entity}, as in {where_a}, got one")


def move_entities(entities: Iterable[Entity], of: Document, to: Document) -> list[Entity]:
    """Find entities in a text that has the same characters, cut into words in another way.

    >>> cut, whole = Document.from_words(["e-", "mail"]), Document.from_words(["e-mail"])
    >>> move_entities([Entity(3, 7, "X")], cut, whole)
    [Entity(start=2, end=6, label='X', score=1.0, text='mail')]
    """
    if of.words == to.words:
        return list(entities)
    before, after = word_characters(of), word_characters(to)
    moved = []
    for entity in entities:
        first = bisect_left(before, entity.start)
        last = bisect_left(before, entity.end) - 1
        moved.append(entity_at(to.text, after[first], after[last] + 1, entity.label))
    return moved


def word_characters(document: Document) -> list[int]:
    """List the positions of all characters that are in words."""
    return [position for start, end in document.words or () for position in range(start, end)]
