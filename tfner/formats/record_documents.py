"""Make documents of records: find words in the text, read tags, check spans."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from tfner.corpus.ledger import Ledger, Reason
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.alignment import align_words
from tfner.formats.records import Mark, Record, other_fields, parse_record
from tfner.formats.settings import ReadSettings
from tfner.safeio.printable import LONGEST_DETAIL, one_line, show
from tfner.tagging.schemes import Scheme, Span, detect_scheme, read_spans, split_tag

WHITE_SPACE = re.compile(r"\s+")


class Item(NamedTuple):
    """Hold a value of JSON, where it stands (`path:line` or `path[index]`) and a spare id."""

    value: Any
    where: str
    id: str


class RecordReader:
    """Turn items into documents.

    `items` can be called again, so that the scheme of tags is found before they are read. With
    `keeps_others` documents hold what else their records do.
    """

    def __init__(
        self,
        items: Callable[[], Iterable[Item]],
        settings: ReadSettings,
        ledger: Ledger,
        *,
        keeps_others: bool = False,
    ):
        self._items = items
        self._settings = settings
        self._ledger = ledger
        self._keeps_others = keeps_others

    def documents(self) -> Iterator[Document]:
        for item in self._items():
            record = parse_record(item.value, item.where, self._ledger)
            if record is None:
                continue
            document = self._to_document(record, item)
            others = other_fields(item.value) if self._keeps_others else None
            yield replace(document, other_fields=others) if others else document

    @cached_property
    def _scheme(self) -> Scheme:
        if self._settings.scheme != "auto":
            return self._settings.scheme
        return detect_scheme(self._tags())

    def _tags(self) -> Iterator[Sequence[str]]:
        """Read the tags of all records; the second reading makes the entries of the ledger."""
        unheard = Ledger()
        for item in self._items():
            record = parse_record(item.value, item.where, unheard)
            if record and record.tags:
                yield check_tags(record.tags, item.where)

    def _to_document(self, record: Record, item: Item) -> Document:
        marked = self._mark(record, item)
        return replace(marked, id=record.id or item.id, group=record.group, slice=record.slice)

    def _mark(self, record: Record, item: Item) -> Document:
        spans = locate_words(record, item.where)
        if record.text is None or (record.tags is not None and spans is None):
            words = [str(word) for word in record.words or ()]
            return Document.from_words(words, self._spans(record, item))
        if record.tags is not None:
            return Document.from_word_spans(record.text, spans or [], self._spans(record, item))
        entities = tuple(self._entities(record, item))
        return Document(record.text, entities, None if spans is None else tuple(spans))

    def _spans(self, record: Record, item: Item) -> list[Span]:
        if record.tags is None:
            return []
        spans, repairs = read_spans(check_tags(record.tags, item.where), self._scheme)
        for position, detail in repairs:
            self._drop("repaired", item.where, f"{detail} (token {position})")
        return spans

    def _entities(self, record: Record, item: Item) -> Iterator[Entity]:
        for mark in record.marks:
            fault = find_fault(mark, record.text or "")
            if fault:
                self._drop("invalid_span", item.where, fault)
            else:
                yield entity_at(record.text or "", mark.start, mark.end, mark.label)

    def _drop(self, reason: Reason, where: str, detail: str) -> None:
        if self._settings.strict:
            legal = f"legal {self._scheme} tags"
            expected = legal if reason == "repaired" else "spans that fit the text"
            came = one_line(detail, LONGEST_DETAIL)
            raise DataError(f"{where}: expected {expected}, got {came}")
        self._ledger.record(reason, where, detail)


def check_tags(tags: Sequence[str], where: str) -> Sequence[str]:
    """Refuse what is no tag in any scheme."""
    for position, tag in enumerate(tags):
        try:
            split_tag(tag)
        except ValueError as error:
            raise DataError(f"{where}: token {position}: {error}") from None
    return tags


def locate_words(record: Record, where: str) -> list[tuple[int, int]] | None:
    """Find the given words in the text.

    Returns:
        None if there are no words or no text, or the words are not what the text consists of.
    """
    text, words = record.text, record.words
    if text is None or words is None:
        return None
    spans = [word for word in words if isinstance(word, tuple)]
    if not spans:
        return align_words(text, [word for word in words if isinstance(word, str)])
    borders = [border for span in spans for border in span]
    bounded = [0, *borders, len(text)]
    if bounded != sorted(bounded):
        expected = f"tokens in order inside a text of {len(text)} characters"
        raise DataError(f"{where}: expected {expected}, got {show(borders)}")
    return spans


def find_fault(mark: Mark, text: str) -> str | None:
    """Say what is wrong with a span: outside its text, empty, or not the text that it repeats."""
    shown = f"{mark.label[:80]} {mark.start}..{mark.end}"
    if not 0 <= mark.start < mark.end <= len(text):
        return f"{shown} in a text of {len(text)} characters"
    found = text[mark.start : mark.end]
    if mark.surface is not None and even_out(mark.surface) != even_out(found):
        return f"{shown}, which is {show(found)}, not {show(mark.surface)}"
    return None


def even_out(text: str) -> str:
    """Make white space alike: annotation tools write line breaks as blanks."""
    return WHITE_SPACE.sub(" ", text)
