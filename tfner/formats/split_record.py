"""Keep a record of which documents went where, so that the same splits are found again.

It is `splits.json` in the folder of a run, a search or a cross-validation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.settings import ReadSettings
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.safeio.sources import SPLITS, Source
from tfner.safeio.validation import validate
from tfner.safeio.whole_files import write_text_whole

WITHOUT = "without-"  # before the name of a split: all documents but its own


@dataclass(frozen=True)
class SplitRecord:
    """Say which documents of a source are of which split.

    Attributes:
        source, reading: what was divided, and how it is read.
        seed: of the division.
        asked: share of each split, a fraction.
        texts: a hash of the texts, in their order; `content` is one of ids, words and marks too.
        splits: of each split the numbers of its documents, from 0 in the order of the source.
        path: where it was read from.
    """

    source: Source
    reading: ReadSettings
    seed: int
    asked: Mapping[str, float]
    texts: str
    content: str
    splits: Mapping[str, Sequence[int]]
    path: Path = Path(SPLITS)

    @classmethod
    def read(cls, folder: Path) -> SplitRecord:
        """Read the record of a folder.

        Raises:
            DataError: there is none, or it is damaged.
            ConfigError: it names a setting of reading that there is not.
        """
        path = folder / SPLITS
        if not path.is_file():
            expected = "expected a run whose splits are shares of its training data, such as 10%"
            raise DataError(f"{path}: no such file; {expected}. Others are files: name the file")
        values = read_json_object(path)
        try:
            sources = tuple(map(str, values["source"]))
            splits = {str(name): read_numbers(rows) for name, rows in values["splits"].items()}
            asked = {str(name): float(share) for name, share in values["asked"].items()}
            reading = dict(values["reading"])
            seed = int(values["seed"])
            texts = str(values["texts"])
            content = str(values["content"])
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            expected = "expected the record of splits that a run writes"
            raise DataError(f"{path}: {expected}, got {show(str(error))}") from None
        source = sources[0] if len(sources) == 1 else sources
        where = str(path)
        settings = validate(reading, ReadSettings, where)
        return cls(source, settings, seed, asked, texts, content, splits, path)

    def write(self, folder: Path, documents: Sequence[Document]) -> None:
        """Write the record, with number and id of each document."""
        sources = [self.source] if isinstance(self.source, str) else list(self.source)
        values: dict[str, Any] = {"source": sources, "seed": self.seed, "asked": dict(self.asked)}
        reading = self.reading
        values["reading"] = reading.model_dump(mode="json")
        values["texts"] = self.texts
        values["content"] = self.content
        values["documents"] = len(documents)
        values["splits"] = {
            split: [[number, documents[number].id] for number in numbers]
            for split, numbers in self.splits.items()
        }
        write_text_whole(folder / SPLITS, json.dumps(values) + "\n")

    def numbers(self, split: str) -> list[int]:
        """List the documents of a split, or of all others where its name begins with `without-`.

        Raises:
            DataError: there is no such split.
        """
        left_out = split.removeprefix(WITHOUT)
        if left_out not in self.splits:
            known = ", ".join(self.splits)
            raise DataError(f"{self.path}: expected one of the splits {known}, got {show(split)}")
        if split == left_out:
            own = self.splits[split]
            return list(own)
        others = [numbers for name, numbers in self.splits.items() if name != left_out]
        return sorted(number for numbers in others for number in numbers)

    def check_texts(self, documents: Sequence[Document]) -> None:
        """Check that these are the documents that were divided; their marks may be others.

        Raises:
            DataError: their texts are others, or come in another order.
        """
        numbers = [number for numbers in self.splits.values() for number in numbers]
        are_numbered = sorted(numbers) == list(range(len(documents)))
        if not are_numbered or hash_texts(documents) != self.texts:
            came = f"{len(documents):,} documents, not these"
            expected = f"expected the {len(numbers):,} documents that were divided"
            raise DataError(f"{self.path}: {expected}, got {came}: the data have changed since")


def read_numbers(rows: Iterable[Any]) -> list[int]:
    """Read the numbers of a split; each stands beside its document's id.

    Raises:
        ValueError: there is something else.
    """
    numbers = []
    for row in rows:
        number = row[0]
        if type(number) is not int or number < 0:
            raise ValueError(f"the number {number!r}")
        numbers.append(number)
    return numbers


def hash_texts(documents: Iterable[Document]) -> str:
    """Hash the texts of documents in their order."""
    digest = hashlib.sha256()
    for document in documents:
        text = json.dumps(document.text)
        line = text + "\n"
        digest.update(line.encode())
    return digest.hexdigest()


def hash_documents(documents: Iterable[Document]) -> str:
    """Hash documents with their ids, words and marks, in their order."""
    digest = hashlib.sha256()
    for document in documents:
        entities = [(entity.start, entity.end, entity.label) for entity in document.entities]
        line = json.dumps([document.id, document.text, document.words, entities]) + "\n"
        digest.update(line.encode())
    return digest.hexdigest()
