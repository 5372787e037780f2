"""Read CoNLL-U with tags in MISC (`NER=B-PER`) and CoNLL-U Plus with a column of tags.

CoNLL-U Plus names its columns on the first line, `# global.columns = ID FORM NER`. A file of this
name that is neither is read as a column file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.column_choices import warn_of_choices
from tfner.formats.column_layout import Layout, column_index, content_lines, usual_width
from tfner.formats.columns import (
    first_filled,
    mark_sentences,
    parse_sentences,
    read_columns,
    stream_words,
    to_document,
)
from tfner.formats.counts import count_blocks
from tfner.formats.registry import Format, register
from tfner.formats.settings import Column, ReadSettings
from tfner.formats.text_files import read_lines, stream_lines
from tfner.safeio.printable import LONGEST_DETAIL, one_line, show, show_names
from tfner.tagging.schemes import is_tag

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*(?P<names>.*)")
TAG_NAMES = ("NER", "NE", "NER_TAG", "NAMED_ENTITY", "IOB", "BIO", "TAG")
IN_MISC = re.compile(r"(?:^|\|)(?:NER|NE)=(?P<tag>[^|]*)", re.IGNORECASE)
EMPTY = "_"
HEADER_BYTES = 4096


@dataclass(frozen=True)
class ConlluLayout(Layout):
    """Say how a file is read whose columns have names; an empty cell has no entity."""

    names: tuple[str, ...] = ()
    in_misc: bool = False  # the column of tags holds NAME=VALUE, parted by |

    def pick(self, columns: Sequence[str]) -> tuple[str, str | None] | None:
        if len(columns) <= self.token:
            return None
        token = columns[self.token]
        if self.tag is None or len(columns) <= self.tag:
            return token, None
        cell = columns[self.tag]
        if self.in_misc:
            match = IN_MISC.search(cell)
            cell = match["tag"] if match else EMPTY
        return token, "O" if cell == EMPTY else cell

    def is_comment(self, line: str) -> bool:
        """Tell a remark: where words are numbered nothing else begins with #."""
        return line.startswith("#") and (self.numbered or super().is_comment(line))


def read_conllu(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one document a sentence, as from a column file.

    Raises:
        DataError: no column holds tags, or as for column files.
    """
    lines = read_lines(path, settings.encoding, settings.max_line)
    names = find_names(lines)
    if names is None:
        return read_columns(path, settings, ledger)
    layout = conllu_layout(lines, names, path, settings)
    if layout.tag is None:
        expected = "expected NER=TAG in column MISC or a column of tags"
        known = one_line(", ".join(names), LONGEST_DETAIL)
        raise DataError(f"{path}: {expected}, found neither in {known}; set tag_column")
    sentences = list(parse_sentences(lines, layout, path))
    name = one_line(names[layout.tag], LONGEST_DETAIL)
    return mark_sentences(sentences, name, settings, ledger)


def stream_conllu_words(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read the words alone of a file of any size, for prediction."""
    lines = partial(stream_lines, path, settings.encoding, settings.max_line)
    first = first_filled(lines())
    names = find_names(first)
    if names is None:
        yield from stream_words(path, settings)
        return
    layout = conllu_layout(first, names, path, settings)
    for sentence in parse_sentences(lines(), layout, path):
        yield to_document(sentence, [])


def find_names(lines: Sequence[str]) -> tuple[str, ...] | None:
    """Find the names of the columns: those that the first line gives, or CoNLL-U's ten.

    >>> find_names(["# global.columns = ID FORM NER", "1\\tMara\\tB-PER"])
    ('ID', 'FORM', 'NER')
    """
    match = GLOBAL_COLUMNS.fullmatch(lines[0]) if lines else None
    if match and match["names"].split():
        names = match["names"].split()
        return tuple(names)
    rows = [line.split("\t") for line in content_lines(lines)]
    is_conllu = usual_width(rows) == len(CONLLU) and rows[0][0].partition("-")[0] in ("0", "1")
    return CONLLU if is_conllu else None


def conllu_layout(
    lines: Sequence[str], names: tuple[str, ...], path: Path, settings: ReadSettings
) -> ConlluLayout:
    """Find the columns of words and tags by their names; settings may name or number others."""
    rows = [line.split("\t") for line in content_lines(lines)]
    given = partial(named_column, names=names, path=path)
    token = given("token_column", settings.token_column)
    tag = given("tag_column", settings.tag_column)
    if token is None:
        token = names.index("FORM") if "FORM" in names else int(names[0] == "ID")
    misc = names.index("MISC") if "MISC" in names else None
    in_misc = misc is not None and any(has_tag(row, misc) for row in rows)
    if tag is None:
        by_name = [index for index, name in enumerate(names) if name.upper() in TAG_NAMES]
        tag = by_name[0] if by_name else misc if in_misc else find_tags(rows, len(names))
    elif tag != misc:
        in_misc = False
    is_misc = in_misc and tag == misc
    layout = ConlluLayout("tab", len(names), token, tag, names[0] == "ID", names, is_misc)
    if tag is not None and not is_misc:
        warn_of_choices(lines, layout, path, settings, marked=True)
    return layout


def has_tag(row: Sequence[str], column: int) -> bool:
    """Tell whether a cell of MISC holds a tag."""
    return len(row) > column and IN_MISC.search(row[column]) is not None


def find_tags(rows: Sequence[Sequence[str]], width: int) -> int | None:
    """Find the last column whose filled cells are tags; None if there is none."""
    for column in reversed(range(2, width)):
        cells = [row[column] for row in rows if len(row) == width and row[column] != EMPTY]
        if cells and all(map(is_tag, cells)):
            return column
    return None


def named_column(
    setting: str, column: Column | None, names: tuple[str, ...], path: Path
) -> int | None:
    """Find the column that a setting names or numbers."""
    if not isinstance(column, str):
        return column_index(setting, column, len(names), path)
    known = [name.casefold() for name in names]
    if column.casefold() not in known:
        shown = show_names(names)
        raise DataError(f"{path}: {setting} is {show(column)}, but the columns are {shown}")
    return known.index(column.casefold())


def names_its_columns(path: Path) -> bool:
    """Recognize CoNLL-U Plus by its first line."""
    if not path.is_file():  # of a pipe nothing may be taken
        return False
    try:
        with path.open("rb") as file:
            line = file.readline(HEADER_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):  # reading it says so
        return False
    line = line.rstrip("\r\n")
    return GLOBAL_COLUMNS.fullmatch(line) is not None


register(
    Format(
        name="conllu",
        suffixes=(".conllu", ".conllup"),
        recognize_header=names_its_columns,
        read=read_conllu,
        read_unmarked=stream_conllu_words,
        count=count_blocks,
    )
)
