"""Reading and writing beside the model: order, bounds, and errors that come to light where they
belong."""

from __future__ import annotations

import threading
from itertools import count, islice

import pytest
from fake_server import TOY

from tfner.documents import Document
from tfner.formats.resume import Nothing
from tfner.serving.runtime import bulk
from tfner.serving.runtime import recognizer as module
from tfner.serving.runtime.bulk import SaveBehind, Step, mark_all, prefetch
from tfner.serving.runtime.recognizer import Recognizer

SECONDS = 60  # more than anything here takes; a wait that long is a failure


def texts(number: int) -> list[Document]:
    return [Document("Anna Bo " * (place * 7 % 5), id=str(place)) for place in range(number)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "DOCUMENTS_IN_BLOCK", 5)
    monkeypatch.setattr(module, "DOCUMENTS_AT_ONCE", 2)


class Saved(list):
    """What was saved, and where it shall fail."""

    def __init__(self, fails_at: int | None = None):
        super().__init__()
        self._fails_at = fails_at

    def __call__(self, document, entities):
        if len(self) == self._fails_at:
            raise OSError("no space left")
        self.append((document, entities))


@pytest.mark.parametrize("number", [0, 1, 5, 23])
def test_every_document_is_saved_once_in_the_input_s_order_with_its_own_entities(number):
    saved = Saved()
    steps = list(mark_all(TOY, iter(texts(number)), saved, Nothing()))
    assert saved == [(document, TOY(document.text)) for document in texts(number)]
    assert sum(step.documents for step in steps) == number
    assert sum(step.words for step in steps) == sum(
        len(document.text.split()) for document in texts(number)
    )


def test_what_an_earlier_run_saved_is_passed_on_without_entities():
    class Earlier(Nothing):
        def holds(self, document):
            return int(document.id) < 7

    saved = Saved()
    steps = list(mark_all(TOY, iter(texts(12)), saved, Earlier()))
    assert [entities is None for _, entities in saved] == [True] * 7 + [False] * 5
    assert steps[0] == Step(5, 0, earlier=True)
    assert not any(step.earlier for step in steps[1:])


def test_the_model_works_while_the_next_block_is_read_and_the_last_is_written():
    read, written, asked = threading.Event(), threading.Event(), []

    def stream():
        yield from texts(10)
        read.set()
        yield from texts(5)

    def ask_texts(given):
        asked.append(len(given))
        assert read.wait(SECONDS)  # the second block, while the first is asked about
        if len(asked) == 4:
            assert written.wait(SECONDS)  # the first block, while the second is asked about
        return TOY._ask_texts(given)

    def save(document, entities):
        written.set()

    assert (
        sum(
            step.documents
            for step in mark_all(
                Recognizer(ask_texts, TOY._ask_words, {}), stream(), save, Nothing()
            )
        )
        == 15
    )


class TestSeveralAtOnce:
    def test_as_many_questions_are_under_way_as_are_allowed_and_answers_keep_their_places(self):
        under_way = threading.Barrier(2)

        def ask_texts(given):
            under_way.wait(SECONDS)
            return TOY._ask_texts(given)

        saved = Saved()
        list(
            mark_all(
                Recognizer(ask_texts, TOY._ask_words, {}, at_once=2), texts(4), saved, Nothing()
            )
        )
        assert saved == [(document, TOY(document.text)) for document in texts(4)]

    def test_a_single_question_is_asked_where_it_came_from(self):
        asked_in = []

        def ask_texts(given):
            asked_in.append(threading.current_thread())
            return TOY._ask_texts(given)

        Recognizer(ask_texts, TOY._ask_words, {}, at_once=2)("Anna")
        assert asked_in == [threading.current_thread()]

    def test_an_error_is_raised_and_nothing_asked_of_a_later_block(self):
        numbers, asked = count(), []

        def ask_texts(given):
            asked.append(given)
            if next(numbers) == 0:
                raise RuntimeError("no answer")
            return TOY._ask_texts(given)

        saved = Saved()
        with pytest.raises(RuntimeError, match="no answer"):
            list(
                mark_all(
                    Recognizer(ask_texts, TOY._ask_words, {}, at_once=2),
                    texts(10),
                    saved,
                    Nothing(),
                )
            )
        assert not saved
        assert len(asked) <= 3  # of six, three in a block


def test_memory_is_bounded_whatever_the_length_of_the_stream():
    alive, most = [0], [0]

    def stream():
        for document in texts(500):
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            yield document

    def save(document, entities):
        alive[0] -= 1

    list(mark_all(TOY, stream(), save, Nothing()))
    # One block is in work; beside it those read ahead, the one being read, those that wait to be
    # saved, and the one being saved.
    assert most[0] <= 5 * (1 + bulk.BLOCKS_PREFETCHED + 1 + bulk.BLOCKS_UNSAVED + 1) + 1


def test_an_error_of_the_input_comes_after_what_was_read_before_it_is_saved():
    def stream():
        yield from texts(12)
        raise ValueError("line 13")

    saved = Saved()
    with pytest.raises(ValueError, match="line 13"):
        list(mark_all(TOY, stream(), saved, Nothing()))
    assert [document.id for document, _ in saved] == [
        str(number) for number in range(10)
    ]  # whole blocks


def test_an_error_of_the_output_ends_the_work_and_nothing_is_saved_behind_it():
    saved = Saved(fails_at=7)
    with pytest.raises(OSError, match="no space left"):
        list(mark_all(TOY, (Document("Anna") for _ in count()), saved, Nothing()))
    assert len(saved) == 7


def test_an_error_at_the_last_document_is_not_lost():
    with pytest.raises(OSError, match="no space left"):
        list(mark_all(TOY, texts(3), Saved(fails_at=2), Nothing()))


def test_an_error_of_the_model_leaves_what_was_found_before_saved():
    def ask_texts(given):
        if b"bad" in given:
            raise RuntimeError("no answer")
        return TOY._ask_texts(given)

    saved = Saved()
    with pytest.raises(RuntimeError, match="no answer"):
        list(
            mark_all(
                Recognizer(ask_texts, TOY._ask_words, {}),
                [*texts(5), Document("bad")],
                saved,
                Nothing(),
            )
        )
    assert len(saved) == 5


def test_items_are_made_a_bounded_number_ahead():
    made, third = [], threading.Event()

    def items():
        for number in count():
            made.append(number)
            if number == 2:
                third.set()
            yield number

    source = prefetch(items(), 2)
    assert next(source) == 0
    assert third.wait(SECONDS)
    assert made == [0, 1, 2]
    assert list(islice(source, 5)) == [1, 2, 3, 4, 5]
    source.close()


def test_a_reader_that_is_let_go_ends():
    others = set(threading.enumerate())
    source = prefetch(count(), 1)
    assert next(source) == 0
    (thread,) = set(threading.enumerate()) - others
    source.close()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_save_behind_waits_for_the_last():
    saved = Saved()
    with SaveBehind(saved) as behind:
        for document in texts(9):
            behind.add([(document, [])])
    assert [document for document, _ in saved] == texts(9)
