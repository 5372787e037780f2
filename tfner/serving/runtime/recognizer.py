"""Give users one object to find entities with, be the model in this process or on a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any, Literal, overload

import numpy as np

from tfner.corpus.context import Context, join_sentences
from tfner.data.batching.batch_by_size import Item, batch_by_padded_size, batch_by_size, encode_text
from tfner.documents import Document, Entity, entity_at
from tfner.entity_list import Entities
from tfner.serving.runtime.arguments import documents_of, sentences_of, text_of, texts_of
from tfner.serving.runtime.origin import MEMORY, Origin, describe, describe_as_table, reopen
from tfner.serving.runtime.thresholds import Threshold, Thresholds
from tfner.serving.schema import ENTITY_SCORES, Outputs
from tfner.tagging.schemes import read_spans

logger = logging.getLogger(__name__)

CUT_ALL_THE_SAME = (
    "%s: context document changes nothing in raw text, which this model cuts; "
    "export.raw_text=whole exports one that does not"
)
BEYOND_MOST = "%d entities of a text are beyond the %d that the model gives at most (max_entities)"
DOCUMENTS_IN_BLOCK = 1024  # among which those of like length find together
CHARACTERS_IN_BLOCK = 1 << 20
DOCUMENTS_AT_ONCE = 128  # sorted tweets on a CPU: 32 are slower, 256 no faster
# Of the documents asked at once, each counted as long as the longest: given words are sent padded.
CHARACTERS_AT_ONCE = 1 << 18
Found = tuple[int, list[Entity]]  # index of a document in its block, and its entities
AskTexts = Callable[[list[bytes]], Outputs]  # UTF-8 of B texts -> outputs of serving_default
AskWords = Callable[[list[list[bytes]]], Outputs]  # UTF-8 [B, W], padded with b"" -> those of words
TaggedWords = tuple[list[str], list[float]]  # tags of a sentence's words, and their probabilities


class Recognizer:
    """Find entities in texts and tags of words.

    Wrong types of arguments raise a TypeError that says what was expected.

    Args:
        ask_texts, ask_words: the model, which answers.
        card: what the model is: labels, encoder, versions, scores (see `tfner.json` of an export).
        at_once: questions that are under way together where there are many documents; above 1 they
            are asked in threads.
        close: frees the model; no one can be asked after it.

    Attributes:
        context: `document`: sentences with one `group` are read together; `none`: each alone. As in
            the card; to be set where no card is known, as of a model on a server.
        origin: the folder or URL that it was opened from, None where it was built in memory.
        entities_cut: how often an entity ran over the end of a sentence, and was cut there.
    """

    def __init__(
        self,
        ask_texts: AskTexts,
        ask_words: AskWords,
        card: dict[str, Any],
        at_once: int = 1,
        close: Callable[[], None] | None = None,
    ):
        self._ask_texts = ask_texts
        self._ask_words = ask_words
        self.card = card
        self.context: Context = card.get("context", "none")
        self.entities_cut = 0
        self._raw_text_reported = False
        self._at_once = at_once
        self.origin: Origin | None = None
        self._close = close

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory of a model that runs over the C API, once no thread asks it any more.

        Whoever asks it later gets an error. Models that are asked otherwise stay as they are.
        """
        if self._close is not None:
            self._close()

    def __repr__(self) -> str:
        described = describe(self)
        settings = [f"{key}={value!r}" for key, value in described.items()]
        return f"Recognizer({', '.join(settings)})"

    def _repr_html_(self) -> str:
        """Show labels and settings in a notebook."""
        return describe_as_table(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path, or the URL with its options (headers too), where it is opened again.

        Raises:
            TypeError: it was built in memory.
        """
        if self.origin is None:
            expected = "expected one that `tfner.load` or `tfner.connect` opened"
            came = "got one that was built in memory: export it and load that"
            raise TypeError(f"a Recognizer is pickled by its path: {expected}, {came}")
        return reopen, (self.origin.open, self.context)

    @property
    def labels(self) -> tuple[str, ...]:
        """List the types of entities that the model knows; empty where a server does not say."""
        return tuple(self.card.get("labels", ()))

    def __call__(self, text: str, *, threshold: Threshold = 0.0) -> Entities:
        """Find the entities of one text; `text[entity.start:entity.end] == entity.text`.

        Those that score less than `threshold`, one number or one by type, are left out.
        """
        return self.batch([text_of(text)], threshold=threshold)[0]

    def batch(self, texts: Iterable[str], *, threshold: Threshold = 0.0) -> list[Entities]:
        """Find the entities of several texts, in their order."""
        return list(self.documents(map(Document, texts_of(texts)), threshold=threshold))

    def outputs(self, texts: Iterable[str]) -> Outputs:
        """Give all that the model answers to B texts: arrays by the names of docs/serving.md."""
        encoded = [encode_text(text) for text in texts_of(texts)]
        return self._ask_texts(encoded)

    @overload
    def tag(self, words: Iterable[str], *, scores: Literal[False] = False) -> list[str]: ...

    @overload
    def tag(self, words: Iterable[str], *, scores: Literal[True]) -> list[tuple[str, float]]: ...

    def tag(self, words: Iterable[str], *, scores: bool = False) -> Any:
        """Give one tag for each of the given words of a sentence, in the model's tag scheme.

        With `scores` each tag comes with its probability, which is not calibrated as the scores of
        entities are; a word that the encoder cannot see has 0.
        """
        sentence = texts_of(words, "words")
        if not sentence:
            return []
        return shape_tags(self._tag_sentences([sentence]), scores=scores)[0]

    @overload
    def tag_batch(
        self, sentences: Iterable[Sequence[str]], *, scores: None = None
    ) -> list[TaggedWords]: ...

    @overload
    def tag_batch(
        self, sentences: Iterable[Sequence[str]], *, scores: Literal[False]
    ) -> list[list[str]]: ...

    @overload
    def tag_batch(
        self, sentences: Iterable[Sequence[str]], *, scores: Literal[True]
    ) -> list[list[tuple[str, float]]]: ...

    def tag_batch(self, sentences: Iterable[Sequence[str]], *, scores: bool | None = None) -> Any:
        """Give the tags of the words of several sentences.

        With `scores` True or False each sentence has what `tag` gives for it; without, a list of
        tags and one of their probabilities. A word that the encoder cannot see has probability 0;
        none is calibrated.
        """
        return shape_tags(self._tag_sentences(sentences_of(sentences)), scores=scores)

    def documents(
        self, documents: Iterable[Document], *, threshold: Threshold = 0.0
    ) -> Iterator[Entities]:
        """Find the entities of a stream of documents, in order: on given words, or else in text.

        Where `context` is `document`, sentences with one `group` that follow each other are read
        together. A block of documents is read before the first entities come; see `in_blocks`.
        """
        keep = Thresholds(threshold, self.labels).keep
        found = self._recognize_stream(documents_of(documents))
        return (Entities(keep(entities), document.text) for document, entities in found)

    def _recognize_stream(
        self, documents: Iterator[Document]
    ) -> Iterator[tuple[Document, list[Entity]]]:
        for block in in_blocks(documents):
            found: dict[int, list[Entity]] = {}
            for answered in self.recognize_block(block):
                found.update(answered)
            for index, document in enumerate(block):
                yield document, found[index]

    def recognize_block(self, block: Sequence[Document]) -> Iterator[list[Found]]:
        """Yield (index in the block, entities) of some documents at a time, as the model answers.

        Those of like length are asked together, the longest first. Sentences that are read together
        are asked as one document.
        """
        # Raw text that the graph cuts again would not be read together.
        with_words = self.card.get("raw_text") == "sentences"
        learned_so = self.card.get("context") == "document"
        if with_words and self.context == "document" and not learned_so:
            self._report_raw_text(block)
        passages = list(join_sentences(block, self.context, with_words=with_words))
        counts = [len(passage.sentences) for passage in passages]
        firsts = list(accumulate(counts, initial=0))
        for answered in self._recognize_sorted([passage.document for passage in passages]):
            of_sentences: list[Found] = []
            for number, entities in answered:
                split = passages[number].split(entities)
                self.entities_cut += sum(map(len, split)) - len(entities)
                of_sentences += enumerate(split, firsts[number])
            yield of_sentences

    def _report_raw_text(self, block: Sequence[Document]) -> None:
        """Say once, as soon as there is raw text, that its sentences are not read together."""
        is_raw = any(document.words is None for document in block)
        if is_raw and not self._raw_text_reported:
            self._raw_text_reported = True
            name = self.origin.name if self.origin else MEMORY
            logger.warning(CUT_ALL_THE_SAME, name)

    def _recognize_sorted(self, block: Sequence[Document]) -> Iterator[list[Found]]:
        """Yield (index in the block, entities) of documents, asked by their lengths."""
        keys = [(document.words is None, -len(document.text)) for document in block]
        order = sorted(range(len(block)), key=keys.__getitem__)
        documents = [block[index] for index in order]
        limits = {"count": DOCUMENTS_AT_ONCE, "characters": CHARACTERS_AT_ONCE}
        batches = batch_by_padded_size(documents, **limits)
        start = 0
        for found in self._recognize_batches(list(batches)):
            end = start + len(found)
            indices = order[start:end]
            yield list(zip(indices, found, strict=True))
            start = end

    def _recognize_batches(self, batches: Sequence[list[Document]]) -> Iterator[list[list[Entity]]]:
        """Yield the answers in order, `at_once` under way; ask one alone without a thread."""
        if min(self._at_once, len(batches)) <= 1:
            yield from map(self._recognize, batches)
        else:
            with ThreadPoolExecutor(self._at_once, "tfner-asking") as executor:
                yield from executor.map(self._recognize, batches)

    def _recognize(self, batch: Sequence[Document]) -> list[list[Entity]]:
        """Find the entities of documents that all have given words, or all have none."""
        if batch[0].words is None:
            texts = [document.text for document in batch]
            encoded = [encode_text(text) for text in texts]
            answer = self._ask_texts(encoded)
            return read_entities(texts, answer)
        sentences = [document.word_texts() for document in batch]
        answer = self._ask_words(padded_words(sentences))
        return entities_on_words(batch, answer)

    def _tag_sentences(self, sentences: Sequence[Sequence[str]]) -> list[TaggedWords]:
        answer = self._ask_words(padded_words(sentences))
        return read_tags(sentences, answer)


def in_blocks(documents: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut a stream of documents into the blocks that a recognizer works through.

    Where a block ends depends on the documents alone.
    """
    return batch_by_size(documents, count=DOCUMENTS_IN_BLOCK, characters=CHARACTERS_IN_BLOCK)


def padded_words(sentences: Sequence[Sequence[str]]) -> list[list[bytes]]:
    """Encode the words of B sentences in UTF-8 as the signature words takes them, [B, W].

    >>> padded_words([["Åse", "left"], ["Bo"]])
    [[b'\\xc3\\x85se', b'left'], [b'Bo', b'']]
    """
    encoded = [[encode_text(word) for word in words] for words in sentences]
    return pad_rows(encoded)


def pad_rows(rows: Sequence[list[bytes]]) -> list[list[bytes]]:
    """Fill rows up to the longest with b"".

    >>> pad_rows([[b"a", b"b"], []])
    [[b'a', b'b'], [b'', b'']]
    """
    width = max(map(len, rows), default=0)
    return [row + [b""] * (width - len(row)) for row in rows]


def strip_row(row: list[bytes]) -> list[bytes]:
    """Take off what `pad_rows` added, and empty words that a sentence itself ends in.

    >>> strip_row([b"a", b"", b"b", b"", b""])
    [b'a', b'', b'b']
    """
    end = len(row)
    while end and not row[end - 1]:
        end -= 1
    return row[:end]


def read_tags(sentences: Sequence[Sequence[object]], answer: Outputs) -> list[TaggedWords]:
    """Read the tags and scores of the sentences' words from the answer of the signature words.

    >>> answer = {"tag": np.array([[b"B-PER", b""]], object), "score": np.array([[0.5, 0.0]])}
    >>> read_tags([["Mara"]], answer)
    [(['B-PER'], [0.5])]
    """
    tagged = []
    for words, tags, scores in zip(sentences, answer["tag"], answer["score"], strict=True):
        count = len(words)
        texts = [tag.decode() or "O" for tag in tags[:count]]
        probabilities = scores[:count].tolist()
        tagged.append((texts, probabilities))
    return tagged


def shape_tags(tagged: Sequence[TaggedWords], *, scores: bool | None) -> list[Any]:
    """Give the tags of sentences alone, each with its probability, or both in lists of their own.

    >>> tagged = [(["B-PER", "O"], [0.5, 0.75])]
    >>> [shape_tags(tagged, scores=scores) for scores in (False, True)]
    [[['B-PER', 'O']], [[('B-PER', 0.5), ('O', 0.75)]]]
    >>> shape_tags(tagged, scores=None)
    [(['B-PER', 'O'], [0.5, 0.75])]
    """
    if scores is None:
        return list(tagged)
    if scores:
        return [list(zip(tags, probabilities, strict=True)) for tags, probabilities in tagged]
    return [tags for tags, _ in tagged]


def read_entities(texts: Sequence[str], answer: Outputs) -> list[list[Entity]]:
    """Read the entities of the texts from the answer of the signature serving_default."""
    return [list(entities_of(text, answer, row)) for row, text in enumerate(texts)]


def entities_of(text: str, answer: Outputs, row: int) -> Iterator[Entity]:
    """Read the entities of one text.

    >>> row = {"entity_start": [[4, -1]], "entity_end": [[6, -1]], "entity_score": [[0.5, 0.0]]}
    >>> answer = {name: np.array(value) for name, value in row.items()}
    >>> answer |= {"entity_label": np.array([[b"PER", b""]], object), "entity_count": np.array([1])}
    >>> list(entities_of("Ask Bo.", answer, 0))
    [Entity(start=4, end=6, label='PER', score=0.5, text='Bo')]
    """
    count = int(answer["entity_count"][row])
    starts, ends = answer["entity_start"][row], answer["entity_end"][row]
    labels, scores = answer["entity_label"][row], answer["entity_score"][row]
    most = len(starts)
    if count > most:
        logger.warning(BEYOND_MOST, count - most, most)
    for i in range(min(count, most)):
        label = labels[i].decode()
        start, end = int(starts[i]), int(ends[i])
        yield entity_at(text, start, end, label, float(scores[i]))


def entities_on_words(documents: Sequence[Document], answer: Outputs) -> list[list[Entity]]:
    """Find the entities of documents in the answer of the signature words.

    Their scores are those of the graph where it calibrates them.

    >>> document = Document.from_words(["Mara", "Dulvane", "left"])
    >>> tags = np.array([[b"B-PER", b"I-PER", b"O"]], object)
    >>> answer = {"tag": tags, "score": np.array([[0.5, 1.0, 1.0]])}
    >>> entities_on_words([document], answer)
    [[Entity(start=0, end=12, label='PER', score=0.75, text='Mara Dulvane')]]
    >>> answer["entity_score"] = np.array([[0.625, 0.625, 0.0]])
    >>> entities_on_words([document], answer)[0][0].score
    0.625
    """
    sentences = [document.words or () for document in documents]
    calibrated = answer.get(ENTITY_SCORES)
    found = []
    for row, (tags, scores) in enumerate(read_tags(sentences, answer)):
        score = mean_score if calibrated is None else first_score
        by_word = scores if calibrated is None else calibrated[row].tolist()
        # The scheme only says which tags count as illegal; the spans are the same in all of them.
        spans, _ = read_spans(tags, "IOB2")
        document = documents[row]
        found.append([entity_on_words(document, span, score(by_word, span)) for span in spans])
    return found


def mean_score(scores: Sequence[float], span: tuple[int, int, str]) -> float:
    """Average the probabilities of a span's tags over the words that the encoder sees."""
    first, last, _ = span
    seen = [score for score in scores[first:last] if score > 0]
    return float(np.mean(seen)) if seen else 0.0


def first_score(scores: Sequence[float], span: tuple[int, int, str]) -> float:
    """Select the score that all words of a span's entity have; the encoder sees the first one."""
    return scores[span[0]]


def entity_on_words(document: Document, span: tuple[int, int, str], score: float) -> Entity:
    """Make an entity from a span of words."""
    first, last, label = span
    words = document.words or ()
    start, end = words[first][0], words[last - 1][1]
    return entity_at(document.text, start, end, label, score)
