"""What was written is read again, or gone on with, in whatever state it is.

Outputs of annotation tools' formats are read or refused as data. With `--resume` the output of an
interrupted prediction is completed, or refused by an error that names it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from reader_targets import check, comes_back, folder, put, read, split_settings

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.exceptions import ConfigError, DataError
from tfner.formats.resume import open_earlier, resumable
from tfner.formats.scored_columns import read_scored
from tfner.formats.writers import open_writer
from tfner.training.folds.out_of_fold import read_predictions

READ_AS = {"doccano": "a.jsonl", "prodigy": "a.jsonl", "label-studio": "a.json"}


def files() -> list[str]:
    """List the formats of one file that an interrupted prediction goes on in."""
    return sorted(resumable().keys() - {"brat"})


@functools.cache
def documents() -> tuple[Document, ...]:
    words = ["Ada", "Lovelace", "met", "New", "York", "."]
    marked = [(0, 2, "PER"), (3, 5, "LOC")]
    first = Document.from_words(words, marked, id="first")
    text = "Só met\nBo é."
    second = Document(text, (entity_at(text, 7, 9, "PER"),), id="second")
    return first, second, replace(first, id="third")


@functools.cache
def written(kind: str, own: tuple[Document, ...] | None = None) -> bytes:
    """All documents as an output of a format."""
    path = folder() / f"whole.{kind}"
    write(path, kind, own or documents())
    return path.read_bytes()


def write(path, kind: str, own: Sequence[Document], *, resume: bool = False) -> None:
    earlier = open_earlier(str(path), kind) if resume else None
    with open_writer(kind, path, resume=resume) as writer:
        for document in own:
            if earlier and earlier.holds(document):
                writer.skip(document)
            else:
                writer.write(document, document.entities)
        if earlier:
            earlier.finish()


def exported(data: bytes) -> None:
    """Read which format the first byte says, then how it is read, then the output."""
    kind = sorted(READ_AS)[(data[0] if data else 0) % len(READ_AS)]
    settings, content = split_settings(data[1:])
    found = read(put(READ_AS[kind], content), settings, kind)
    if found is not None:
        comes_back(found)


def resumed(data: bytes) -> None:
    """Read which format the first byte says, then what an interrupted prediction left."""
    kinds = files()
    kind = kinds[(data[0] if data else 0) % len(kinds)]
    path = put("left", data[1:])
    was_cut = written(kind).startswith(data[1:])
    try:
        write(path, kind, documents(), resume=True)
    except (ConfigError, DataError) as error:
        check(not was_cut, error)
        check(str(path) in str(error), error)
        return
    check(not was_cut or path.read_bytes() == written(kind), path.read_bytes())


def scored(data: bytes) -> None:
    """Token, gold and predicted tag, as `compare` reads them."""
    settings, content = split_settings(data)
    path = put("scored.txt", content)
    try:
        list(read_scored(path, settings, Ledger()))
    except (ConfigError, DataError) as error:
        check(str(path) in str(error) or str(error).startswith("encoding: "), error)
        check(len(str(error)) < 2000, error)


def folds(data: bytes) -> None:
    """Predictions of a cross-validation."""
    path = put("predictions.jsonl", data)
    try:
        list(read_predictions(path))
    except DataError as error:
        check(str(path) in str(error), error)
        check(len(str(error)) < 2000, error)


FOLDS_LINE = (
    b'{"id": "a", "text": "Ada met", "entities": [{"start": 0, "end": 3, "label": "PER"}], '
    b'"number": 0, "fold": 1, "predicted": [{"start": 0, "end": 3, "label": "PER"}], '
    b'"units": [[0, 3], [4, 7]], '
    b'"probabilities": [[0.5, 0.5], [0.9, 0.1]]}\n'
)


@functools.cache
def exported_seeds() -> list[bytes]:
    return [
        bytes([number, strict]) + written(kind)
        for number, kind in enumerate(sorted(READ_AS))
        for strict in (0, 1)
    ]


@functools.cache
def resumed_seeds() -> list[bytes]:
    seeds = []
    for number, kind in enumerate(files()):
        whole = written(kind)
        seeds += [bytes([number]) + left for left in (whole, whole[: len(whole) // 2], b"")]
    return seeds


@functools.cache
def scored_seeds() -> list[bytes]:
    own = b"Ada B-PER B-PER\nmet O O\n\nOslo O B-LOC\n"
    return [bytes([0]) + own, bytes([1]) + own, b"\0" + own.replace(b" ", b"\t")]


def folds_seeds() -> list[bytes]:
    return [FOLDS_LINE, FOLDS_LINE * 3, b""]
