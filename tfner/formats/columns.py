"""Read and write column files (CoNLL, IOB, TSV): a word and its tag a line.

A blank line ends a sentence. Separator, columns and tag scheme are found out from each file, see
`column_layout`. A file with tags is held in memory. Its tags may hold slips, such as `B_PER` for
`B-PER`: as long as they are at most one in a hundred they are read and counted, beyond that they
mean that the column is not the tags', which is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import DataError
from tfner.formats import column_layout
from tfner.formats.alignment import align_words
from tfner.formats.column_choices import warn_of_choices
from tfner.formats.column_layout import Layout, detect_layout
from tfner.formats.counts import count_blocks
from tfner.formats.registry import Format, register
from tfner.formats.resume import WrittenFile, up_to_blank_line
from tfner.formats.settings import Column, ReadSettings
from tfner.formats.text_files import read_lines, stream_lines
from tfner.formats.writers import OPEN_BOX, StreamWriter
from tfner.safeio.printable import LONGEST_DETAIL, one_line, show
from tfner.tagging.schemes import Scheme, Span, detect_scheme, is_tag, read_spans
from tfner.tagging.word_tags import tags_on_words, with_words

LAYOUT_LINES = 10_000  # of a streamed file, from which its layout is found out
CELL_ENDS = re.compile(r"[\t\r\n]")


@dataclass
class Sentence:
    """Hold what stands between two blank lines; `tags` has None where a line has no tag."""

    path: Path
    group: str = ""
    id: str = ""
    text: str | None = None
    words: list[str] = field(default_factory=list)
    tags: list[str | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def where(self, index: int) -> str:
        """Name the file and the line of a word."""
        return f"{self.path}:{self.lines[index]}"


def read_columns(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one document a sentence, its id the `# sent_id` or `file:line` of its first word.

    Raises:
        DataError: a line without its token, a tag that is none, an undecodable byte; under strict
            also whatever else would be counted: an untagged line, a slip, an illegal sequence.
    """
    lines = read_lines(path, settings.encoding, settings.max_line)
    layout = detect_layout(lines, path, settings)
    warn_of_choices(lines, layout, path, settings, marked=True)
    sentences = list(parse_sentences(lines, layout, path))
    if layout.tag is None:
        return (to_document(sentence, []) for sentence in sentences)
    return mark_sentences(sentences, layout.tag, settings, ledger)


def mark_sentences(
    sentences: Sequence[Sentence], column: Column, settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Make documents of sentences with tags; `column` is that of the tags, for messages."""
    tags = complete_tags(sentences, column, settings.strict, ledger)
    scheme = detect_scheme(tags) if settings.scheme == "auto" else settings.scheme

    def mark(sentence: Sentence, own_tags: Sequence[str]) -> Document:
        spans = spans_of(sentence, own_tags, scheme, settings.strict, ledger)
        return to_document(sentence, spans)

    return map(mark, sentences, tags)


def stream_words(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read the words alone of a file of any size, for prediction; its first lines give the layout.

    Raises:
        DataError: a line without its token, an undecodable byte.
    """
    lines = partial(stream_lines, path, settings.encoding, settings.max_line)
    first = first_filled(lines())
    layout = detect_layout(first, path, settings)
    warn_of_choices(first, layout, path, settings, marked=False)
    for sentence in parse_sentences(lines(), layout, path):
        yield to_document(sentence, [])


def first_filled(lines: Iterable[str]) -> list[str]:
    """Take the first lines that are not blank, from which a layout is found out.

    >>> first_filled(["", "Mara B-PER", "", "left O"])
    ['Mara B-PER', 'left O']
    """
    filled = (line for line in lines if not column_layout.is_blank(line))
    return list(islice(filled, LAYOUT_LINES))


def parse_sentences(lines: Iterable[str], layout: Layout, path: Path) -> Iterator[Sentence]:
    """Cut the lines into sentences; ones without a word are left out."""
    sentence = Sentence(path)
    for number, line in enumerate(lines, start=1):
        starts_document = line.startswith(column_layout.DOCUMENT_START)
        if starts_document or column_layout.is_blank(line):
            if sentence.words:
                yield sentence
            group = f"{path.name}:{number}" if starts_document else sentence.group
            sentence = Sentence(path, group)
        elif layout.is_comment(line):
            read_comment(line, f"{path.name}:{number}", sentence)
        else:
            read_word(line, number, layout, sentence)
    if sentence.words:
        yield sentence


def read_comment(line: str, where: str, sentence: Sentence) -> None:
    """Take from `# text`, `# sent_id` and `# newdoc id` what belongs to the next sentence."""
    match = column_layout.NAMED_COMMENT.fullmatch(line)
    if match is None or sentence.words:
        return
    value = match["value"] or ""
    if match["key"] == "text":
        sentence.text = value
    elif match["key"] == "sent_id":
        sentence.id = value.strip()
    elif match["key"].startswith("newdoc"):
        sentence.group = value.strip() or where


def read_word(line: str, number: int, layout: Layout, sentence: Sentence) -> None:
    """Add the word of a line to its sentence."""
    columns = layout.split(line)
    if layout.skips(columns):
        return
    token_and_tag = layout.pick(columns)
    if token_and_tag is None:
        expected = f"a token in column {layout.token}"
        got = f"{len(columns)} columns: {show(line)}"
        raise DataError(f"{sentence.path}:{number}: expected {expected}, got {got}")
    token, tag = token_and_tag
    sentence.words.append(token)
    sentence.tags.append(tag or None)
    sentence.lines.append(number)


def complete_tags(
    sentences: Sequence[Sentence], column: Column, strict: bool, ledger: Ledger
) -> list[list[str]]:
    """Put O where a sentence has no tag and mend slips; both are entered in the ledger."""
    given = [tag for sentence in sentences for tag in sentence.tags if tag is not None]
    let_pass = 0 if strict else column_layout.SLIPS_LET_PASS * len(given)
    too_many_slips = sum(not is_tag(tag) for tag in given) > let_pass
    expected = f"expected O or a tag such as B-PER in column {column}"

    def complete(sentence: Sentence, index: int) -> str:
        tag, word = sentence.tags[index], sentence.words[index]
        if tag is not None and is_tag(tag):
            return tag
        where = sentence.where(index)
        if tag is None and strict:
            raise DataError(f"{where}: {expected}, got none for {show(word)}")
        if tag is None:
            ledger.record("untagged", where, word)
            return "O"
        if too_many_slips:
            hint = "set tag_column if the tags stand in another"
            raise DataError(f"{where}: {expected}, got {show(tag)}; {hint}")
        return mend_slip(tag, where, word, ledger)

    completed = []
    for sentence in sentences:
        completed.append([complete(sentence, index) for index in range(len(sentence.words))])
    return completed


def mend_slip(tag: str, where: str, word: str, ledger: Ledger) -> str:
    """Read `B_PER` as `B-PER`; what is no tag at all leaves the word untagged."""
    match = column_layout.OTHER_HYPHEN.fullmatch(tag)
    if match:
        mended = f"{match[1]}-{match[2]}"
        ledger.record("repaired", where, f"{tag} read as {mended}")
        return mended
    ledger.record("untagged", where, f"{word}: {show(tag)} is no tag")
    return "O"


def spans_of(
    sentence: Sentence, tags: Sequence[str], scheme: Scheme, strict: bool, ledger: Ledger
) -> list[Span]:
    """Read the spans of a sentence's tags, with an entry for each illegal one."""
    spans, repairs = read_spans(tags, scheme)
    for position, detail in repairs:
        where = sentence.where(position)
        if strict:
            came = one_line(detail, LONGEST_DETAIL)
            raise DataError(f"{where}: expected legal {scheme} tags, got {came}")
        ledger.record("repaired", where, detail)
    return spans


def to_document(sentence: Sentence, spans: Iterable[Span]) -> Document:
    """Join a sentence's words, or find them in its `# text`."""
    id = sentence.id or f"{sentence.path.name}:{sentence.lines[0]}"
    words, text, group = sentence.words, sentence.text, sentence.group
    word_spans = None if text is None else align_words(text, words)
    if text is None or word_spans is None:
        return Document.from_words(words, spans, id=id, group=group)
    return Document.from_word_spans(text, word_spans, spans, id=id, group=group)


class ColumnsWriter(StreamWriter):
    """Write `token TAB tag` in IOB2, a blank line after each document.

    Tokens are the given words, of raw text the runs between white space, cut at the borders of
    entities. They stay as they are, empty ones and ones with blanks too, but for TABs and line
    ends, which become ␣ (U+2423).
    """

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        worded = with_words(document, entities)
        tags = tags_on_words(worded, entities, self.ledger)
        rows = zip(worded.word_texts(), tags, strict=True)
        lines = [f"{as_cell(token)}\t{as_cell(tag)}\n" for token, tag in rows]
        self._stream.write("".join(lines) + "\n")


def as_cell(text: str) -> str:
    """Replace what would part a column or a line."""
    return CELL_ENDS.sub(OPEN_BOX, text)


def is_columns_of(record: bytes, document: Document) -> bool:
    """Tell whether the tokens have the document's characters.

    Where the tokens of raw text are parted depends on the entities.
    """
    tokens = b"".join(line.split(b"\t")[0] for line in record.split(b"\n"))
    if document.words is None:
        expected = re.sub(r"\s", "", document.text)
    else:
        expected = "".join(document.word_texts())
    return tokens == as_cell(expected).encode("utf-8", "replace")


register(
    Format(
        name="columns",
        suffixes=(".conll", ".iob", ".iob2", ".bio", ".tsv"),
        read=read_columns,
        read_unmarked=stream_words,
        count=count_blocks,
        open_writer=ColumnsWriter,
        resume=partial(WrittenFile, ends=up_to_blank_line, belongs=is_columns_of),
    )
)
