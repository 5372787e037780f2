"""Read sentences of one document together, and give what is found in them back to each.

Sentences in a row with the same `Document.group` make a passage. It is read as one text, so that
windows hold neighbouring sentences, as those of a long text do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, get_args

from tfner.documents import Document, Entity, entity_at
from tfner.tagging.borders import trim_span

Context = Literal["none", "document"]
CONTEXTS: tuple[str, ...] = get_args(Context)
CHARACTERS = 1 << 16  # of a passage; a longer document is read as several
SEPARATOR = "\n"  # between sentences: white space, which has no piece
LONE_SHARE = 0.65  # of what training cuts a document into: one sentence; the others have 2 to
MOST_SENTENCES = 12


@dataclass(frozen=True, slots=True)
class Passage:
    """Hold sentences of one document in a row, and the text that they are read as.

    All have given words, or none has. A sentence by itself is a passage too.

        >>> passage = join([Document("Mara left."), Document("Bo stayed.")])
        >>> passage.document.text, passage.starts
        ('Mara left.\\nBo stayed.', (0, 11))

    Args:
        starts: where each sentence begins in the document's text.
    """

    document: Document
    sentences: tuple[Document, ...]
    starts: tuple[int, ...] = (0,)

    def split(self, entities: Iterable[Entity]) -> list[list[Entity]]:
        """Give each sentence the entities found in it, in characters of its own text.

        One that runs over the end of a sentence is cut there, into one entity a sentence.

            >>> passage = join([Document("Mara left."), Document("Bo stayed.")])
            >>> passage.split([Entity(11, 13, "PER")])
            [[], [Entity(start=0, end=2, label='PER', score=1.0, text='Bo')]]
        """
        if len(self.sentences) == 1:
            return [list(entities)]
        found: list[list[Entity]] = [[] for _ in self.sentences]
        for entity in entities:
            first = bisect_right(self.starts, entity.start) - 1
            last = bisect_right(self.starts, entity.end - 1)
            for number in range(first, last):
                own = self._within(number, entity)
                if own is not None:
                    found[number].append(own)
        return found

    def _within(self, number: int, entity: Entity) -> Entity | None:
        """Cut an entity to a sentence; None where only blanks are left of it."""
        sentence = self.sentences[number]
        begin = self.starts[number]
        start = max(entity.start - begin, 0)
        end = min(entity.end - begin, len(sentence.text))
        start, end = trim_span(sentence.text, start, end, sentence.words)
        if start >= end:
            return None
        return entity_at(sentence.text, start, end, entity.label, entity.score)


def join_sentences(
    documents: Iterable[Document], context: Context, *, with_words: bool = False
) -> Iterator[Passage]:
    """Make passages of a stream of documents; without context each is one by itself.

    Those without a group stay by themselves, and if `with_words` those without words. A passage of
    several has at most CHARACTERS, so that memory is bounded whatever the length of a document.

        >>> documents = [Document("Mara left.", group="a"), Document("Bo stayed.", group="a")]
        >>> [passage.document.text for passage in join_sentences(documents, "document")]
        ['Mara left.\\nBo stayed.']
    """
    if context == "none":
        return (Passage(document, (document,)) for document in documents)
    return map(join, runs_of_group(documents, with_words=with_words))


def runs_of_group(
    documents: Iterable[Document], *, with_words: bool = False
) -> Iterator[list[Document]]:
    """Cut a stream where the group changes, words begin or cease, or CHARACTERS are reached."""
    run: list[Document] = []
    held = 0
    for document in documents:
        size = len(document.text)
        together = run and belong_together(run[-1], document, with_words=with_words)
        if run and not (together and held + size <= CHARACTERS):
            yield run
            run = []
            held = 0
        run.append(document)
        held += size + len(SEPARATOR)
    if run:
        yield run


def belong_together(one: Document, other: Document, *, with_words: bool = False) -> bool:
    """Tell whether two documents in a row, `with_words` if asked, are sentences of the same one."""
    if with_words and other.words is None:
        return False
    same_kind = (one.words is None) == (other.words is None)
    return bool(one.group) and one.group == other.group and same_kind


def join(sentences: Sequence[Document]) -> Passage:
    """Join sentences to one text, with their words and entities."""
    if len(sentences) == 1:
        return Passage(sentences[0], (sentences[0],))
    starts: list[int] = []
    words: list[tuple[int, int]] = []
    entities: list[Entity] = []
    position = 0
    for sentence in sentences:
        starts.append(position)
        words += [(start + position, end + position) for start, end in sentence.words or ()]
        entities += [shifted(entity, position) for entity in sentence.entities]
        position += len(sentence.text) + len(SEPARATOR)
    text = SEPARATOR.join(sentence.text for sentence in sentences)
    first = sentences[0]
    given = None if first.words is None else tuple(words)
    whole = Document(text, tuple(entities), given, first.id, first.group)
    return Passage(whole, tuple(sentences), tuple(starts))


def usual_context(sentences: Iterable[Document]) -> Context:
    """Choose how sentences are read where nothing is asked for: together if they name documents.

    Half of them at least follow another of their document then, in two documents or more: a file
    whose one mark of a document stands at its start names none.

        >>> a, b, c = (Document("Mara left.", group=group) for group in "abc")
        >>> [usual_context(sentences) for sentences in ([a, a, b, b], [a, a, a], [a, b, c, c])]
        ['document', 'none', 'none']
    """
    count = 0
    following = 0
    documents = set()
    for run in runs_of_group(sentences):
        count += len(run)
        following += len(run) - 1
        if len(run) > 1:
            documents.add(run[0].group)
    return "document" if len(documents) > 1 and 2 * following >= count else "none"


def shifted(entity: Entity, by: int) -> Entity:
    """Move an entity to where its text begins in a longer one."""
    return replace(entity, start=entity.start + by, end=entity.end + by)


def passages_for_training(documents: Iterable[Document]) -> Iterator[int]:
    """Cut each document into passages for training; yield how many sentences each has.

    Most of them are lone sentences, so that a model reads those as well; the others have 2 to
    MOST_SENTENCES. Where the cuts are depends on the documents alone.

        >>> sentences = [Document("Mara left.", group="a")] * 10
        >>> list(passages_for_training(sentences))
        [1, 1, 1, 5, 1, 1]
    """
    for run in runs_of_group(documents):
        random = Random(f"{run[0].group} {run[0].id}").random
        left = len(run)
        while left:
            longer = 2 + int(random() * (MOST_SENTENCES - 1))
            count = min(left, 1 if random() < LONE_SHARE else longer)
            yield count
            left -= count
