"""Recognizer: texts or words in, entities out, wherever the model runs: in this process or behind a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tfner.data.batching.batch_by_size import Item, batch_by_padded_size, batch_by_size, encode_text
from tfner.documents import Document, Entity, entity_at
from tfner.tagging.schemes import read_spans

logger = logging.getLogger(__name__)

DOCUMENTS_IN_BLOCK = 1024  # among which those of like length find together
CHARACTERS_IN_BLOCK = 1 << 20
DOCUMENTS_AT_ONCE = 128  # sorted tweets on a CPU: 32 are slower, 256 no faster
CHARACTERS_AT_ONCE = (
    1 << 18
)  # of the documents asked at once, each counted as long as the longest: given words are sent padded
Answer = dict[str, np.ndarray]  # the outputs of a signature, by name
AskTexts = Callable[
    [list[bytes]], Answer
]  # UTF-8 of B texts -> the answer of the signature serving_default
AskWords = Callable[
    [list[list[bytes]]], Answer
]  # UTF-8 of [B, W] words, b"" behind a row's last -> the answer of the signature words


class Recognizer:
    """Finds entities.

    Args:
        ask_texts, ask_words: the model, which answers.
        card: what the model is: labels, encoder, versions, scores (see `tfner.json` of an export).
        at_once: questions that are under way together where there are many documents; with more than 1 the model is asked in threads.
    """

    def __init__(
        self, ask_texts: AskTexts, ask_words: AskWords, card: dict[str, Any], at_once: int = 1
    ):
        self._ask_texts = ask_texts
        self._ask_words = ask_words
        self.card = card
        self._at_once = at_once

    def __call__(self, text: str) -> list[Entity]:
        """The entities of one text; `text[entity.start:entity.end] == entity.text`."""
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of several texts, in their order."""
        return list(self.documents(map(Document, texts)))

    def tag(self, words: Sequence[str]) -> list[str]:
        """One tag for each of the given words of a sentence, in the model's tag scheme."""
        return self.tag_batch([words])[0][0] if words else []

    def tag_batch(self, sentences: Sequence[Sequence[str]]) -> list[tuple[list[str], list[float]]]:
        """Tags and their probabilities for the words of several sentences; a word the encoder cannot see has probability 0."""
        return read_tags(sentences, self._ask_words(padded_words(sentences)))

    def documents(self, documents: Iterable[Document]) -> Iterator[list[Entity]]:
        """Entities of a stream of documents, in order: on the given words where there are any, else from the text.

        A block of documents is read before the first entities come; see `in_blocks`.
        """
        for block in in_blocks(documents):
            found = {
                place: entities for portion in self.of_block(block) for place, entities in portion
            }
            yield from (found[place] for place in range(len(block)))

    def of_block(self, block: Sequence[Document]) -> Iterator[list[tuple[int, list[Entity]]]]:
        """(place in the block, entities) of documents, portion by portion as the model answers them: longest first, like with like."""
        order = sorted(
            range(len(block)),
            key=lambda place: (block[place].words is None, -len(block[place].text)),
        )
        asked = list(
            batch_by_padded_size(
                (block[place] for place in order),
                count=DOCUMENTS_AT_ONCE,
                characters=CHARACTERS_AT_ONCE,
            )
        )
        start = 0
        for found in self._of_portions(asked):
            end = start + len(found)
            yield list(zip(order[start:end], found, strict=True))
            start = end

    def _of_portions(self, asked: Sequence[Sequence[Document]]) -> Iterator[list[list[Entity]]]:
        """The answers in order, `at_once` of them under way; one alone is asked without a thread."""
        if min(self._at_once, len(asked)) <= 1:
            yield from map(self._of_portion, asked)
        else:
            with ThreadPoolExecutor(self._at_once, "tfner-asking") as executor:
                yield from executor.map(self._of_portion, asked)

    def _of_portion(self, portion: Sequence[Document]) -> list[list[Entity]]:
        if portion[0].words is None:
            return self._of_texts([document.text for document in portion])
        return self._of_words(portion)

    def _of_texts(self, texts: Sequence[str]) -> list[list[Entity]]:
        return read_entities(texts, self._ask_texts([encode_text(text) for text in texts]))

    def _of_words(self, documents: Sequence[Document]) -> list[list[Entity]]:
        return entities_on_words(
            documents, self.tag_batch([document.word_texts() for document in documents])
        )


def in_blocks(documents: Iterable[Item]) -> Iterator[list[Item]]:
    """A stream of documents in the blocks that a recognizer works through; which they are depends on the documents alone."""
    return batch_by_size(documents, count=DOCUMENTS_IN_BLOCK, characters=CHARACTERS_IN_BLOCK)


def padded_words(sentences: Sequence[Sequence[str]]) -> list[list[bytes]]:
    """The words of B sentences in UTF-8, [B, W], as the signature words takes them."""
    return pad_rows([[encode_text(word) for word in words] for words in sentences])


def pad_rows(rows: Sequence[list[bytes]]) -> list[list[bytes]]:
    """Fill rows up to the longest with b""."""
    width = max(map(len, rows), default=0)
    return [row + [b""] * (width - len(row)) for row in rows]


def strip_row(row: list[bytes]) -> list[bytes]:
    """Take what `pad_rows` added off again, and empty words that a sentence itself ends in."""
    end = len(row)
    while end and not row[end - 1]:
        end -= 1
    return row[:end]


def read_tags(
    sentences: Sequence[Sequence[str]], answer: Answer
) -> list[tuple[list[str], list[float]]]:
    """The tags and scores of the sentences' words from the words signature's answer."""
    return [
        ([tag.decode() or "O" for tag in tags[: len(words)]], scores[: len(words)].tolist())
        for words, tags, scores in zip(sentences, answer["tag"], answer["score"], strict=True)
    ]


def read_entities(texts: Sequence[str], answer: Answer) -> list[list[Entity]]:
    """The entities of the texts from the text signature's answer."""
    return [list(entities_of(text, answer, row)) for row, text in enumerate(texts)]


def entities_on_words(
    documents: Sequence[Document], tagged: Sequence[tuple[list[str], list[float]]]
) -> list[list[Entity]]:
    """The entities of documents from the tags and scores of their words."""
    return [
        # Any scheme will do: it only says which tags count as illegal, and the spans are conlleval's in all of them.
        [entity_on_words(document, span, scores) for span in read_spans(tags, "IOB2")[0]]
        for document, (tags, scores) in zip(documents, tagged, strict=True)
    ]


def entity_on_words(
    document: Document, span: tuple[int, int, str], scores: Sequence[float]
) -> Entity:
    """An entity from a span of words; its score is the mean probability of the tags of the words that the encoder sees."""
    first, last, label = span
    words = document.words or ()
    seen = [score for score in scores[first:last] if score > 0]
    return entity_at(
        document.text,
        words[first][0],
        words[last - 1][1],
        label,
        float(np.mean(seen)) if seen else 0.0,
    )


def entities_of(text: str, answer: Answer, row: int) -> Iterator[Entity]:
    """The entities of one row of the text signature's answer."""
    count, given = int(answer["entity_count"][row]), answer["entity_start"].shape[1]
    if count > given:
        logger.warning(
            "%d entities of a text are beyond the %d that the model gives at most (max_entities)",
            count - given,
            given,
        )
    for i in range(min(count, given)):
        start, end = int(answer["entity_start"][row, i]), int(answer["entity_end"][row, i])
        yield entity_at(
            text,
            start,
            end,
            answer["entity_label"][row, i].decode(),
            float(answer["entity_score"][row, i]),
        )
