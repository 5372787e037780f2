"""Read files of token, gold and predicted tag, and match two that score the same gold entities.

`evaluate --predictions` writes such files, and so do other taggers, for conlleval. A sentence is a
document; those behind one line `-DOCSTART-` are of one group.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.column_layout import detect_layout
from tfner.formats.columns import Sentence, parse_sentences, spans_of, to_document
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import read_lines
from tfner.safeio.printable import show
from tfner.tagging.schemes import Scheme, detect_scheme, is_tag

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
    sides = []
    for what, from_the_end in (("gold", 2), ("predicted", 1)):
        tag = layout.width - from_the_end
        of_side = replace(layout, tag=tag)
        sentences = list(parse_sentences(lines, of_side, path))
        check_tags(sentences, what, tag)
        sides.append(sentences)
    scheme = scheme_of(chain(*sides), settings)
    mark = partial(to_marked, scheme=scheme, strict=settings.strict, ledger=ledger)
    scored = []
    for gold, predicted in zip(*sides, strict=True):
        found = mark(predicted).entities
        scored.append(ScoredSentence(gold, mark(gold), found))
    return scored


def check_tags(sentences: Iterable[Sentence], what: str, column: int) -> None:
    """Refuse sentences in which a word has no tag, or something else."""
    expected = f"expected a {what} tag, O or such as B-PER, in column {column}"
    for sentence in sentences:
        for index, tag in enumerate(sentence.tags):
            if tag is None or not is_tag(tag):
                where = sentence.where(index)
                got = "none" if tag is None else show(tag)
                raise DataError(f"{where}: {expected}, got {got}")


def scheme_of(sentences: Iterable[Sentence], settings: ReadSettings) -> Scheme:
    """Give the tag scheme that the settings name, or find it out."""
    if settings.scheme != "auto":
        return settings.scheme
    return detect_scheme(map(tags_of, sentences))


def tags_of(sentence: Sentence) -> list[str]:
    """List the tags of a sentence in which every word has one."""
    return [tag for tag in sentence.tags if tag is not None]


def to_marked(sentence: Sentence, scheme: Scheme, strict: bool, ledger: Ledger) -> Document:
    """Make a document of a sentence, with the entities of its tags."""
    tags = tags_of(sentence)
    spans = spans_of(sentence, tags, scheme, strict, ledger)
    return to_document(sentence, spans)


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
        move = partial(move_entities, of=other.document, to=one.document)
        gold = move(other.document.entities)
        check_gold(one, other.sentence, gold)
        yield one.document, list(one.predicted), move(other.predicted)
    shorter = min(len(a), len(b))
    for beyond in (*a[shorter:], *b[shorter:]):
        where = beyond.sentence.where(0)
        got = f"got one beyond the {shorter:,} of the other file"
        raise DataError(f"{where}: expected no further sentence, {got}")


def check_words(a: Sentence, b: Sentence) -> None:
    """Refuse sentences of other characters."""
    if "".join(a.words) == "".join(b.words):
        return
    for index, (one, other) in enumerate(zip(a.words, b.words, strict=False)):
        if one != other:
            where, where_a = b.where(index), a.where(index)
            expected = f"expected {show(one)} as in {where_a}"
            raise DataError(f"{where}: {expected}, got {show(other)}")
    where, where_a = b.where(0), a.where(0)
    expected = f"expected {len(a.words)} words in the sentence as in {where_a}"
    raise DataError(f"{where}: {expected}, got {len(b.words)}")


def check_gold(a: ScoredSentence, b: Sentence, gold: Iterable[Entity]) -> None:
    """Refuse gold entities that are not those of A; `gold` are B's, in the text of A."""
    expected = {entity.key for entity in a.document.entities}
    got = {entity.key for entity in gold}
    if expected == got:
        return
    differing = min(expected ^ got)
    start, end, label = differing
    text = a.document.text[start:end]
    entity = f"{label} {show(text)}"
    starts = [first for first, _ in a.document.words or ()]
    index = bisect_right(starts, start) - 1
    same_words = a.sentence.words == b.words
    where_a = a.sentence.where(index)
    where = b.where(index if same_words else 0)
    if differing in expected:
        raise DataError(f"{where}: expected the gold entity {entity} as in {where_a}, got none")
    raise DataError(f"{where}: expected no gold entity {entity}, as in {where_a}, got one")


def move_entities(entities: Iterable[Entity], of: Document, to: Document) -> list[Entity]:
    """Find entities in a text that has the same characters, cut into words in another way.

    >>> cut, whole = Document.from_words(["e-", "mail"]), Document.from_words(["e-mail"])
    >>> move_entities([Entity(3, 7, "X")], cut, whole)
    [Entity(start=2, end=6, label='X', score=1.0, text='mail')]
    """
    if of.words == to.words:
        return list(entities)
    before = word_characters(of)
    after = word_characters(to)
    moved = []
    for entity in entities:
        first = bisect_left(before, entity.start)
        behind = bisect_left(before, entity.end)
        start = after[first]
        end = after[behind - 1] + 1
        moved.append(entity_at(to.text, start, end, entity.label))
    return moved


def word_characters(document: Document) -> list[int]:
    """List the positions of all characters that are in words."""
    positions = []
    for start, end in document.words or ():
        positions += range(start, end)
    return positions
