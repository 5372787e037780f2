"""Write documents as one page of HTML for people to read, their entities in colour; read it back.

The page needs nothing from outside and runs no script. It is written document by document; what
the colours mean is known at the end, is written there and shown at the top. What it shows is made
fit to be seen, so each document's record, as JSON Lines have it, stands beside it unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from html import unescape
from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import DataError
from tfner.formats.jsonl import entity_record
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.registry import Format, register
from tfner.formats.resume import IsLast, WrittenFile
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import stream_lines
from tfner.formats.writers import FramedWriter, Target
from tfner.html_marks import Colours, legend, mark_text, nest
from tfner.safeio.json_text import parse_json
from tfner.safeio.pages import make_environment
from tfner.safeio.printable import printable

FOOT = '<aside id="legend">'
ARTICLE = re.compile(r'<article data-record="([^"]*)">')
TYPE = re.compile(r"<small><bdi> (.*?)</bdi></small></mark>")
MARKUP = re.compile(r"<small>.*?</small>|<[^>]*>")


def read_page(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read the documents that a page shows, as they were before they were made fit to be seen.

    Raises:
        DataError: the file is no page of `predict`, or a record in it is damaged.
    """
    return RecordReader(partial(iterate_records, path, settings), settings, ledger).documents()


def iterate_records(path: Path, settings: ReadSettings) -> Iterator[Item]:
    """Find the records in the lines of a page."""
    number = 0
    is_page = False
    for number, line in enumerate(stream_lines(path, settings.encoding, settings.max_line), 1):
        is_page = is_page or line.startswith(FOOT)
        if article := ARTICLE.match(line):
            is_page = True
            record = unescape(article[1])
            value = parse_json(record, path, line=number)
            yield Item(value, f"{path}:{number}", f"{path.name}:{number}")
    if number and not is_page:
        raise DataError(f"{path}: expected a page that predict --format html wrote")


class HtmlWriter(FramedWriter):
    """Write a page; an entity that crosses another one is left out and counted."""

    def __init__(self, target: Target, *, resume: bool = False):
        super().__init__(target, resume=resume)
        self._colours = Colours()

    def head(self) -> str:
        return page_head()

    def foot(self) -> str:
        shown = legend(self._colours)
        return f"{FOOT}{shown}</aside>\n</main>\n</body>\n</html>\n"

    def recall(self, path: Path) -> None:
        """Find the types in the page of an earlier run, so that they keep their colours."""
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                for label in TYPE.findall(line):
                    self._colours.of(unescape(label))

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        self.begin()  # before a type gets a colour that an earlier run gave to another
        kept, crossing = nest(entities)
        for entity in crossing:
            detail = f"{entity.label} {entity.start}-{entity.end}"
            self.ledger.record("overlapping", document.id, detail)
        marked = mark_text(document.text, kept, self._colours)
        found = [entity_record(document, entity) for entity in entities]
        record = json.dumps({"id": document.id, "text": document.text, "entities": found})
        article = page_template().module.article  # pyright: ignore[reportAttributeAccessIssue]
        self.write_block(article(document.id, marked, record))


@cache
def page_template():
    """Compile the page."""
    folder = Path(__file__).parent
    return make_environment(folder).get_template("html_page.html")


@cache
def page_head() -> str:
    """Write what stands before the documents."""
    return str(page_template().module.head())


def as_many_lines(document: Document) -> IsLast:
    """End a record with as many lines as the document and its id have."""
    content = printable(document.id) + printable(document.text)
    count = content.count("\n") + 1
    return lambda number, line: number == count


def is_page_of(record: bytes, document: Document) -> bool:
    """Tell whether an article shows the document's id and text."""
    shown = unescape(MARKUP.sub("", record.decode("utf-8", "replace")))
    return shown == f"{printable(document.id)}{printable(document.text)}\n"


def resume_page(path: Path) -> WrittenFile:
    """Find the documents in the page of an earlier run."""
    head = page_head().encode()
    foot = FOOT.encode()
    return WrittenFile(path, as_many_lines, is_page_of, head, foot)


register(
    Format(
        name="html",
        suffixes=(".html",),
        read=read_page,
        open_writer=HtmlWriter,
        resume=resume_page,
        framed=True,
    )
)
