"""Any text with any marks on it is written in every format.

And what is read back from those that are read says the same.
"""

from __future__ import annotations

import io
import re
import shutil
from itertools import pairwise

from reader_targets import attempt, chunks, folder
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.formats import read_documents
from tfner.formats.brat import BratWriter
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.tagging.schemes import read_spans
from tfner.tagging.spans import keep_longest, overlap
from tfner.tagging.word_tags import tags_on_words, with_words


def draw(data: bytes) -> tuple[Document, list[Entity]]:
    """Text, labels (a line each) and places, three bytes an entity.

    Start, length and which label.
    """
    text, labels, places = (part for part in chunks(data, 3))
    document = Document(text.decode("utf-8", "replace"), id=labels.decode("latin-1"))
    names = [name for name in labels.decode("utf-8", "replace").split("\n") if name.strip()] or [
        "PER"
    ]
    length = len(document.text)
    triples = zip(places[::3], places[1::3], places[2::3], strict=False)
    entities = [
        entity_at(
            document.text,
            start % length,
            min(start % length + 1 + more % 16, length),
            names[which % len(names)],
        )
        for start, more, which in triples
        if length
    ]
    return document, entities


def writers(data: bytes) -> None:
    document, entities = draw(data)
    flat, _ = keep_longest(entities)
    assert not any(
        overlap(one.start, one.end, other.start, other.end) for one, other in pairwise(flat)
    )
    words = with_words(document, flat)
    check_words(words, flat)
    for format in ("jsonl", "columns", "conlleval", "text"):
        with open_writer(format, io.StringIO()) as writer:
            writer.write(words, entities)
    brat_comes_back(document, entities)


def check_words(document: Document, flat: list[Entity]) -> None:
    """Cut at the borders of entities, words spell each entity that holds more than white space."""
    assert "".join(document.word_texts()) == re.sub(r"\s", "", document.text)
    tags = tags_on_words(document, flat)
    spans, repairs = read_spans(tags, "IOB2")
    assert repairs == []
    found = (
        [
            (document.words[first][0], document.words[last - 1][1], label)
            for first, last, label in spans
        ]
        if document.words
        else []
    )
    assert found == [
        (*inked(document.text, entity), entity.label) for entity in flat if entity.text.strip()
    ]


def inked(text: str, entity: Entity) -> tuple[int, int]:
    """The span of an entity without white space at its ends."""
    stripped = entity.text.strip()
    start = entity.start + entity.text.index(stripped)
    return start, start + len(stripped)


def brat_comes_back(document: Document, entities: list[Entity]) -> None:
    place = folder() / "written"
    shutil.rmtree(place, ignore_errors=True)
    with BratWriter(place) as writer:
        writer.write(document, entities)
    ledger = Ledger()
    documents = attempt(lambda: read_documents(place, ReadSettings(format="brat"), ledger), place)
    assert documents is not None
    assert documents[0].text == document.text
    fragments = [list(re.finditer(r"[^\r\n]+", entity.text)) for entity in entities]
    spans = [
        (entity, own[0].span() if own else (0, len(entity.text)), len(own))
        for entity, own in zip(entities, fragments, strict=True)
    ]
    whole = [
        (entity.start + first, entity.start + last, entity.label)
        for entity, (first, last), count in spans
        if count < 2
    ]
    given = [
        entity_at(document.text, start, end, re.sub(r"\s", "_", label))
        for start, end, label in whole
    ]
    assert documents[0].entities == trimmed(Document(document.text, tuple(given))).entities
    assert ledger.counts.get("discontinuous", 0) == sum(len(own) > 1 for own in fragments)
    assert set(ledger.counts) <= {"discontinuous", "trimmed_border", "vanished"}, ledger.entries
