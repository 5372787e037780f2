"""Load the model of a worker process, and mark documents with it."""

from __future__ import annotations

import io
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from tfner.documents import Document, Entity
from tfner.entity_list import Entities
from tfner.exceptions import ConfigError, ModelError
from tfner.formats.jsonl import JsonlWriter
from tfner.formats.registry import all_formats, register
from tfner.formats.writers import PredictionWriter, open_writer
from tfner.serving.beam.entries import Entry, refused_line
from tfner.serving.beam.sources import is_remote
from tfner.serving.export.version_numbers import version_number
from tfner.serving.runtime.bulk import count_words
from tfner.serving.runtime.one_version import resolve_version
from tfner.serving.runtime.recognizer import DOCUMENTS_IN_BLOCK, Recognizer
from tfner.serving.runtime.record_batches import MarkedRecord, mark_batches

BLOCKS_IN_FILE = 16  # at most 16,384 documents in a file of the output


class Marked(NamedTuple):
    """Hold a block as it is written: predictions and refusals in UTF-8, and its tally."""

    number: int
    predictions: bytes
    refused: bytes
    tally: dict[str, int]


def resolve_model(model: str) -> str:
    """Find the one version that all workers are to load, however many are exported meanwhile.

    Raises:
        ModelError: there is no export of tfner's.
    """
    if is_remote(model):
        return resolve_remote(model.rstrip("/"))
    version = resolve_version(Path(model))
    return str(version)


def resolve_remote(model: str) -> str:
    """Find the newest version where Beam can read."""
    patterns = [f"{model}/saved_model.pb", f"{model}/*/saved_model.pb"]
    try:
        here, below = FileSystems.match(patterns)
    except BeamIOError as error:
        raise ModelError(f"{model}: cannot be listed: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{model}: {error}") from None
    if here.metadata_list:
        return model
    versions = [file.path.split("/")[-2] for file in below.metadata_list]
    numbers: dict[int, str] = {}
    for version in versions:
        number = version_number(version)
        if number is not None:
            numbers[number] = version
    if not numbers:
        expected = "expected a SavedModel or numbered versions of one"
        raise ModelError(f"{model}: {expected}, found neither")
    newest = numbers[max(numbers)]
    return f"{model}/{newest}"


def open_model(model: str) -> Recognizer:
    """Load a version, over a copy on the local disk if it lies elsewhere."""
    from tfner.serving.runtime.saved_model import load_recognizer

    if not is_remote(model):
        return load_recognizer(model)
    folder = tempfile.mkdtemp(prefix="tfner-model-")
    copy_folder(model, Path(folder))
    recognizer = load_recognizer(folder)
    weakref.finalize(recognizer, shutil.rmtree, folder, ignore_errors=True)
    return recognizer


def copy_folder(source: str, target: Path) -> None:
    """Copy what lies where Beam can read."""
    (found,) = FileSystems.match([f"{source}/**"])
    for file in found.metadata_list:
        path = target / file.path.removeprefix(f"{source}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileSystems.open(file.path) as content, path.open("wb") as copy:
            shutil.copyfileobj(content, copy)


class KnowsFormats(beam.DoFn):
    """Know in a worker the formats that are registered where the pipeline is built."""

    def __init__(self) -> None:
        self._formats = all_formats()

    def setup(self) -> None:
        for format in self._formats:
            register(format)


class WithModel(KnowsFormats):
    """Have a model, which is loaded once in a process and shared by its threads."""

    def __init__(self, model: str):
        super().__init__()
        self._model = model
        self._shared = Shared()
        self._recognizer: Recognizer | None = None

    def setup(self) -> None:
        super().setup()
        self._recognizer = self._shared.acquire(partial(open_model, self._model))

    def recognizer(self) -> Recognizer:
        if self._recognizer is None:
            raise RuntimeError("setup comes first")
        return self._recognizer


class MarkBlocks(WithModel):
    """Mark a block, as ((group of files, file of the output), Marked)."""

    def __init__(self, model: str, format: str, *, position: bool):
        super().__init__(model)
        self._format = format
        self._position = position
        self._marked = Metrics.counter("tfner", "documents_marked")

    def process(self, block: Any) -> Iterator[Any]:
        marked = chain.from_iterable(mark_batches(self.recognizer(), [block.entries]))
        predictions, found = self._write(marked)
        refusals = [entry for entry in block.entries if entry.document is None]
        refused = "".join(map(refused_line, refusals)).encode()
        key = block.group, block.number // BLOCKS_IN_FILE
        yield key, Marked(block.number, predictions, refused, block.tally | found)

    def _write(self, block: Iterable[MarkedRecord[Entry]]) -> tuple[bytes, dict[str, int]]:
        tally = Counter(marked=0, words=0, entities=0)
        with Lines(self._format, position=self._position) as lines:
            for entry, entities in block:
                if entry.document is None or entities is None:
                    continue
                lines.write(entry, entities)
                tally["marked"] += 1
                tally["words"] += count_words(entry.document)
                tally["entities"] += len(entities)
            for reason, count in lines.writer.ledger.counts.items():
                tally[f"not written: {reason}"] = count
            self._marked.inc(tally["marked"])
            return lines.content(), dict(tally)


class Lines:
    """Write documents in an output format, in memory; a context manager."""

    def __init__(self, format: str, *, position: bool):
        self._stream = io.StringIO()
        self._position = position
        self.writer: PredictionWriter = open_writer(format, self._stream)

    def write(self, entry: Entry, entities: list[Entity]) -> None:
        document = entry.document
        if document is None:
            raise ValueError(f"{entry.path}:{entry.line} holds no document")
        if self._position and isinstance(self.writer, JsonlWriter):
            position = {"file": entry.path, "line": entry.line or None}
            record = self.writer.to_record(document, entities)
            self.writer.write_record({**position, **record, **position})
        else:
            self.writer.write(document, entities)

    def content(self) -> bytes:
        """Finish, and give what was written in UTF-8."""
        self.writer.close()
        unencodable = getattr(self.writer, "unencodable", "replace")
        return self._stream.getvalue().encode("utf-8", unencodable)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.close()


class MarkEntities(beam.PTransform):
    """Turn `(key, text or Document)` into `(key, list of Entity)`, in a pipeline of your own.

    Take any key that tells you where the result belongs. Documents are put together within a
    bundle, and sorted by length before the model is asked; each is read by itself, because a
    collection has no order in which sentences could follow each other. `model` is an exported
    folder, or a version of it, that every worker can read.
    """

    def __init__(self, model: str):
        super().__init__()
        self._version = resolve_model(model)

    def expand(self, keyed: Any) -> Any:
        batching = beam.BatchElements(min_batch_size=16, max_batch_size=DOCUMENTS_IN_BLOCK)
        marking = beam.ParDo(MarkKeyed(self._version))
        return keyed | "batch" >> batching | "mark" >> marking


class Keyed(NamedTuple):
    """Hold a document of a collection with its key."""

    key: Any
    document: Document

    @property
    def text(self) -> str:
        return self.document.text


def keyed_document(key: Any, item: str | Document) -> Keyed:
    """Make a text or document one that is read by itself."""
    document = item if isinstance(item, Document) else Document(item)
    return Keyed(key, replace(document, group=""))


class MarkKeyed(WithModel):
    """Turn [(key, text or Document)] into (key, entities) of each."""

    def process(self, batch: Any) -> Iterable[Any]:
        keyed = [keyed_document(key, item) for key, item in batch]
        for block in mark_batches(self.recognizer(), [keyed]):
            for record, entities in block:
                yield record.key, Entities(entities or (), record.text)
