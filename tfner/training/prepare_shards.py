"""Turn a corpus of any size into a folder of shards that training streams.

This process reads the corpus; others encode it and write the shards.
"""

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
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from tfner.config import RunSettings
from tfner.corpus.context import Context, usual_context
from tfner.corpus.ledger import REASONS, Entry, Ledger
from tfner.data.batching.batch_by_size import batch_by_padded_size
from tfner.data.shards.manifest import DROPPED, MANIFEST, Encoding, Manifest, ShardInfo
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.monitoring.progress import track
from tfner.safeio.sources import Source, encoder_folder, name_source, short_name
from tfner.safeio.whole_files import written_whole
from tfner.tagging.schemes import LabelSet
from tfner.training import shard_worker
from tfner.training.shard_worker import Task
from tfner.training.state.termination import announce_ctrl_c

SHARDS = 16
DOCUMENTS_AT_ONCE = 2048  # cutting windows costs as much for one document as for many
CHARACTERS_AT_ONCE = 1 << 22
WAITING = 4  # batches of documents that a process is given before it has done them


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
    """Encode `data.train` into `shards` files in `folder`.

    The files depend on the data, the settings and `shards` alone. A folder without `manifest.json`,
    which is written last, is not complete; a failure leaves no shard behind.

    Args:
        workers: processes that encode; None = one a core.
        load: how each process loads TensorFlow, a function of a module.

    Raises:
        ConfigError: `folder` holds prepared data already, or `data.train` is not given.
        DataError, ModelError: the data or the encoder cannot be used, or a file not be written.
    """
    open_empty(folder)
    checkpoint = local_checkpoint(settings.encoder.checkpoint)
    labels, total = find_labels(settings, console)
    if settings.data.context == "auto":
        settings = settings.resolve_context(context_of_first(settings))
    task = Task(folder, shards, checkpoint, labels, settings.encoding_options(), load)
    processes = min(workers or available_cores(), shards)
    show = partial(track, console=console, what="encoding", total=total)
    stopping = f"deleting what is written in {folder}"
    ended = f"ended at once; {folder} is not complete, and the same command begins anew"
    announced = announce_ctrl_c(lambda: stopping, lambda: ended)
    try:
        with announced, Processes(task, processes) as pool:
            manifest = write_shards(settings, task, pool, show)
        manifest.write(folder)
    except OSError as error:
        clear(folder)
        reason = error.strerror or error
        raise DataError(f"{error.filename or folder}: cannot be written: {reason}") from None
    except BaseException:
        clear(folder)
        raise
    return manifest


def open_empty(folder: Path) -> None:
    """Make the folder, and delete what an unfinished preparation left in it."""
    if (folder / MANIFEST).exists():
        advice = "delete it or choose another folder"
        raise ConfigError(f"{folder} holds prepared data already; {advice}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror or error}") from None
    clear(folder)


def clear(folder: Path) -> None:
    for pattern in ("shard-*-of-*.tfrecord*", "shard-*-of-*.index*", f"{DROPPED}*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def local_checkpoint(checkpoint: str) -> Path:
    """Find the folder of a checkpoint; only one of the hub loads TensorFlow into this process."""
    folder = encoder_folder(checkpoint)
    if folder is not None:
        return folder
    from tfner.model.encoders.checkpoints import resolve_checkpoint

    return resolve_checkpoint(checkpoint)


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def source_of(settings: RunSettings) -> Source:
    if settings.data.train is None:
        raise ConfigError("data.train: required for preparing, but not given")
    for split in settings.data.shares():
        why = "expected another source, as data.train is prepared whole"
        raise ConfigError(f"data.{split}: {why}, got a share of it")
    return settings.data.train


def find_labels(settings: RunSettings, console: Console) -> tuple[LabelSet, int | None]:
    """Take the given labels, or read all of the data once for its entity types.

    Returns:
        The labels, and the number of documents where they have been counted.
    """
    scheme = settings.model.tag_scheme
    if settings.labels is not None:
        return LabelSet(settings.labels, scheme), None
    source, ledger, types, count = source_of(settings), Ledger(), set(), 0
    documents = read_documents(source, settings.data, ledger)
    for document in track(documents, console, "looking for labels"):
        types.update(entity.label for entity in document.entities)
        count += 1
        ledger.entries.clear()  # they come again when the documents are encoded
    if not types:
        where = name_source(source)
        raise DataError(f"{where}: expected entities to learn, found none in {count} documents")
    return LabelSet(tuple(sorted(types)), scheme), count


def context_of_first(settings: RunSettings) -> Context:
    """Choose how sentences are read by what the first of them say of their documents."""
    documents = read_documents(source_of(settings), settings.data, Ledger())
    return usual_context(islice(documents, DOCUMENTS_AT_ONCE))


def write_shards(
    settings: RunSettings,
    task: Task,
    processes: Processes,
    show: Callable[[Iterable[Document]], Iterator[Document]],
) -> Manifest:
    """Deal the documents out to shards, some thousand at a time; return the manifest of all."""
    source, ledger, lost = source_of(settings), Ledger(), Counter()
    entities = 0
    with dropped_file(task.folder, lost) as enter:
        documents = show(read_documents(source, settings.data, ledger))
        limits = {"count": DOCUMENTS_AT_ONCE, "characters": CHARACTERS_AT_ONCE}
        batches = batch_by_padded_size(documents, **limits)
        for number, batch in enumerate(batches):
            entities += sum(len(document.entities) for document in batch)
            enter(processes.add(number % task.shards, batch))
            enter(ledger.take())
        enter(processes.rest())
        enter(ledger.take())
    manifest = finish_shards(settings, task, processes, lost, entities)
    if not manifest.documents:
        raise DataError(f"{name_source(source)}: expected documents for data.train, found none")
    return manifest


def finish_shards(
    settings: RunSettings, task: Task, processes: Processes, lost: Counter[str], entities: int
) -> Manifest:
    """Have all shards finished; sum up what they hold."""
    finished = processes.finish()
    shards = tuple(shard for shard, _ in finished)
    lengths = sum((lengths for _, lengths in finished), Counter())
    source = short_name(source_of(settings))
    encoding = encoding_of(settings, task.labels, processes.tokenizer)
    totals: dict[str, Any] = {"entities": entities, "lengths": dict(sorted(lengths.items()))}
    for name in ("documents", "windows", "pieces"):
        totals[name] = sum(getattr(shard, name) for shard in shards)
    totals["lost"] = {reason: lost[reason] for reason in REASONS if lost[reason]}
    return Manifest(source=source, encoding=encoding, shards=shards, **totals)


@contextmanager
def dropped_file(folder: Path, lost: Counter[str]) -> Iterator[Callable[[Iterable[Entry]], None]]:
    """Yield a function that writes entries to a file, a line each, and counts them by reason."""
    path = folder / DROPPED
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:

        def enter(entries: Iterable[Entry]) -> None:
            for entry in entries:
                file.write(json.dumps(entry) + "\n")
                lost[entry.reason] += 1

        yield enter


def encoding_of(settings: RunSettings, labels: LabelSet, fingerprint: str) -> Encoding:
    """Collect all that windows depend on besides the data; `fingerprint` is the tokenizer's."""
    learned = {"labels": labels.types, "tag_scheme": labels.scheme}
    return Encoding(**learned, **settings.encoding_options(), tokenizer=fingerprint)


class Processes:
    """Encode and write in several processes.

    Each shard belongs to one of them, so that its windows come in one order.

    Attributes:
        tokenizer: its fingerprint.
    """

    def __init__(self, task: Task, count: int):
        self._task = task
        self._count = count
        self._pending: deque[Future[list[Entry]]] = deque()
        context = multiprocessing.get_context("spawn")  # TensorFlow does not outlive a fork
        set_up = shard_worker.set_up_process
        self._executors = [ProcessPoolExecutor(1, context, set_up) for _ in range(count)]
        self.tokenizer = ""

    def __enter__(self) -> Processes:
        try:
            begin = shard_worker.begin
            task = self._task
            begun = [executor.submit(begin, task) for executor in self._executors]
            fingerprints = [self._result(future) for future in begun]
            self.tokenizer = fingerprints[-1]
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
        """Have documents appended to a shard.

        Returns:
            What was dropped of earlier ones, in order, when many are waiting.
        """
        self._pending.append(self._submit(shard, shard_worker.add, shard, documents))
        if len(self._pending) <= WAITING * self._count:
            return []
        return self._result(self._pending.popleft())

    def rest(self) -> Iterator[Entry]:
        """Yield what was dropped of all that is waiting."""
        while self._pending:
            yield from self._result(self._pending.popleft())

    def finish(self) -> list[tuple[ShardInfo, Counter[int]]]:
        """Give the shards their names; return what each holds, and its windows by length."""
        shards = range(self._task.shards)
        finish = shard_worker.finish
        futures = [self._submit(shard, finish, shard) for shard in shards]
        return [self._result(future) for future in futures]

    def _submit(self, shard: int, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        with self._alive():
            return self._executors[shard % self._count].submit(function, *arguments)

    def _result(self, future: Future[Any]) -> Any:
        with self._alive():
            return future.result()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            ended = "a process ended before its work, as one does when memory runs out"
            raise ConfigError(f"--workers {self._count}: {ended}; try fewer") from None
