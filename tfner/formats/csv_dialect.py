"""Find out how the cells of a CSV or TSV file are parted and quoted, and cut it into rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tfner.exceptions import DataError

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", "^": "caret", "~": "tilde"}
# They part columns only below a header that is known.
IN_TEXTS = {
    ":": "colon",
    " ": "blank",
    "/": "slash",
    "#": "hash",
    "*": "star",
    "!": "exclamation mark",
}
NAMES = {**DELIMITERS, **IN_TEXTS}
SAMPLE_LINES, SAMPLE_CHARACTERS = 1000, 4 << 20
QUOTED_LINES = 100
ANY = f"[{re.escape(''.join(NAMES))}]"
QUOTED = re.compile(rf"""(?:^|{ANY})(?P<quote>["'])[^"'\n]*(?P=quote)(?={ANY}|$)""", re.MULTILINE)
LAST_RESORT = 1e-3
LARGEST_CELL = 2**31 - 1  # what csv can hold, in characters


@dataclass(frozen=True)
class Dialect:
    """Say how cells are parted and quoted; without `quote` a quote is a character as any other."""

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None  # what stands before a quote inside of quotes, else it is doubled
    skips_blanks: bool = False  # behind a delimiter

    def options(self) -> dict[str, Any]:
        """Collect the arguments of `csv.reader`."""
        options: dict[str, Any] = {"delimiter": self.delimiter, "escapechar": self.escape}
        options["skipinitialspace"] = self.skips_blanks
        if self.quote is None:
            return {**options, "quoting": csv.QUOTE_NONE}
        return {**options, "quotechar": self.quote, "doublequote": self.escape is None}


class Row(NamedTuple):
    """Hold the cells of a row and the number of the line that it begins on."""

    line: int
    cells: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(cell.strip() for cell in self.cells)


def sample_lines(lines: Iterable[str]) -> list[str]:
    """Take the first lines of a file, of which dialect and columns are found out."""
    sample: list[str] = []
    characters = 0
    for line in lines:
        sample.append(line)
        characters += len(line)
        if len(sample) == SAMPLE_LINES or characters > SAMPLE_CHARACTERS:
            break
    return sample


def read_rows(lines: Iterable[str], dialect: Dialect, path: Path, longest: int) -> Iterator[Row]:
    """Cut lines into rows; a quoted cell may run over several lines.

    Args:
        longest: most characters of a cell.

    Raises:
        DataError: a quote is not closed, something follows a closing one, or a cell is too long.
    """
    largest = min(longest, LARGEST_CELL)
    csv.field_size_limit(largest)
    ended = (f"{line}\n" for line in lines)
    reader = csv.reader(ended, strict=True, **dialect.options())
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error).partition(" - ")[0]
            quoting = describe_dialect(dialect)
            raise DataError(f"{path}:{line}: expected a row of CSV ({quoting}): {reason}") from None
        yield Row(line, cells)


def read_sample(sample: Sequence[str], dialect: Dialect) -> list[Row]:
    """Read the rows of a sample that are not blank; it may end within one."""
    rows = []
    try:
        for row in read_rows(sample, dialect, Path(), LARGEST_CELL):
            if not row.is_blank:
                rows.append(row)
    except DataError:
        pass  # reading the file says it with its line
    return rows


def describe_dialect(dialect: Dialect) -> str:
    """Name the delimiter and the quotes in an error.

    >>> describe_dialect(Dialect("\\t", None))
    'parted by tab, without quotes'
    """
    quotes = f"quoted by {dialect.quote}" if dialect.quote else "without quotes"
    return f"parted by {NAMES[dialect.delimiter]}, {quotes}"


def detect_dialects(lines: Sequence[str]) -> list[Dialect]:
    """List the dialects that part the first line of a sample into columns, the likeliest first.

    The likeliest is the one in which most rows are as wide as the first, and of those the one with
    most rows: a quote character that is none swallows lines, a delimiter that is none gives rows of
    any width. That quotes are characters as others is believed only where all rows are alike.

        >>> detect_dialects(["Word;Tag", '"a;b";O', "5,5;O"])[0]
        Dialect(delimiter=';', quote='"', escape=None, skips_blanks=False)
    """
    first = next(filter(str.strip, lines), "")
    hint = commonest_quote(lines)
    ranked = []
    for delimiter in NAMES:
        if delimiter not in first and not set(first) & set("\"'"):
            continue  # the first row would have one cell
        skips_blanks = follows_each(first, delimiter)
        for quote, escape in quotings(lines, delimiter, hint):
            dialect = Dialect(delimiter, quote, escape, skips_blanks)
            share, rows = count_rows(lines, dialect)
            is_believed = quote == '"' or (quote is not None and first.startswith(quote))
            if share < 1 and not is_believed:
                share *= LAST_RESORT
            if share > 0:
                ranked.append((-share, -rows, len(ranked), dialect))
    return [dialect for *_, dialect in sorted(ranked, key=lambda item: item[:3])]


def quotings(
    lines: Sequence[str], delimiter: str, hint: str | None
) -> list[tuple[str | None, str | None]]:
    """List ways to quote, as quote and escape, the first the one where all do equally well."""
    usual: list[tuple[str | None, str | None]] = [('"', None), (None, None)]
    if delimiter == "\t" and not begins_with(lines, delimiter, '"'):
        usual.reverse()  # quotes later in the file are then tokens
    if any('\\"' in line for line in lines):
        usual.append(('"', "\\"))
    if not begins_with(lines, delimiter, "'"):
        return usual
    return [("'", None), *usual] if hint == "'" else [*usual, ("'", None)]


def begins_with(lines: Iterable[str], delimiter: str, quote: str) -> bool:
    """Tell whether a cell begins with a quote."""
    return any(line.startswith(quote) or f"{delimiter}{quote}" in line for line in lines)


def commonest_quote(lines: Sequence[str]) -> str | None:
    """Find the quote that most quoted cells of the first lines stand in; None where none does.

    csv.Sniffer asks the same with patterns whose time explodes: a line of 4,000 commas and a quote
    took it minutes.

    >>> commonest_quote(["'word', 'tag'", "'a, b', 'B-X'"])
    "'"
    """
    quoted = QUOTED.finditer("\n".join(lines[:QUOTED_LINES]))
    counts = Counter(match["quote"] for match in quoted)
    return max(counts, key=counts.__getitem__, default=None)


def follows_each(line: str, delimiter: str) -> bool:
    """Tell whether a blank stands behind each delimiter of a line.

    >>> follows_each("Word, Tag, Text", ","), follows_each("Word,Tag", ",")
    (True, False)
    """
    count = line.count(delimiter)
    return delimiter != " " and 0 < count == line.count(f"{delimiter} ")


def count_rows(lines: Sequence[str], dialect: Dialect) -> tuple[float, int]:
    """Measure which share of the rows are as wide as the first, and count them.

    Lines behind a mistake count as rows of another width. Where the first row has one cell, the
    share is 0.
    """
    width = alike = others = last = 0
    try:
        for row in read_rows(lines, dialect, Path(), LARGEST_CELL):
            last = row.line
            if row.is_blank:
                continue
            width = width or len(row.cells)
            alike += len(row.cells) == width
            others += len(row.cells) != width
    except DataError:  # the sample may end within a cell
        others += sum(1 for line in lines[last:] if line.strip())
    return (alike / (alike + others) if width > 1 else 0.0), alike
