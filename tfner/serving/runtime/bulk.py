"""Send any number of documents through a recognizer, with reading and writing beside the model.

The model waits for neither.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import NamedTuple, TypeVar

from tfner.documents import Document, Entity
from tfner.formats.resume import Earlier
from tfner.serving.runtime.recognizer import Recognizer, in_blocks

Item = TypeVar("Item")
Marked = tuple[Document, "list[Entity] | None"]  # None: the document was saved by an earlier run
Made = tuple[bool, object]  # (True, an item), and at last (False, what ended them)
Save = Callable[[Document, "list[Entity] | None"], None]
BLOCKS_PREFETCHED = 1
BLOCKS_UNSAVED = 2


class Block(NamedTuple):
    """Hold documents in memory, and which of them were saved by an earlier run."""

    documents: list[Document]
    saved: list[bool]


class Step(NamedTuple):
    """Count what was done, by the model or by an earlier run."""

    documents: int
    words: int
    earlier: bool = False


def mark_all(
    recognizer: Recognizer, documents: Iterable[Document], save: Save, earlier: Earlier
) -> Iterator[Step]:
    """Find the entities of all documents and save each in its turn, unless an earlier run did.

    Yields what was done, step by step. A few blocks of documents are in memory at once, whatever
    the length of the stream. Where the earlier run saved only some documents of a block, the model
    is asked about the whole block: in other company the last digits of its scores would be others.
    """
    with SaveBehind(save) as behind:
        for block in prefetch(in_saved_blocks(documents, earlier), BLOCKS_PREFETCHED):
            found: dict[int, list[Entity]] = {}
            if all(block.saved):
                yield Step(len(block.documents), 0, earlier=True)
            else:
                for answered in recognizer.recognize_block(block.documents):
                    found.update(answered)
                    words = sum(count_words(block.documents[index]) for index, _ in answered)
                    yield Step(len(answered), words)
            marked = in_order(block, found)
            behind.add(marked)


def in_saved_blocks(documents: Iterable[Document], earlier: Earlier) -> Iterator[Block]:
    """Cut a stream into blocks; ask whether a document is saved before the next one is read."""
    for block in in_blocks(documents):
        saved = [earlier.holds(document) for document in block]
        yield Block(block, saved)
    earlier.finish()


def in_order(block: Block, found: dict[int, list[Entity]]) -> list[Marked]:
    """Pair the documents of a block with what was found in those that were not saved before."""
    entities = [None if saved else found[index] for index, saved in enumerate(block.saved)]
    return list(zip(block.documents, entities, strict=True))


def count_words(document: Document) -> int:
    """Count the given words, or what white space parts."""
    if document.words is None:
        return len(document.text.split())
    return len(document.words)


def prefetch(items: Iterable[Item], count: int) -> Iterator[Item]:
    """Yield the same items, made by another thread, `count` at most beyond the one taken last.

    An error in making one is raised where that item would come. The thread is not waited for: it
    may stand in a read that never ends.
    """
    made = SimpleQueue[Made]()
    free = Semaphore(count + 1)
    stopped = Event()
    arguments = (items, made.put, free, stopped)
    Thread(target=make_items, args=arguments, name="tfner-reader", daemon=True).start()
    try:
        while True:
            is_item, value = made.get()
            if not is_item:
                break
            yield value  # type: ignore[misc]
            free.release()
    finally:
        stopped.set()
        free.release()
    if isinstance(value, BaseException):
        raise value


def make_items(
    items: Iterable[Item], put: Callable[[Made], None], free: Semaphore, stopped: Event
) -> None:
    """Put items, and at last what ended them: an error or None."""
    try:
        free.acquire()
        for item in items:
            put((True, item))
            free.acquire()
            if stopped.is_set():
                break
        put((False, None))
    except BaseException as error:
        put((False, error))


class SaveBehind:
    """Saves documents in a thread of its own, in their order, a bounded number of blocks behind.

    A context manager, which waits for the last. The first error is raised by a later call or at the
    end, and nothing is saved after it.
    """

    def __init__(self, save: Save):
        self._save = save
        self._executor = ThreadPoolExecutor(1, "tfner-writer")
        self._unsaved: deque[Future[None]] = deque()
        self._last: Future[None] | None = None

    def add(self, block: Sequence[Marked]) -> None:
        """Save these when those before are saved."""
        while self._unsaved and (self._unsaved[0].done() or len(self._unsaved) >= BLOCKS_UNSAVED):
            self._unsaved.popleft().result()
        self._last = self._executor.submit(self._save_block, block, self._last)
        self._unsaved.append(self._last)

    def _save_block(self, block: Sequence[Marked], before: Future[None] | None) -> None:
        if before is not None:
            before.result()  # raises its error: no document may come behind one that is missing
        for document, entities in block:
            self._save(document, entities)

    def __enter__(self) -> SaveBehind:
        return self

    def __exit__(self, kind: object, *others: object) -> None:
        self._executor.shutdown()
        if kind is None and self._last is not None:
            self._last.result()
