"""The model of a worker process, and what marks documents with it."""

from __future__ import annotations

import io
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError, ModelError
from tfner.formats.writers import JsonlWriter, PredictionWriter, open_writer, prediction_record
from tfner.serving.beam.entries import Block, Entry, refused_line
from tfner.serving.beam.sources import is_remote
from tfner.serving.runtime.bulk import count_words
from tfner.serving.runtime.recognizer import DOCUMENTS_IN_BLOCK, Recognizer
from tfner.tagging.word_tags import with_words

BLOCKS_IN_PART = 16  # at most 16,384 documents in a file of the output
FORMATS = ("jsonl", "columns", "text")


class Marked(NamedTuple):
    """A block as it is written: lines of predictions and of refusals in UTF-8, and its tally with what was found."""

    number: int
    predictions: bytes
    refused: bytes
    tally: dict[str, int]


def resolve_model(model: str) -> str:
    """The folder of the one version that all workers are to load, however many are exported meanwhile.

    Raises:
        ModelError: there is no export of tfner's.
    """
    if is_remote(model):
        return resolve_remote(model.rstrip("/"))
    from tfner.serving.runtime.saved_model import find_version, read_card

    path = Path(model)
    if (path / "config.yaml").is_file():
        raise ModelError(
            f"{path}: expected an exported model, got the folder of a run: export it with python -m tfner.export {path}"
        )
    version = find_version(path).absolute()
    read_card(version)
    return str(version)


def resolve_remote(model: str) -> str:
    try:
        here, below = FileSystems.match([f"{model}/saved_model.pb", f"{model}/*/saved_model.pb"])
    except BeamIOError as error:
        raise ModelError(f"{model}: cannot be listed: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{model}: {error}") from None
    if here.metadata_list:
        return model
    versions = [file.path.split("/")[-2] for file in below.metadata_list]
    numbers = [version for version in versions if version.isdecimal()]
    if not numbers:
        raise ModelError(
            f"{model}: expected a SavedModel or numbered versions of one, found neither"
        )
    return f"{model}/{max(numbers, key=int)}"


def open_model(model: str) -> Recognizer:
    """Load a version, over a copy on the local disk if it lies elsewhere; imports TensorFlow."""
    from tfner.serving.runtime.saved_model import load_recognizer

    if not is_remote(model):
        return load_recognizer(model)
    folder = tempfile.mkdtemp(prefix="tfner-model-")
    copy_folder(model, Path(folder))
    recognizer = load_recognizer(folder)
    weakref.finalize(recognizer, shutil.rmtree, folder, ignore_errors=True)
    return recognizer


def copy_folder(source: str, target: Path) -> None:
    (found,) = FileSystems.match([f"{source}/**"])
    for file in found.metadata_list:
        path = target / file.path.removeprefix(f"{source}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileSystems.open(file.path) as content, path.open("wb") as copy:
            shutil.copyfileobj(content, copy)


class WithModel(beam.DoFn):
    """Has a model, which is loaded once in a process and shared by its threads."""

    def __init__(self, model: str):
        self._model = model
        self._shared = Shared()
        self._recognizer: Recognizer | None = None

    def setup(self) -> None:
        self._recognizer = self._shared.acquire(partial(open_model, self._model))

    def recognizer(self) -> Recognizer:
        if self._recognizer is None:
            raise RuntimeError("setup comes first")
        return self._recognizer


class MarkBlocks(WithModel):
    """Block → ((chunk, part), Marked)."""

    def __init__(self, model: str, format: str, *, place: bool):
        super().__init__(model)
        self._format = format
        self._place = place
        self._marked = Metrics.counter("tfner", "documents_marked")

    def process(self, block: Any) -> Iterator[Any]:
        predictions, found = self._mark(block)
        refused = "".join(refused_line(entry) for entry in block.entries if entry.document is None)
        yield (
            (block.chunk, block.number // BLOCKS_IN_PART),
            Marked(block.number, predictions, refused.encode(), block.tally | found),
        )

    def _mark(self, block: Block) -> tuple[bytes, dict[str, int]]:
        entries = [entry for entry in block.entries if entry.document is not None]
        documents = [entry.document for entry in entries if entry.document is not None]
        found = dict(pair for portion in self.recognizer().recognize_block(documents) for pair in portion)
        self._marked.inc(len(documents))
        with Lines(self._format, place=self._place) as lines:
            for place, entry in enumerate(entries):
                lines.write(entry, found[place])
            tally = {
                "marked": len(documents),
                "words": sum(map(count_words, documents)),
                "entities": sum(map(len, found.values())),
                **{
                    f"not written: {reason}": count
                    for reason, count in lines.writer.ledger.counts.items()
                },
            }
            return lines.content(), tally


class Lines:
    """Documents in an output format, in memory; a context manager."""

    def __init__(self, format: str, *, place: bool):
        self._stream = io.StringIO()
        self._columns = format == "columns"
        self._place = place
        self.writer: PredictionWriter = open_writer(format, self._stream)

    def write(self, entry: Entry, entities: list[Entity]) -> None:
        document = entry.document
        if document is None:
            raise ValueError(f"{entry.path}:{entry.line} holds no document")
        if self._place and isinstance(self.writer, JsonlWriter):
            self.writer.write_record(
                {
                    "file": entry.path,
                    "line": entry.line or None,
                    **prediction_record(document, entities),
                }
            )
        else:
            self.writer.write(
                with_words(document, entities) if self._columns else document, entities
            )

    def content(self) -> bytes:
        self.writer.close()
        return self._stream.getvalue().encode(
            "utf-8", getattr(self.writer, "unencodable", "replace")
        )

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.close()


class MarkEntities(beam.PTransform):
    """`(key, text or Document)` → `(key, list of Entity)`, for a pipeline of your own: any key that tells you where the result belongs.

    Documents are put together within a bundle, and sorted by length before the model is asked. `model` is an exported folder, or a version
    of it, that every worker can read.
    """

    def __init__(self, model: str):
        super().__init__()
        self._version = resolve_model(model)

    def expand(self, keyed: Any) -> Any:
        batches = keyed | "batch" >> beam.BatchElements(
            min_batch_size=16, max_batch_size=DOCUMENTS_IN_BLOCK
        )
        return batches | "mark" >> beam.ParDo(MarkKeyed(self._version))


class MarkKeyed(WithModel):
    """[(key, text or Document)] → (key, entities) of each."""

    def process(self, batch: Any) -> Iterable[Any]:
        documents = [
            value if isinstance(value, Document) else Document(value) for _, value in batch
        ]
        return zip((key for key, _ in batch), self.recognizer().documents(documents), strict=True)
