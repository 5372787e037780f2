"""A corpus of any size → a folder of shards that training streams: read here, encoded and written by other processes."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from tfner.config import RunSettings
from tfner.corpus.ledger import REASONS, Entry, Ledger
from tfner.data.batching.batch_by_size import portions
from tfner.data.shards.manifest import LOSSES, MANIFEST, Encoding, Manifest
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.monitoring.progress import track
from tfner.safeio.sources import encoder_folder
from tfner.safeio.whole_files import written_whole
from tfner.tagging.schemes import LabelSet
from tfner.training import shard_worker
from tfner.training.shard_worker import Task

SHARDS = 16
DOCUMENTS_AT_ONCE = 2048  # cutting windows costs as much for one document as for many
CHARACTERS_AT_ONCE = 1 << 22
WAITING = 4  # portions that a process is given before it has done them


def import_tensorflow() -> None:
    importlib.import_module("tensorflow")


def prepare_shards(
    settings: RunSettings,
    folder: Path,
    console: Console,
    *,
    shards: int = SHARDS,
    workers: int | None = None,
    load: Callable[[], None] = import_tensorflow,
) -> Manifest:
    """Encode `data.train` into `shards` files in `folder`, with so many processes, by default one a core.

    The files depend on the data, the settings and `shards` alone. A folder without `manifest.json`, which is written last, is not
    complete; what goes wrong leaves no shard behind. `load` is how each process loads TensorFlow, a function of a module.

    Raises:
        ConfigError: `folder` holds prepared data already, or `data.train` is not given.
        DataError, ModelError: the data or the encoder cannot be used, or a file cannot be written.
    """
    claim(folder)
    checkpoint = local_checkpoint(settings.encoder.checkpoint)
    labels, total = find_labels(settings, console)
    encoder = settings.encoder
    task = Task(
        folder,
        shards,
        checkpoint,
        labels,
        settings.model.labelling,
        encoder.max_length,
        encoder.overlap,
        load,
    )
    try:
        with Processes(task, min(workers or available_cores(), shards)) as processes:
            manifest = write_shards(
                settings,
                task,
                processes,
                partial(track, console=console, what="encoding", total=total),
            )
        manifest.write(folder)
    except OSError as error:
        clear(folder)
        raise DataError(
            f"{error.filename or folder}: cannot be written: {error.strerror or error}"
        ) from None
    except BaseException:
        clear(folder)
        raise
    return manifest


def claim(folder: Path) -> None:
    """Make the folder, and delete what an unfinished preparation left in it."""
    if (folder / MANIFEST).exists():
        raise ConfigError(
            f"{folder} holds prepared data already; delete it or choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror or error}") from None
    clear(folder)


def clear(folder: Path) -> None:
    for pattern in ("shard-*-of-*.tfrecord*", "shard-*-of-*.index*", f"{LOSSES}*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def local_checkpoint(checkpoint: str) -> Path:
    """The folder of a checkpoint; only one of the hub needs TensorFlow in this process."""
    folder = encoder_folder(checkpoint)
    if folder is not None:
        return folder
    from tfner.model.encoders.checkpoints import resolve_checkpoint

    return resolve_checkpoint(checkpoint)


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def source_of(settings: RunSettings) -> str:
    if settings.data.train is None:
        raise ConfigError("data.train: required for preparing, but not given")
    return settings.data.train


def find_labels(settings: RunSettings, console: Console) -> tuple[LabelSet, int | None]:
    """The given labels, or the entity types of the data, for which all of it is read once; -> (labels, documents where counted)."""
    if settings.labels is not None:
        return LabelSet(settings.labels, settings.model.tag_scheme), None
    source, ledger, types, count = source_of(settings), Ledger(), set(), 0
    for document in track(
        read_documents(source, settings.data, ledger), console, "looking for labels"
    ):
        types.update(entity.label for entity in document.entities)
        count += 1
        ledger.entries.clear()  # they come again when the documents are encoded
    if not types:
        raise DataError(f"{source}: expected entities to learn, found none in {count} documents")
    return LabelSet(tuple(sorted(types)), settings.model.tag_scheme), count


def write_shards(
    settings: RunSettings,
    task: Task,
    processes: Processes,
    shown: Callable[[Iterable[Document]], Iterator[Document]],
) -> Manifest:
    """Deal the documents out to shards, portion by portion; -> the facts of all shards."""
    source, ledger, lost = source_of(settings), Ledger(), Counter()
    with losses_file(task.folder, lost) as enter:
        documents = shown(read_documents(source, settings.data, ledger))
        for number, portion in enumerate(
            portions(documents, count=DOCUMENTS_AT_ONCE, characters=CHARACTERS_AT_ONCE)
        ):
            enter(processes.add(number % task.shards, portion))
            enter(take(ledger))
        enter(processes.rest())
        enter(take(ledger))
    manifest = describe(source, task, processes, lost)
    if not manifest.documents:
        raise DataError(f"{source}: expected documents for data.train, found none")
    return manifest


def describe(source: str, task: Task, processes: Processes, lost: Counter[str]) -> Manifest:
    """Have all shards finished; -> their facts."""
    finished = processes.finish()
    shards = tuple(facts for facts, _ in finished)
    lengths = sum((lengths for _, lengths in finished), Counter())
    return Manifest(
        source=Path(source).name,
        encoding=encoding_of(task, processes.tokenizer),
        documents=sum(facts.documents for facts in shards),
        windows=sum(facts.windows for facts in shards),
        pieces=sum(facts.pieces for facts in shards),
        lost={reason: lost[reason] for reason in REASONS if lost[reason]},
        lengths=dict(sorted(lengths.items())),
        shards=shards,
    )


def take(ledger: Ledger) -> list[Entry]:
    """The entries so far, which the ledger lets go."""
    entries, ledger.entries = ledger.entries, []
    return entries


@contextmanager
def losses_file(folder: Path, lost: Counter[str]) -> Iterator[Callable[[Iterable[Entry]], None]]:
    """Gives a function that writes entries to a file, a line each, and counts them by reason."""
    with written_whole(folder / LOSSES) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield lambda entries: write_losses(entries, file, lost)


def write_losses(entries: Iterable[Entry], file: TextIO, lost: Counter[str]) -> None:
    for entry in entries:
        file.write(json.dumps(entry) + "\n")
        lost[entry.reason] += 1


def encoding_of(task: Task, tokenizer: str) -> Encoding:
    return Encoding(
        labels=task.labels.types,
        tag_scheme=task.labels.scheme,
        labelling=task.labelling,
        max_length=task.max_length,
        overlap=task.overlap,
        tokenizer=tokenizer,
    )


class Processes:
    """Processes that encode and write: each shard is always the same one's, so that its windows come in one order.

    Attributes:
        tokenizer: its fingerprint.
    """

    def __init__(self, task: Task, count: int):
        self._task = task
        self._count = count
        self._pending: deque[Future[list[Entry]]] = deque()
        context = multiprocessing.get_context("spawn")  # TensorFlow does not outlive a fork
        self._executors = [
            ProcessPoolExecutor(1, context, shard_worker.set_up_process) for _ in range(count)
        ]
        self.tokenizer = ""

    def __enter__(self) -> Processes:
        try:
            begun = [
                executor.submit(shard_worker.begin, self._task) for executor in self._executors
            ]
            self.tokenizer = [self._result(future) for future in begun][-1]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._pending:
            future.cancel()
        for executor in self._executors:
            executor.shutdown()

    def add(self, shard: int, documents: list[Document]) -> list[Entry]:
        """Have documents appended to a shard; gives what was lost of earlier ones, in order, when many are waiting."""
        self._pending.append(self._submit(shard, shard_worker.add, shard, documents))
        return (
            self._result(self._pending.popleft())
            if len(self._pending) > WAITING * self._count
            else []
        )

    def rest(self) -> Iterator[Entry]:
        """What was lost of all that is waiting."""
        while self._pending:
            yield from self._result(self._pending.popleft())

    def finish(self) -> list[Any]:
        """Give the shards their names; -> for each (what it holds, windows by length)."""
        futures = [
            self._submit(shard, shard_worker.finish, shard) for shard in range(self._task.shards)
        ]
        return [self._result(future) for future in futures]

    def _submit(self, shard: int, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            return self._executors[shard % self._count].submit(function, *arguments)
        except BrokenProcessPool:
            raise self._ended() from None

    def _result(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            raise self._ended() from None

    def _ended(self) -> ConfigError:
        return ConfigError(
            f"--workers {self._count}: a process ended before its work, as one does when memory runs out; try fewer"
        )
