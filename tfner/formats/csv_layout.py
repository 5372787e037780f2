"""Find out what the columns of a CSV file are, by their names and by what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from tfner.exceptions import DataError
from tfner.formats.cells import Kind, are_phrases, kind_of
from tfner.formats.csv_dialect import (
    DELIMITERS,
    IN_TEXTS,
    Dialect,
    Row,
    detect_dialects,
    read_sample,
)
from tfner.formats.settings import Column, ReadSettings
from tfner.safeio.printable import LONGEST_DETAIL, one_line, show, show_names
from tfner.tagging.schemes import is_tag

TOKEN_NAMES = {"token", "tokens", "word", "words", "form", "term"}
TEXT_NAMES = {"text", "texts", "sentence", "sentences", "content", "utterance", "body", "tweet"}
TAG_NAMES = {
    *("tag", "tags", "ner", "ner_tag", "ner_tags", "iob", "iob_tag", "bio", "bio_tag", "bio_tags"),
    *("ne", "ne_tag", "ne_tags", "ner_label", "ner_labels", "iob2", "named_entity"),
    *("label", "labels", "word_labels", "entity", "entities", "spans", "annotations"),
}
SENTENCE_NAMES = {
    *("sentence", "sentence_id", "sentence_idx", "sentence_no", "sentence_number", "sid"),
    *("sent", "sent_id", "sent_idx", "sent_no"),
}
RECORD_NAMES = ("id", "group", "slice")  # taken over into documents as from JSON
MARKS: tuple[Kind, ...] = ("tags", "tag lists", "lists")
BLANKS = re.compile(r"[\s_#.:-]+")
TRIED = (
    f"{', '.join(DELIMITERS.values())}, and below a header such as Word and Tag "
    f"{', '.join(IN_TEXTS.values())}"
)


class Note(NamedTuple):
    """Say what was chosen, and name the setting that chooses otherwise."""

    setting: str
    text: str


@dataclass(frozen=True)
class TableLayout:
    """Say how a table is read; columns count from 0.

    `tag` is None where none holds tags or entities, `sentence` where blank lines end sentences.
    """

    dialect: Dialect
    names: tuple[str, ...]  # of the header; numbers where there is none
    has_header: bool
    a_token_a_row: bool  # else a text a row
    holds_tags: bool  # the column of tags, one for each word of a text
    holds_lists: bool  # the column of texts, lists of tokens
    token: int
    tag: int | None
    sentence: int | None
    notes: tuple[Note, ...]  # what was chosen where more than one choice could be meant

    def check_width(self, row: Row, path: Path) -> None:
        """Refuse a row that ends before a column that is read, or goes on behind the last one.

        Raises:
            DataError: it is such a row.
        """
        width = len(self.names)
        needed = max(self.token, self.tag or 0, self.sentence or 0) + 1
        if len(row.cells) >= needed and not any(row.cells[width:]):
            return
        expected = f"expected {width} columns, as the first row has"
        came = f"{len(row.cells)}: {show(row.cells)}"
        raise DataError(f"{path}:{row.line}: {expected}, got {came}")

    def name(self, column: int) -> str:
        """Name a column in a message."""
        return one_line(self.names[column], LONGEST_DETAIL)


def detect_table(sample: Sequence[str], path: Path, settings: ReadSettings) -> TableLayout:
    """Find out dialect and columns from the first lines; what the settings name is as they say.

    Raises:
        DataError: there is one column alone, or none that the settings name.
    """
    found: TableLayout | None = None
    for dialect in detect_dialects(sample):
        table = Table(sample, dialect, path, settings)
        if dialect.delimiter not in IN_TEXTS or table.known:
            found = table.layout()
            break
    if found is None:
        table = Table(sample, Dialect(","), path, settings)
        if not (table.rows and is_text_header(table.rows[0].cells)):
            raise DataError(
                f"{path}: expected columns, such as of tokens and tags, found one; tried {TRIED}"
            )
        found = table.layout()
    return found


def is_text_header(cells: Sequence[str]) -> bool:
    """Tell the header of a file of texts alone."""
    return len(cells) == 1 and plain(cells[0]) in TEXT_NAMES


def plain(name: str) -> str:
    """Write a column's name in one way.

    >>> plain("Sentence #"), plain("NER-Tag")
    ('sentence', 'ner_tag')
    """
    folded = name.strip().casefold()
    joined = BLANKS.sub("_", folded)
    return joined.strip("_")


def is_known_header(cells: Sequence[str]) -> bool:
    """Tell a header that names words or texts, and tags or entities, and no word with its tag."""
    names = {plain(cell) for cell in cells}
    has_tag = any(map(is_tag, cells))
    return not has_tag and bool(names & (TOKEN_NAMES | TEXT_NAMES)) and bool(names & TAG_NAMES)


class Table:
    """Look at the first rows of a file in one dialect."""

    def __init__(self, sample: Sequence[str], dialect: Dialect, path: Path, settings: ReadSettings):
        self._dialect = dialect
        self._path = path
        self._settings = settings
        self.rows = read_sample(sample, dialect)
        self._notes: list[Note] = []

    @cached_property
    def width(self) -> int:
        return len(self.rows[0].cells) if self.rows else 0

    @cached_property
    def known(self) -> bool:
        return bool(self.rows) and is_known_header(self.rows[0].cells)

    @cached_property
    def has_header(self) -> bool:
        """Take the first row for a header unless it holds a tag or a list, as those below do."""
        if not self.rows:
            return False
        first = self.rows[0].cells
        settings = self._settings
        columns = (settings.token_column, settings.tag_column, settings.sentence_column)
        by_name = any(isinstance(column, str) for column in columns)
        holds_marks = kind_of(first) in MARKS or any(kind_of([cell]) in MARKS for cell in first)
        return by_name or self.known or is_text_header(first) or not holds_marks

    @cached_property
    def names(self) -> tuple[str, ...]:
        if self.has_header:
            return tuple(cell.strip() for cell in self.rows[0].cells)
        return tuple(map(str, range(self.width)))

    @cached_property
    def kinds(self) -> list[Kind]:
        """Tell what each column holds below the header."""
        return [kind_of(self.cells(column)) for column in range(self.width)]

    def cells(self, column: int) -> list[str]:
        """List the cells of a column below the header, as far as the rows go."""
        rows = self.rows[1:] if self.has_header else self.rows
        return [row.cells[column] for row in rows if len(row.cells) > column]

    def layout(self) -> TableLayout:
        tag = self.find_tag()
        a_token_a_row = tag is not None and self.has_token_a_row(tag)
        sentence = self.find_sentence(tag)
        if sentence is None and a_token_a_row:
            sentence = self.guess_sentence(tag)
        if tag is None:
            named = self.named(TOKEN_NAMES)
            a_token_a_row = sentence is not None or any(
                self.kinds[each] != "lists" for each in named
            )
        token = self.find_token(tag, sentence, a_token_a_row)
        if not a_token_a_row:
            sentence = self.given("sentence_column", self._settings.sentence_column)
        return TableLayout(
            dialect=self._dialect,
            names=self.names,
            has_header=self.has_header,
            a_token_a_row=a_token_a_row,
            holds_tags=tag is not None and self.kinds[tag] == "tag lists",
            holds_lists=not a_token_a_row and self.kinds[token] == "lists",
            token=token,
            tag=tag,
            sentence=sentence,
            notes=tuple(self._notes),
        )

    def has_token_a_row(self, tag: int) -> bool:
        """Tell tags of tokens from what marks texts, by the names where the cells do not tell."""
        kind = self.kinds[tag]
        has_text = bool(self.named(TEXT_NAMES)) and not self.named(TOKEN_NAMES)
        return kind == "tags" or (kind not in MARKS and not has_text)

    def find_tag(self) -> int | None:
        """Find the column of tags or entities: of those that hold some a named one, the last."""
        given = self.given("tag_column", self._settings.tag_column)
        if given is not None:
            return given
        names = self.named(TAG_NAMES)
        token = self.given("token_column", self._settings.token_column)
        columns = [each for each in range(self.width) if each != token and not self.is_text(each)]
        tagged = [each for each in columns if self.holds_tags(each)]
        lists = [each for each in columns if self.kinds[each] == "lists"]
        tagged += [each for each in lists if each in names or not (names or tagged)]
        tagged_by_name = [each for each in tagged if each in names]
        chosen = tagged_by_name or tagged or names
        if not chosen:
            return None
        if len(tagged) > 1:
            self.note("tags", sorted(tagged), chosen[-1], "tag_column")
        return chosen[-1]

    def is_text(self, column: int) -> bool:
        """Tell by its name that a column holds tokens or texts."""
        return self.has_header and plain(self.names[column]) in TOKEN_NAMES | TEXT_NAMES

    def holds_tags(self, column: int) -> bool:
        """Tell whether a column holds tags, and not those of phrases."""
        kind = self.kinds[column]
        is_phrase = kind == "tags" and are_phrases(self.cells(column))
        return kind in ("tags", "tag lists") and not is_phrase

    def find_sentence(self, tag: int | None) -> int | None:
        """Find the column that says which sentence a row is of."""
        given = self.given("sentence_column", self._settings.sentence_column)
        if given is not None:
            return given
        named = [each for each in self.named(SENTENCE_NAMES) if each != tag]
        numbers = [each for each in named if self.kinds[each] in ("numbers", "empty")]
        others = [each for each in self.named(TOKEN_NAMES) if each != tag]
        chosen = numbers or (named if others else [])
        return chosen[0] if chosen else None

    def guess_sentence(self, tag: int | None) -> int | None:
        """Find a column whose name says nothing where no blank line parts sentences."""
        lines = [row.line for row in self.rows[1:]]
        if any(after - line > 1 for line, after in pairwise(lines)):
            return None
        columns = [each for each in range(self.width) if each != tag and not self.is_text(each)]
        for column in columns:
            if begins_sentences(self.cells(column)) or numbers_sentences(self.cells(column)):
                chosen = f"column {show(self.names[column])} is taken to tell sentences apart"
                self.note_choice("sentence_column", chosen)
                return column
        return None

    def find_token(self, tag: int | None, sentence: int | None, a_token_a_row: bool) -> int:
        """Find the column of tokens or texts: by its name, else the first that holds some."""
        given = self.given("token_column", self._settings.token_column)
        if given is not None:
            return given
        what = "tokens" if a_token_a_row else "texts"
        free = [each for each in range(self.width) if each not in (tag, sentence)]
        records = self.named(RECORD_NAMES)
        texts = [each for each in free if self.kinds[each] in ("words", "texts", "lists")]
        filled = [each for each in texts if each not in records]
        named = [each for each in self.preferred(tag, a_token_a_row) if each in free]
        choices = [each for each in named if each in filled] or filled or named or free
        if not choices:
            columns = show_names(self.names)
            problem = f"expected a column of {what} beside the tags, got {columns}"
            raise DataError(f"{self._path}: {problem}; set token_column")
        are_ids = any(self.kinds[each] == "numbers" for each in named)
        if are_ids or (not named and len(filled) > 1):
            could_be = sorted({*named, *filled})
            if len(could_be) > 1:
                self.note(what, could_be, choices[0], "token_column")
        return choices[0]

    def preferred(self, tag: int | None, a_token_a_row: bool) -> list[int]:
        """List the columns whose names are those of tokens or texts, the likeliest first."""
        tokens = self.named(TOKEN_NAMES)
        texts = self.named(TEXT_NAMES)
        if a_token_a_row:
            return tokens + texts
        texts.sort(key=lambda column: self.kinds[column] != "texts")
        has_tags = tag is not None and self.kinds[tag] == "tag lists"
        has_lists = any(self.kinds[each] == "lists" for each in tokens)
        return tokens + texts if has_tags and has_lists else texts + tokens

    def named(self, names: Iterable[str]) -> list[int]:
        """List the columns whose name is one of these."""
        if not self.has_header:
            return []
        return [index for index, name in enumerate(self.names) if plain(name) in names]

    def given(self, setting: str, column: Column | None) -> int | None:
        """Find the column that a setting names or numbers."""
        if column is None:
            return None
        if isinstance(column, str):
            wanted = [column, plain(column)]
            names = [*self.names, *map(plain, self.names)]
            matches = [index for index, name in enumerate(names) if name in wanted]
            if matches:
                return matches[0] % self.width
            known = show_names(self.names)
            got = f"{setting} is {show(column)}"
            raise DataError(f"{self._path}: {got}, but the columns are {known}")
        index = column + self.width if column < 0 else column
        if not 0 <= index < self.width:
            got = f"{setting} is {column}"
            raise DataError(f"{self._path}: {got}, but there are {self.width} columns")
        return index

    def note(self, what: str, columns: Sequence[int], chosen: int, setting: str) -> None:
        """Say which of several columns is read, and how to choose another."""
        names = show_names([self.names[column] for column in columns])
        could_be = f"columns {names} could be {what}"
        self.note_choice(setting, f"{could_be}: {show(self.names[chosen])} is read")

    def note_choice(self, setting: str, choice: str) -> None:
        """Say what was chosen, and how to choose otherwise."""
        option = setting.replace("_", "-")
        note = Note(setting, f"{choice}; {setting} (--{option}) names another")
        self._notes.append(note)


def begins_sentences(cells: Sequence[str]) -> bool:
    """Tell a column that is filled on the first row of each sentence alone.

    >>> begins_sentences(["Satz 1", "", "", "Satz 2", ""]), begins_sentences(["a", "", "a", ""])
    (True, False)
    """
    filled = [cell for cell in cells if cell.strip()]
    is_sparse = 1 < len(filled) <= len(cells) / 2
    return is_sparse and bool(cells[0].strip()) and len(set(filled)) == len(filled)


def numbers_sentences(cells: Sequence[str]) -> bool:
    """Tell a column that has the number of its sentence on each row.

    >>> numbers_sentences(["1", "1", "2", "2", "2"]), numbers_sentences(["1", "2", "1", "2"])
    (True, False)
    """
    runs = [number for number, _ in groupby(cells)]
    is_counted = 1 < len(runs) == len(set(runs)) <= len(cells) / 2
    return is_counted and kind_of(cells) == "numbers"
