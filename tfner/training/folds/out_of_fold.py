"""Keep out-of-fold predictions: what a model says of documents that it has not learned from.

`predictions.jsonl` has a line a document. Its keys are those of marked data, so that every command
reads it as such, and besides `number` (from 0, in the order of the data), `fold`, `predicted`
(entities with scores), `units` (spans that get a tag each) and `probabilities` (of each unit, of
each tag of `report.json`'s `tags`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import DataError
from tfner.formats.document_records import document_record
from tfner.formats.jsonl import entity_record, iterate_lines
from tfner.formats.record_documents import RecordReader
from tfner.formats.settings import ReadSettings
from tfner.safeio.printable import LONGEST_DETAIL, one_line
from tfner.safeio.whole_files import written_whole

PREDICTIONS = "predictions.jsonl"
DIGITS = 4  # of a probability
READING = ReadSettings(max_line=1 << 30)


@dataclass(frozen=True)
class OutOfFold:
    """Hold a document with its gold entities, and what the model of its fold says of it.

    Attributes:
        number: of the document, from 0 in the order of the data.
        fold: from 1; its documents were held out when the model was trained.
        predicted: entities with their scores.
        units: what gets one tag each; given words are units.
        probabilities: float [U, K] of the tags; zeros where the model does not see the unit.
    """

    document: Document
    number: int
    fold: int
    predicted: tuple[Entity, ...]
    units: tuple[tuple[int, int], ...]
    probabilities: np.ndarray

    def to_record(self) -> dict[str, Any]:
        """Make the object of JSON that is a line of the file."""
        record = document_record(self.document)
        record["number"] = self.number
        record["fold"] = self.fold
        record["predicted"] = [entity_record(self.document, entity) for entity in self.predicted]
        record["units"] = self.units
        rounded_UK = np.round(self.probabilities.astype(np.float64), DIGITS)
        record["probabilities"] = rounded_UK.tolist()
        return record


def write_predictions(path: Path, predictions: Iterable[OutOfFold]) -> None:
    """Write predictions by the numbers of their documents."""
    ordered = sorted(predictions, key=lambda each: each.number)
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for each in ordered:
            record = each.to_record()
            line = json.dumps(record)
            file.write(f"{line}\n")


def read_predictions(path: Path) -> Iterator[OutOfFold]:
    """Read what `write_predictions` has written.

    Raises:
        DataError: the file is not there, or a line is something else.
    """
    for item in iterate_lines(path, READING):
        documents = RecordReader(lambda item=item: [item], READING, Ledger()).documents()
        try:
            (document,) = documents
            yield parse_prediction(document, item.value)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            expected = "expected an out-of-fold prediction"
            came = one_line(str(error), LONGEST_DETAIL)
            raise DataError(f"{item.where}: {expected}, got {came}") from None


def parse_prediction(document: Document, record: dict[str, Any]) -> OutOfFold:
    """Read what a line says beside its document."""
    predicted = [Entity(**values) for values in record["predicted"]]
    units = [(int(start), int(end)) for start, end in record["units"]]
    probabilities = np.asarray(record["probabilities"], np.float32)
    number = int(record["number"])
    fold = int(record["fold"])
    return OutOfFold(document, number, fold, tuple(predicted), tuple(units), probabilities)
