"""Write gold beside predicted tags, so that counting the file counts every entity.

An entity that the rows of its document cannot hold, since it is nested in another one or touches
no word, follows in a block of its own. conlleval and seqeval therefore count on the file exactly
the entities that `evaluate` counts, and find the same precision, recall and F1.

A line `-DOCSTART- O O` parts longer documents, as in CoNLL-2003: to conlleval and seqeval a word
without an entity. Read back, sentences have the groups that they had.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tfner.documents import Document, Entity
from tfner.formats.column_layout import DOCUMENT_START
from tfner.formats.registry import Format, register
from tfner.formats.writers import OPEN_BOX, StreamWriter, Target
from tfner.tagging.schemes import Span, write_tags
from tfner.tagging.spans import DisjointSpans
from tfner.tagging.word_tags import covered_words, cut_words, split_borders

Row = tuple[str, str, str]  # token, gold tag, predicted tag


class Pairing(NamedTuple):
    """Hold an entity that stands in the gold data, in the predictions, or in both."""

    entity: Entity
    gold: bool
    predicted: bool


class Side(NamedTuple):
    """Hold the entities that the rows of a document have on one side, gold or predicted."""

    runs: DisjointSpans
    spans: set[Span]


class ConllevalWriter(StreamWriter):
    """Write `token gold predicted` with single blanks and a blank line after each document.

    Words are cut at the borders of entities inside them. conlleval's ports in other languages split
    at any white space, so each such character in a token or label is written as ␣ (U+2423), and so
    is an empty token. The token `-X-`, which conlleval takes for a sentence break, is written
    `-X-␣`, and `-DOCSTART-` `␣-DOCSTART-`.

    Sentences of one longer document (`Document.group`) are to follow each other: a group that comes
    again behind another one is a further document in the file.
    """

    def __init__(self, target: Target, *, resume: bool = False):
        super().__init__(target, resume=resume)
        self._group = ""
        self._in_document = False  # behind a line -DOCSTART-, to which all that follows belongs

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        self._begin_document(document.group)
        for block in lay_out(document, entities):
            for token, gold, predicted in block:
                row = (as_token(token), gold, predicted)
                cells = (re.sub(r"\s", OPEN_BOX, cell) for cell in row)
                self._stream.write(" ".join(cells) + "\n")
            self._stream.write("\n")

    def _begin_document(self, group: str) -> None:
        """Write the line that begins a longer document, or a sentence that is of none."""
        is_begin = group != self._group if group else self._in_document
        self._group = group
        if is_begin:
            self._in_document = True
            self._stream.write(f"{DOCUMENT_START} O O\n\n")


def as_token(token: str) -> str:
    """Change a token that would be no word to a reader.

    >>> as_token("-X-"), as_token("-DOCSTART-"), as_token("Mara")
    ('-X-␣', '␣-DOCSTART-', 'Mara')
    """
    if token in ("", "-X-"):
        return f"{token}{OPEN_BOX}"
    return f"{OPEN_BOX}{token}" if token.startswith(DOCUMENT_START) else token


def lay_out(document: Document, predicted: Sequence[Entity]) -> list[list[Row]]:
    """Lay a document out as rows of a token and its two tags.

        >>> document = Document("New York", (Entity(0, 8, "LOC"), Entity(4, 8, "LOC")))
        >>> lay_out(document, [Entity(4, 8, "LOC")])  # doctest: +NORMALIZE_WHITESPACE
        [[('New', 'O', 'O'), ('York', 'B-LOC', 'B-LOC')],
         [('New', 'B-LOC', 'O'), ('York', 'I-LOC', 'O')]]

    Returns:
        The rows of all words, then a block for each entity that they cannot hold.
    """
    words = cut_words(document, (*document.entities, *predicted))
    starts, ends = split_borders(words)
    tokens = [document.text[start:end] for start, end in words]
    gold, guesses = Side(DisjointSpans(), set()), Side(DisjointSpans(), set())
    alone: list[list[Row]] = []
    for pairing in sorted(pair_up(document.entities, predicted), key=paired_and_longest_first):
        first, last = covered_words(pairing.entity, starts, ends)
        span = (first, last, pairing.entity.label)
        sides = [gold] * pairing.gold + [guesses] * pairing.predicted
        other_side = gold if pairing.predicted else guesses
        # Unequal entities on equal words would be counted as a hit.
        fits = first < last and (len(sides) == 2 or span not in other_side.spans)
        if fits and all(side.runs.add(first, last) for side in sides):
            for side in sides:
                side.spans.add(span)
        else:
            alone.append(block_of(pairing, tokens[first:last] or [pairing.entity.text]))
    gold_tags = write_tags(gold.spans, len(words))
    predicted_tags = write_tags(guesses.spans, len(words))
    return [list(zip(tokens, gold_tags, predicted_tags, strict=True)), *alone]


def pair_up(gold: Iterable[Entity], predicted: Iterable[Entity]) -> list[Pairing]:
    """Pair each gold entity with at most one equal prediction, as scores are counted."""
    unpaired: defaultdict[tuple[int, int, str], list[Entity]] = defaultdict(list)
    for entity in predicted:
        unpaired[entity.key].append(entity)
    pairings: list[Pairing] = []
    for entity in gold:
        equal = unpaired[entity.key]
        pairings.append(Pairing(entity, gold=True, predicted=bool(equal)))
        del equal[-1:]
    for entities in unpaired.values():
        pairings += [Pairing(entity, gold=False, predicted=True) for entity in entities]
    return pairings


def paired_and_longest_first(pairing: Pairing) -> tuple[bool, int, int]:
    """Order pairings: those found on both sides, then the longest, then by place.

    Pairs come first, so that they take the same words on both sides or on none.
    """
    is_pair = pairing.gold and pairing.predicted
    return not is_pair, pairing.entity.start - pairing.entity.end, pairing.entity.start


def block_of(pairing: Pairing, tokens: Sequence[str]) -> list[Row]:
    """Give an entity rows of its own."""
    tags = write_tags([(0, len(tokens), pairing.entity.label)], len(tokens))
    outside = ["O"] * len(tokens)
    gold = tags if pairing.gold else outside
    predicted = tags if pairing.predicted else outside
    return list(zip(tokens, gold, predicted, strict=True))


register(Format(name="conlleval", open_writer=ConllevalWriter, needs_gold=True))
