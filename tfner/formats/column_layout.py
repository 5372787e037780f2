"""Find out what the columns of a file are: how they are parted, which holds words, which tags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfner.exceptions import DataError
from tfner.formats.settings import Column, ReadSettings
from tfner.safeio.printable import show
from tfner.tagging.schemes import is_tag

Separator = Literal["tab", "blanks"]

# No other space parts columns: U+00A0 is a token in published corpora.
BLANKS = re.compile(r"[ \t]+")
# CoNLL-U: `1-2` is a surface word over two syntactic ones, `1.1` an elided one.
SPLIT_ID = re.compile(r"\d+[-.]\d+")
NAMED_COMMENT = re.compile(
    r"#\s*(?P<key>text|sent_id|newdoc(?: id)?|newpar(?: id)?)(?:\s*=\s?(?P<value>.*)|\s*)"
)
OTHER_HYPHEN = re.compile(r"([BIESLU])[_.–](.+)")  # a slip: B_PER for B-PER
SLIPS_LET_PASS = 0.01
DOCUMENT_START = "-DOCSTART-"


@dataclass(frozen=True)
class Layout:
    """Say how a file's lines are read.

    Columns count from 0; `tag` is None where the file holds words alone.
    """

    separator: Separator
    width: int  # columns of most lines
    token: int
    tag: int | None
    numbered: bool  # the first column numbers the words of a sentence

    def split(self, line: str) -> list[str]:
        """Cut a line into its columns.

        In a file parted by blanks, a line that begins with one may have an empty first column.
        """
        columns = split_line(line, self.separator)
        begins_blank = self.separator == "blanks" and line[:1] in " \t"
        lacks_token = begins_blank and len(columns) == self.width - 1
        if lacks_token and is_tag(columns[-1]):
            return ["", *columns]
        return columns

    def pick(self, columns: Sequence[str]) -> tuple[str, str | None] | None:
        """Pick the token and the tag.

        Returns:
            The tag is None where the line has none; all is None where it has no token.
        """
        if len(columns) <= self.token:
            return None
        if self.tag is None or len(columns) <= self.tag:
            return columns[self.token], None
        surplus = len(columns) - self.width
        if self._token_holds_separators(columns, surplus):
            token = " ".join(columns[self.token : self.token + surplus + 1])
            return token, columns[self.tag + surplus]
        return columns[self.token], columns[self.tag]

    def _token_holds_separators(self, columns: Sequence[str], surplus: int) -> bool:
        """Tell blanks in a token (`New York B-LOC`) from a remark at the end of a line too long."""
        if surplus <= 0 or self.tag is None or self.tag < self.token:
            return False
        if not is_tag(columns[self.tag + surplus]):
            return False
        return self.separator == "blanks" or not is_tag(columns[self.tag])

    def skips(self, columns: Sequence[str]) -> bool:
        """Tell by its CoNLL-U number whether a line is no word of its own."""
        return self.numbered and SPLIT_ID.fullmatch(columns[0]) is not None

    def is_comment(self, line: str) -> bool:
        """Tell a remark, `# text = …`, from `#\tO`, where # is a word with its tag."""
        if not line.startswith("#"):
            return False
        if NAMED_COMMENT.fullmatch(line):
            return True
        columns = self.split(line)
        if not any(columns[1:]):
            return " " in columns[0]
        token_and_tag = self.pick(columns)
        return token_and_tag is None or not is_tag(token_and_tag[1] or "")


def split_line(line: str, separator: Separator) -> list[str]:
    """Cut a line at each TAB, or at runs of blanks and TABs.

    >>> split_line("New York  B-LOC", "blanks")
    ['New', 'York', 'B-LOC']
    """
    return line.split("\t") if separator == "tab" else BLANKS.split(line.strip(" \t"))


def is_blank(line: str) -> bool:
    """Tell whether a line ends a sentence: white space beyond blanks and TABs may be a token."""
    return not line.strip(" \t")


def detect_layout(lines: Sequence[str], path: Path, settings: ReadSettings) -> Layout:
    """Find out the layout from all lines of a file; what the settings name is taken from them.

    Raises:
        DataError: a column named by the settings is not there.
    """
    content = content_lines(lines)
    separator = detect_separator(content) if settings.separator == "auto" else settings.separator
    rows = [split_line(line, separator) for line in content]
    width = usual_width(rows)
    numbered = width > 2 and numbers_words(row[0] for row in rows)
    token = column_index("token_column", settings.token_column, width, path)
    tag = column_index("tag_column", settings.tag_column, width, path)
    if token is None:
        token = int(numbered)
    if tag is None:
        tag = default_tag_column(width, numbered)
    return Layout(separator, width, token, tag, numbered)


def content_lines(lines: Iterable[str]) -> list[str]:
    """Keep the lines that hold words: no blank ones, no remarks where there is anything else."""
    content = [line for line in lines if not is_blank(line) and not line.startswith(DOCUMENT_START)]
    return [line for line in content if not line.startswith("#")] or content


def detect_separator(lines: Sequence[str]) -> Separator:
    """Take TABs for the separator where most lines have one."""
    with_tab = sum("\t" in line for line in lines)
    return "tab" if 2 * with_tab > len(lines) else "blanks"


def usual_width(rows: Sequence[Sequence[str]]) -> int:
    """Count the columns of most lines; where most hold a word alone, of those that hold a tag."""
    width = most_common(map(len, rows))
    if width > 1:
        return width
    tagged = (len(row) for row in rows if len(row) > 1 and is_tag(row[-1]))
    return most_common(tagged) or width


def most_common(lengths: Iterable[int]) -> int:
    """Find the commonest length, of equally common ones the least; 0 of none."""
    counts = Counter(lengths)
    return min(counts, key=lambda length: (-counts[length], length), default=0)


def numbers_words(first_column: Iterable[str]) -> bool:
    """Tell whether a column counts 1, 2, 3… and begins anew with each sentence.

    A slip in a hundred is let pass.
    """
    total = running = 0
    before: int | None = None
    for text in first_column:
        if SPLIT_ID.fullmatch(text):
            continue
        number = int(text) if text.isdecimal() and len(text) < 9 else None
        follows = before is not None and number == before + 1
        running += number in (0, 1) or follows
        total += 1
        before = number
    return running > (1 - SLIPS_LET_PASS) * total


def default_tag_column(width: int, numbered: bool) -> int | None:
    """Expect the tag in the last column, in numbered files in the third."""
    if numbered:
        return 2
    return width - 1 if width > 1 else None


def column_index(name: str, column: Column | None, width: int, path: Path) -> int | None:
    """Count a column of the settings from the front."""
    if column is None:
        return None
    if isinstance(column, str):
        expected = "expected its number, because columns have no names in this format"
        hint = "format csv reads a header"
        raise DataError(f"{path}: {name} is {show(column)}: {expected}; {hint}")
    index = column + width if column < 0 else column
    if width and not 0 <= index < width:
        raise DataError(f"{path}: {name} is {column}, but most lines have {width} columns")
    return index
