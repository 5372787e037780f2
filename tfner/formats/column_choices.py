"""Say what was chosen where the columns of a file without a header can be read in several ways."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tfner.formats.cells import ENOUGH, are_phrases, kind_of
from tfner.formats.column_layout import OTHER_HYPHEN, Layout, content_lines, split_line
from tfner.formats.csv_dialect import detect_dialects, read_sample
from tfner.formats.csv_layout import is_known_header
from tfner.formats.settings import ReadSettings
from tfner.safeio.printable import show
from tfner.tagging.schemes import is_tag

logger = logging.getLogger(__name__)
CHARACTERS = 1 << 16
LINES = 1000  # of a file, by which its columns are judged
CSV_READS = "format csv (--format csv, of predict --input-format csv) reads"


def warn_of_choices(
    lines: Iterable[str], layout: Layout, path: Path, settings: ReadSettings, *, marked: bool
) -> None:
    """Warn of columns that could be meant otherwise than they are read.

    Args:
        marked: tags are read too.
    """
    for note in find_choices(list(islice(lines, LINES)), layout, settings, marked):
        logger.warning("%s: %s", path, note)


def find_choices(
    lines: Sequence[str], layout: Layout, settings: ReadSettings, marked: bool
) -> Iterator[str]:
    """Describe each choice, with the option that changes it; none of those that settings made."""
    content = content_lines(lines)
    rows = [layout.split(line) for line in content]
    rows = [row for row in rows if len(row) == layout.width]
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    if is_header(rows, layout):
        first = show(" ".join(rows[0]))
        yield f"{first} looks like a header and is read as words; {CSV_READS} headers"
    if settings.token_column is None and holds_ids(columns, layout):
        shown = show(rows[-1][layout.token])
        yield (
            f"the tokens of column {layout.token} are numbers, such as {shown}; "
            "token_column (--token-column) names another"
        )
    if marked and settings.tag_column is None and layout.tag is not None:
        yield from describe_tags(columns, layout)
    if marked and layout.width == 1:
        yield describe_one_column(content)


def warn_of_columns(path: Path, settings: ReadSettings) -> None:
    """Warn where a file that is read as lines of text looks like columns of words and tags."""
    if not path.is_file():  # of a pipe nothing may be taken
        return
    try:
        with path.open(encoding=settings.encoding, errors="replace") as file:
            lines = file.read(CHARACTERS).split("\n")
    except (OSError, UnicodeError):  # reading it says so
        return
    filled = [line for line in lines[:LINES] if line.strip()]
    whole = filled[:-1] or filled  # the last may be cut
    format = tagged_format(whole)
    if format is not None:
        what = f"its lines look like words and tags, such as {show(filled[0])}"
        choice = f"each is read as a text; --input-format {format} reads the words of sentences"
        logger.warning("%s: %s: %s", path, what, choice)


def tagged_format(lines: Sequence[str]) -> str | None:
    """Name the format that would read lines as words with tags; None where they are neither.

    >>> tagged_format(["Mara B-PER", "left O"]), tagged_format(["word,tag", "Mara,B-PER"])
    ('columns', 'csv')
    """
    rows = [split_line(line, "blanks") for line in lines]
    if holds_tags(rows):
        return "csv" if is_known_header(rows[0]) else "columns"
    for dialect in detect_dialects(lines):
        if holds_tags([row.cells for row in read_sample(lines, dialect)]):
            return "csv"
    return None


def holds_tags(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether a column beside another one holds tags, whatever the first row is."""
    for index in range(max(map(len, rows), default=0)):
        cells = [row[index] if len(row) > max(index, 1) else "" for row in rows]
        below = cells[1:] or cells
        tagged = sum(map(is_tag, below))
        if tagged >= ENOUGH * len(below) and any(is_tag(cell) and cell != "O" for cell in cells):
            return True
    return False


def is_header(rows: Sequence[Sequence[str]], layout: Layout) -> bool:
    """Tell a header by its names, or because it alone has no tag where all others have one."""
    if layout.tag is None:
        return False
    first, *others = (row[layout.tag] for row in rows)
    if is_tag(first) or OTHER_HYPHEN.fullmatch(first):
        return False
    return is_known_header(rows[0]) or (len(others) > 1 and all(map(is_tag, others)))


def holds_ids(columns: Sequence[Sequence[str]], layout: Layout) -> bool:
    """Tell whether the tokens are numbers where another column has words."""
    others = [
        cells for index, cells in enumerate(columns) if index not in (layout.token, layout.tag)
    ]
    if layout.numbered:
        others = others[1:]
    is_number = kind_of(columns[layout.token]) == "numbers"
    return is_number and any(kind_of(cells) == "words" for cells in others)


def describe_tags(columns: Sequence[Sequence[str]], layout: Layout) -> Iterator[str]:
    """Say which of several columns of tags is read; tags of phrases do not count."""
    tagged = []
    for index, cells in enumerate(columns):
        if kind_of(cells) == "tags" and not are_phrases(cells):
            tagged.append(index)
    others = [index for index in tagged if index not in (layout.tag, layout.token)]
    has_other = any(set(columns[index]) != {"O"} for index in others)
    if has_other:
        names = ", ".join(map(str, sorted([*others, layout.tag or 0])))
        choice = f"{layout.tag} is read; tag_column (--tag-column) names another"
        yield f"columns {names} could be tags: {choice}"


def describe_one_column(lines: Sequence[str]) -> str:
    """Say that there are no tags, and what would part the lines into columns."""
    tried = "found one column, so the words have no tags; tried tab and blanks"
    for dialect in detect_dialects(lines):
        rows = read_sample(lines, dialect)
        if all(is_tag(row.cells[-1]) for row in rows[1:]):
            return f"{tried}; {show(dialect.delimiter)} parts words and tags: {CSV_READS} them"
    return tried
