"""Any bytes in a file of any format are read as sound documents.

Or refused by a TfnerError that names the file.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from json_mutator import PARTS
from trimmed import trimmed

from tfner.corpus.ledger import REASONS, Ledger
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError, TfnerError
from tfner.formats import read_documents
from tfner.formats.counts import count_documents
from tfner.formats.csv_table import read_unmarked_csv
from tfner.formats.plain import read_line_file, read_whole_files
from tfner.formats.reading import read_unmarked
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer

LONGEST_MESSAGE = 2000  # characters; what is shown of the input is shortened

ENCODINGS = (
    "utf-8",
    "utf-8",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-7",
    "cp1252",
    "utf-32",
    "shift_jis",
    "cp037",
)
NO_ENCODINGS = ("hex", "undefined", "idna", "punycode", "no\0ne", "")
SCHEMES = ("auto", "auto", "IO", "IOB1", "IOB2", "BIOES", "BILOU")
COLUMNS = (None, None, None, 0, 1, -1, 10**30, "tag")
SENTENCES = (None, None, None, 0, "Sentence #", None)


@functools.cache
def folder() -> Path:
    """A folder in memory, where there is one, that this process reads from."""
    memory = Path("/dev/shm")
    return Path(
        tempfile.mkdtemp(
            prefix="tfner-fuzz-",
            dir=memory if memory.is_dir() and "TMPDIR" not in os.environ else None,
        )
    )


@functools.cache
def all_settings() -> tuple[ReadSettings, ...]:
    """256 settings, one for each first byte; the first are the defaults."""
    first = [
        ReadSettings(),
        ReadSettings(strict=True),
        *(ReadSettings(scheme=scheme) for scheme in SCHEMES[2:]),
    ]
    choices = (
        ENCODINGS + NO_ENCODINGS,
        SCHEMES,
        COLUMNS,
        COLUMNS[1:],
        ("auto", "auto", "tab", "blanks", "tab"),
        (False, False, True),
        SENTENCES,
    )
    names = ("encoding", "scheme", "token_column", "tag_column", "separator", "strict")
    names = (*names, "sentence_column")
    drawn = zip(*map(itertools.cycle, choices), strict=False)
    return (
        *first,
        *(
            ReadSettings(**dict(zip(names, values, strict=True)))
            for values in itertools.islice(drawn, 256 - len(first))
        ),
    )


def split_settings(data: bytes) -> tuple[ReadSettings, bytes]:
    """The first byte says how to read, the rest is what is read."""
    return all_settings()[data[0] if data else 0], data[1:]


def put(name: str, content: bytes) -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


def attempt(read: Callable[[], Iterable[Document]], path: Path) -> list[Document] | None:
    """The documents, after a look at each; None where they are refused as they should be."""
    documents = []
    try:
        for document in read():
            check_document(document)
            documents.append(document)
    except TfnerError as error:
        check_message(error, path)
        return None
    return documents


def check_message(error: TfnerError, path: Path) -> None:
    message = str(error)
    assert isinstance(error, (ConfigError, DataError)), repr(error)
    assert message.startswith("encoding: " if isinstance(error, ConfigError) else str(path)), (
        message
    )
    assert len(message) <= LONGEST_MESSAGE + len(str(path)), (
        f"a message of {len(message)} characters: {message[:100]}"
    )


def check(holds: bool, what: object) -> None:
    assert holds, what


def check_document(document: Document) -> None:
    text = document.text
    assert all(
        isinstance(value, str) for value in (text, document.id, document.group, document.slice)
    ), document
    for entity in document.entities:
        assert 0 <= entity.start < entity.end <= len(text), entity
        assert entity.text == text[entity.start : entity.end], entity
        assert entity.label.strip(), entity
        entity.label.encode()
    borders = [0, *(border for word in document.words or () for border in word), len(text)]
    assert borders == sorted(borders), document.words


def check_ledger(ledger: Ledger) -> None:
    for entry in ledger.entries:
        assert entry.reason in REASONS, entry
        assert all(isinstance(part, str) for part in entry), entry


def read(path: Path, settings: ReadSettings, kind: str) -> list[Document] | None:
    ledger = Ledger()
    documents = attempt(
        lambda: read_documents(path, settings.model_copy(update={"format": kind}), ledger), path
    )
    check_ledger(ledger)
    return documents


def columns(data: bytes) -> None:
    """A column file, with its tags and, as for prediction, without: the words are the same."""
    words_are_the_same(data, "a.conll", "columns")


def conllu(data: bytes) -> None:
    """Do the same for CoNLL-U."""
    words_are_the_same(data, "a.conllu", "conllu")


def words_are_the_same(data: bytes, name: str, kind: str) -> None:
    settings, content = split_settings(data)
    path = put(name, content)
    tagged = read(path, settings, kind)
    streamed = attempt(lambda: read_unmarked(path, settings, kind), path)
    if tagged is not None:
        assert streamed is not None, "its words alone were refused"
        assert [document.words for document in streamed] == [document.words for document in tagged]
        comes_back(tagged)
    counts(path, settings, kind)


def csv(data: bytes) -> None:
    """Read a table with its marks and, as for prediction, without: the words are the same."""
    settings, content = split_settings(data)
    path = put("a.csv", content)
    tagged = read(path, settings, "csv")
    streamed = attempt(lambda: read_unmarked_csv(path, settings), path)
    if tagged is not None:
        assert streamed is not None, "its words alone were refused"
        assert [(document.text, document.words) for document in streamed] == [
            (document.text, document.words) for document in tagged
        ]
        comes_back(tagged)
    counts(path, settings, "csv")


def json_lines(data: bytes) -> None:
    """A file of JSON lines.

    What is read can be written and read again, and as an array says the same.
    """
    settings, content = split_settings(data)
    path = put("a.jsonl", content)
    documents = read(path, settings, "jsonl")
    if documents is not None:
        comes_back(documents)
    counts(path, settings, "jsonl")


def json_array(data: bytes) -> None:
    settings, content = split_settings(data)
    documents = read(put("a.json", content), settings, "json")
    if documents is not None:
        comes_back(documents)


def brat(data: bytes) -> None:
    """A text and its annotations; a folder of one such pair says what the pair itself says."""
    settings, content = split_settings(data)
    text, separator, annotations = content.partition(PARTS)
    pair = folder() / "brat"
    pair.mkdir(exist_ok=True)
    path = put("brat/a.txt", text)
    if separator:
        put("brat/a.ann", annotations)
    else:
        (pair / "a.ann").unlink(missing_ok=True)
    together = read(pair, settings, "brat")
    assert together == (read(path, settings, "brat") if together is not None else None)
    if together is not None:
        comes_back(together)


def plain(data: bytes) -> None:
    """Lines and whole files: joined again the lines are the file."""
    settings, content = split_settings(data)
    path = put("a.txt", content)
    lines = attempt(lambda: read_line_file(path, settings), path)
    whole = attempt(lambda: read_whole_files(path, settings), path)
    assert (lines is None) == (whole is None)
    if lines is not None and whole is not None:
        kept = whole[0].text.removeprefix("\ufeff").removesuffix("\n").split("\n")
        assert [line.text for line in lines] == (
            [line.removesuffix("\r") for line in kept] if whole[0].text else []
        )
    counts(path, settings, "lines")


def datasets(data: bytes) -> None:
    """The folder of a saved dataset, one file of which is replaced."""
    settings, content = split_settings(data)
    names = sorted(saved_dataset())
    name = names[content[0] % len(names)] if content else names[0]
    place = folder() / "saved"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for other, original in saved_dataset().items():
        (place / other).write_bytes(content[1:] if other == name else original)
    read(place, settings, "datasets")


def parquet(data: bytes) -> None:
    """Read a Parquet file."""
    table(data, "parquet")


def arrow(data: bytes) -> None:
    """Read an Arrow file or stream."""
    table(data, "arrow")


def table(data: bytes, kind: str) -> None:
    settings, content = split_settings(data)
    documents = read(put(f"a.{kind}", content), settings, kind)
    if documents is not None:
        comes_back(documents)


def docbin(data: bytes) -> None:
    """Read what is packed in a file of spaCy's."""
    settings, content = split_settings(data)
    documents = read(put("a.spacy", zlib.compress(content, 1)), settings, "spacy")
    if documents is not None:
        comes_back(documents)


@functools.cache
def docbin_seeds() -> list[bytes]:
    """Give files of one Doc with entities, of two, and of one with a group of spans, unpacked."""
    import spacy

    blank = spacy.blank("xx")
    doc, other = blank("Ada met\n Bo."), blank("So.")
    doc.ents = [doc.char_span(0, 3, "PER")]
    other.spans["sc"] = [other.char_span(0, 2, "X")]
    packed = [spacy.tokens.DocBin(docs=docs).to_bytes() for docs in ([doc], [doc, other], [other])]
    return [b"\0" + zlib.decompress(content) for content in packed]


@functools.cache
def table_seeds(kind: str) -> list[bytes]:
    """Small tables of tags and of entities, in the ways that a kind of file is written."""
    import pyarrow
    from pyarrow import feather
    from pyarrow import parquet as parquet_files

    tags = {"tokens": [["Ada", "met"], ["Babbage"]], "ner_tags": [["B-PER", "O"], ["B-PER"]]}
    spans = {"text": ["Ada met"], "entities": [[{"start": 0, "end": 3, "label": "PER"}]]}
    found = []
    for columns in (tags, spans):
        rows = pyarrow.table(columns)
        streamed = pyarrow.BufferOutputStream()
        if kind == "parquet":
            parquet_files.write_table(rows, streamed)
        else:
            with pyarrow.ipc.new_stream(streamed, rows.schema) as writer:
                writer.write_table(rows)
        found.append(b"\0" + streamed.getvalue().to_pybytes())
    if kind == "arrow":
        written = pyarrow.BufferOutputStream()
        feather.write_feather(pyarrow.table(tags), written, compression="uncompressed")
        found.append(b"\0" + written.getvalue().to_pybytes())
    return [*found, b"\1" + found[0][1:]]


@functools.cache
def saved_dataset() -> dict[str, bytes]:
    """The files of a saved Hugging Face dataset of two sentences."""
    import datasets

    datasets.disable_progress_bars()
    rows = {"id": ["x", "y"], "tokens": [["Ada", "met"], ["Babbage"]], "ner_tags": [[1, 0], [1]]}
    names, strings = datasets.ClassLabel(names=["O", "B-PER"]), datasets.Value("string")
    features = datasets.Features(
        {"id": strings, "tokens": datasets.Sequence(strings), "ner_tags": datasets.Sequence(names)}
    )
    place = folder() / "original"
    datasets.Dataset.from_dict(rows, features).save_to_disk(str(place))
    return {path.name: path.read_bytes() for path in place.iterdir()}


def counts(path: Path, settings: ReadSettings, kind: str) -> None:
    """Counting beforehand, for progress, never fails where reading does not."""
    try:
        count = count_documents(path, kind, settings.encoding)
    except TfnerError as error:
        check_message(error, path)
    else:
        check(count is None or count >= 0, count)


def comes_back(documents: list[Document]) -> None:
    """Written as JSON lines and read again, each has its text and entities.

    Without words, blanks at the borders of entities are trimmed inside of words too.
    """
    path = folder() / "written.jsonl"
    with open_writer("jsonl", path) as writer:
        for document in documents:
            writer.write(document, raw(document).entities)
    ledger = Ledger()
    found = list(read_documents(path, ReadSettings(strict=True), ledger))
    assert [identity(document) for document in found] == [
        identity(document) for document in documents
    ]
    assert ledger.entries == []


def identity(document: Document) -> tuple[str, list[tuple[int, int, str]]]:
    return document.text, [entity.key for entity in raw(document).entities]


def raw(document: Document) -> Document:
    """A document without its words, and the entities that can be learned from it."""
    return trimmed(replace(document, words=None))


def clean_up() -> None:
    """Remove what this process wrote."""
    shutil.rmtree(folder(), ignore_errors=True)
    folder.cache_clear()
    saved_dataset.cache_clear()


def chunks(data: bytes, count: int) -> Iterator[bytes]:
    """An input as `count` parts, the last of which may hold PARTS."""
    parts = data.split(PARTS, count - 1)
    yield from (*parts, *[b""] * (count - len(parts)))


def dataset_seeds() -> list[bytes]:
    """Each file of the saved dataset as it is, in its place."""
    return [
        bytes([0, number]) + saved_dataset()[name]
        for number, name in enumerate(sorted(saved_dataset()))
    ]
