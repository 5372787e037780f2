"""Any number of documents through a recognizer: reading and writing go on beside the model, which waits for neither."""

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
Save = Callable[
    [Document, "list[Entity] | None"], None
]  # None: the document was saved by an earlier run
BLOCKS_READ_AHEAD = 1
BLOCKS_UNSAVED = 2


class Block(NamedTuple):
    """Documents in memory, and which of them were saved by an earlier run."""

    documents: list[Document]
    saved: list[bool]


class Step(NamedTuple):
    """What was done: so many documents of so many words, by the model or by an earlier run."""

    documents: int
    words: int
    earlier: bool = False


def mark_all(
    recognizer: Recognizer, documents: Iterable[Document], save: Save, earlier: Earlier
) -> Iterator[Step]:
    """Find the entities of all documents and save each in its turn, but for those that the output of an earlier run holds.

    Gives what was done, step by step. A few blocks of documents are in memory at once, whatever the length of the stream. A block of which
    the earlier run saved a part is asked about as a whole: in other company the last digits of its scores would be others.
    """
    with SaveBehind(save) as behind:
        for block in ahead(in_saved_blocks(documents, earlier), BLOCKS_READ_AHEAD):
            found: dict[int, list[Entity]] = {}
            if all(block.saved):
                yield Step(len(block.documents), 0, earlier=True)
            else:
                for portion in recognizer.of_block(block.documents):
                    found.update(portion)
                    yield Step(
                        len(portion),
                        sum(count_words(block.documents[place]) for place, _ in portion),
                    )
            behind.add(
                [
                    (document, None if done else found[place])
                    for place, (document, done) in enumerate(zip(*block, strict=True))
                ]
            )


def in_saved_blocks(documents: Iterable[Document], earlier: Earlier) -> Iterator[Block]:
    """Whether a document is saved is asked before a document behind it comes."""
    for block in in_blocks(documents):
        yield Block(block, [earlier.holds(document) for document in block])
    earlier.finish()


def count_words(document: Document) -> int:
    """The given words, or what white space parts."""
    return len(document.text.split()) if document.words is None else len(document.words)


def ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """The same items, made in a thread of their own, `count` at most beyond the one that was taken last.

    An error of the making is raised where the next item would come. The thread is not waited for: it may stand in a read that never ends.
    """
    made: SimpleQueue[tuple[bool, object]] = (
        SimpleQueue()
    )  # (whether it is an item, the item or what ended them)
    free, stopped = Semaphore(count + 1), Event()
    Thread(
        target=make_ahead, args=(items, made.put, free, stopped), name="tfner-reader", daemon=True
    ).start()
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


def make_ahead(
    items: Iterable[Item],
    put: Callable[[tuple[bool, object]], None],
    free: Semaphore,
    stopped: Event,
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
    """Saves documents in a thread of its own, in their order, a bounded number of blocks behind; a context manager that waits for the last.

    The first error is raised by a later call or at the end, and nothing is saved after it.
    """

    def __init__(self, save: Save):
        self._save = save
        self._executor = ThreadPoolExecutor(1, "tfner-writer")
        self._unsaved: deque[Future[None]] = deque()
        self._last: Future[None] | None = None

    def add(self, block: Sequence[tuple[Document, list[Entity] | None]]) -> None:
        """Save these when those before are saved."""
        while self._unsaved and (self._unsaved[0].done() or len(self._unsaved) >= BLOCKS_UNSAVED):
            self._unsaved.popleft().result()
        self._last = self._executor.submit(self._save_block, block, self._last)
        self._unsaved.append(self._last)

    def _save_block(
        self, block: Sequence[tuple[Document, list[Entity] | None]], before: Future[None] | None
    ) -> None:
        if before is not None:
            before.result()  # raises its error, so that no document comes behind one that is missing
        for document, entities in block:
            self._save(document, entities)

    def __enter__(self) -> SaveBehind:
        return self

    def __exit__(self, kind: object, *others: object) -> None:
        self._executor.shutdown()
        if kind is None and self._last is not None:
            self._last.result()
