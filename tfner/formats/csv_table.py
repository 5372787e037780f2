"""Read CSV and TSV files with a header: a token or a text a row, in any dialect; write CSV.

Of a token a row, sentences end where the column of sentences names another one, or at a blank line:
Kaggle's `Sentence #,Word,POS,Tag` names a sentence on its first row alone, others on each. Of a
text a row, entities are a list of JSON or of Python, in the shapes that `records` knows, or a tag
for each word. A file whose tokens are marked is held in memory.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import DataError
from tfner.formats.cells import parse_list, split_list
from tfner.formats.columns import Sentence, mark_sentences, to_document
from tfner.formats.csv_dialect import (
    LARGEST_CELL,
    Row,
    detect_dialects,
    read_rows,
    read_sample,
    sample_lines,
)
from tfner.formats.csv_layout import (
    RECORD_NAMES,
    TableLayout,
    detect_table,
    is_known_header,
    plain,
)
from tfner.formats.jsonl import entity_record
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.registry import Format, register
from tfner.formats.resume import IsLast, WrittenFile
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import stream_lines
from tfner.formats.writers import FramedWriter
from tfner.safeio.printable import show, show_names

logger = logging.getLogger(__name__)
HEADER_BYTES = 4096
HEADER = "id,text,entities\n"  # of what is written
LONGEST_SENTENCE = 200  # words; beyond it a file of one sentence is not meant to be one


def read_csv(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one document a sentence or a text, its id `file:line` unless a column `id` names it.

    Raises:
        DataError: there is one column, or none of tags or entities; a row of another width, a quote
            that is not closed, a tag that is none, an undecodable byte; under strict also whatever
            else would be counted, as in column files and JSON.
    """
    layout = open_table(path, settings)
    if layout is None:
        return iter(())
    if layout.tag is None:
        expected = "expected a column of tags or entities, found none among"
        raise DataError(f"{path}: {expected} {show_names(layout.names)}; set tag_column")
    if not layout.a_token_a_row:
        items = partial(iterate_records, path, settings, layout)
        return RecordReader(items, settings, ledger).documents()
    sentences = list(iterate_sentences(path, settings, layout))
    return mark_sentences(sentences, layout.name(layout.tag), settings, ledger)


def read_unmarked_csv(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read the words or texts alone, for prediction, of a file of any size.

    Raises:
        DataError: as `read_csv`, but for what concerns tags and entities.
    """
    layout = open_table(path, settings, marked=False)
    if layout is None:
        return
    if layout.a_token_a_row:
        for sentence in iterate_sentences(path, settings, layout):
            yield to_document(sentence, [])
    else:
        items = partial(iterate_records, path, settings, layout, marked=False)
        yield from RecordReader(items, settings, Ledger()).documents()


def open_table(path: Path, settings: ReadSettings, *, marked: bool = True) -> TableLayout | None:
    """Find out the layout of a file, and say in the log what could have been meant otherwise.

    Args:
        marked: tags or entities are read too.

    Returns:
        None where the file is empty.
    """
    lines = stream_lines(path, settings.encoding, settings.max_line, ends="\n")
    sample = sample_lines(lines)
    if not any(map(str.strip, sample)):
        return None
    layout = detect_table(sample, path, settings)
    for note in layout.notes:
        if marked or note.setting != "tag_column":
            logger.warning("%s: %s", path, note.text)
    return layout


def iterate_rows(path: Path, settings: ReadSettings, layout: TableLayout) -> Iterator[Row]:
    """Read the rows below the header; each that is not blank has the columns that are read."""
    lines = stream_lines(path, settings.encoding, settings.max_line, ends="\n")
    is_header = layout.has_header
    for row in read_rows(lines, layout.dialect, path, settings.max_line):
        if is_header:
            is_header = row.is_blank
            continue
        if not row.is_blank:
            layout.check_width(row, path)
        yield row


def iterate_sentences(
    path: Path, settings: ReadSettings, layout: TableLayout
) -> Iterator[Sentence]:
    """Cut the rows of a file into sentences; one of one long sentence is said in the log."""
    count = 0
    words = 0
    for sentence in cut_sentences(iterate_rows(path, settings, layout), layout, path):
        yield sentence
        count += 1
        words = len(sentence.words)
    if count == 1 and layout.sentence is None and words > LONGEST_SENTENCE:
        logger.warning("%s: %s", path, one_sentence(words))


def cut_sentences(rows: Iterable[Row], layout: TableLayout, path: Path) -> Iterator[Sentence]:
    """Cut rows of a token each into sentences; `path` is named in messages."""
    sentence = Sentence(path)
    current = ""
    ended = False
    for row in rows:
        if row.is_blank:
            ended = True
            continue
        number = "" if layout.sentence is None else row.cells[layout.sentence].strip()
        ended = ended or number not in ("", current)
        current = number or current
        if ended and sentence.words:
            yield sentence
            sentence = Sentence(path)
        ended = False
        add_word(row, layout, sentence)
    if sentence.words:
        yield sentence


def add_word(row: Row, layout: TableLayout, sentence: Sentence) -> None:
    """Add the word of a row to its sentence.

    Raises:
        DataError: it holds a line break, so that a quote is taken for one that it is not.
    """
    token = row.cells[layout.token]
    if "\n" in token:
        expected = f"expected a token on one line in column {layout.name(layout.token)}"
        hint = "if quotes are tokens here, format columns reads them as they are"
        got = show(token)
        raise DataError(f"{sentence.path}:{row.line}: {expected}, got {got}; {hint}")
    tag = None if layout.tag is None else row.cells[layout.tag].strip()
    sentence.words.append(token)
    sentence.tags.append(tag or None)
    sentence.lines.append(row.line)


def one_sentence(words: int) -> str:
    """Say that nothing in a file ends a sentence."""
    found = f"no column of sentences and no blank line, so all {words:,} words are one document"
    return f"{found}; sentence_column (--sentence-column) names the column that parts them"


def iterate_records(
    path: Path, settings: ReadSettings, layout: TableLayout, *, marked: bool = True
) -> Iterator[Item]:
    """Make records of rows with a text each."""
    others = other_columns(layout)
    for row in iterate_rows(path, settings, layout):
        if row.is_blank:
            continue
        where = f"{path}:{row.line}"
        record = to_record(row, layout, where, marked)
        for name, index in others.items():
            record[name] = row.cells[index] if index < len(row.cells) else ""
        yield Item(record, where, f"{path.name}:{row.line}")


def other_columns(layout: TableLayout) -> dict[str, int]:
    """Find the columns that are taken over into documents as they are, such as that of ids."""
    names = [plain(name) if layout.has_header else "" for name in layout.names]
    used = {layout.token, layout.tag}
    others = {name: index for index, name in enumerate(names) if index not in used}
    return {name: others[name] for name in RECORD_NAMES if name in others}


def to_record(row: Row, layout: TableLayout, where: str, marked: bool) -> dict[str, Any]:
    """Make a record of JSON's shape of a text or a list of tokens, and what marks it."""
    text = row.cells[layout.token]
    marks: list[Any] = []
    if layout.tag is not None and marked and not layout.holds_tags:
        name = layout.name(layout.tag)
        expected = f"a list of entities in column {name}, as JSON"
        marks = parse_list(row.cells[layout.tag], expected, where)
        if all(isinstance(mark, (list, dict)) for mark in marks):
            return {"text": text, "entities": marks}
    elif not layout.holds_lists and not layout.holds_tags:
        return {"text": text}
    tokens = parse_list(text, "tokens", where) if layout.holds_lists else text.split()
    if layout.tag is None or not marked:
        return {"tokens": tokens}
    tags = split_list(row.cells[layout.tag]) if layout.holds_tags else marks
    return {"tokens": tokens, "tags": tags}


def has_known_header(path: Path) -> bool:
    """Recognize by its first line a file with a header whose name says that it has none."""
    if not path.is_file():  # of a pipe nothing may be taken
        return False
    try:
        with path.open("rb") as file:
            line = file.readline(HEADER_BYTES)
        header = line.decode("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):  # reading it says so
        return False
    for dialect in detect_dialects([header]):
        (row,) = read_sample([header], dialect)
        if is_known_header(row.cells) and dialect.delimiter != " ":
            return True
    return False


class CsvWriter(FramedWriter):
    """Write a row a document: its id, its text, and its entities as JSON, as JSON Lines has them.

    A text of several lines is one quoted cell.
    """

    def head(self) -> str:
        return HEADER

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        marks = [entity_record(document, entity) for entity in entities]
        entity_list = json.dumps(marks, ensure_ascii=False)
        row = io.StringIO()
        writer = csv.writer(row, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([document.id, document.text, entity_list])
        self.write_block(row.getvalue())


def as_many_lines(document: Document) -> IsLast:
    """End a record with as many lines as its cells have."""
    count = f"{document.id}{document.text}".count("\n") + 1
    return lambda number, line: number == count


def is_row_of(record: bytes, document: Document) -> bool:
    """Tell whether a row has the document's id and text."""
    text = record.decode("utf-8", "replace")
    csv.field_size_limit(LARGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        id, shown, *_ = *next(rows, ()), "", ""
    except csv.Error:
        return False
    expected = [document.id, document.text]
    return [id, shown] == [each.encode("utf-8", "replace").decode() for each in expected]


register(
    Format(
        name="csv",
        suffixes=(".csv",),
        recognize_header=has_known_header,
        read=read_csv,
        read_unmarked=read_unmarked_csv,
        open_writer=CsvWriter,
        resume=partial(WrittenFile, ends=as_many_lines, belongs=is_row_of, head=HEADER.encode()),
        framed=True,
    )
)
