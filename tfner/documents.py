"""The two values that everything passes on: a text with marked entities, and one entity. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled span: `text[start:end]`, half-open, in code points of the original text.

    `score` is the model's confidence in [0, 1]; gold entities have 1.
    """

    start: int
    end: int
    label: str
    score: float = 1.0
    text: str = ""

    @property
    def key(self) -> tuple[int, int, str]:
        """What makes two entities the same when predictions are scored."""
        return self.start, self.end, self.label


@dataclass(frozen=True, slots=True)
class Document:
    """A text, the entities marked in it and, where the source gives them, its words.

    `words` are (start, end) spans into `text`, in order, not overlapping; a word may be empty (start == end), because
    published corpora hold such tokens. None means raw text: the units are then found by the word rule.
    `group` names the longer document that this one is a part of, `slice` a subset of the data that is scored on its own too.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    words: tuple[tuple[int, int], ...] | None = None
    id: str = ""
    group: str = ""
    slice: str = ""

    @classmethod
    def from_words(
        cls,
        words: Sequence[str],
        spans: Iterable[tuple[int, int, str]] = (),
        *,
        id: str = "",
        group: str = "",
    ) -> Document:
        """Join words by one space; `spans` are (first word, one past the last word, label)."""
        text = " ".join(words)
        return cls.from_word_spans(text, locate_joined(words), spans, id=id, group=group)

    @classmethod
    def from_word_spans(
        cls,
        text: str,
        words: Sequence[tuple[int, int]],
        spans: Iterable[tuple[int, int, str]] = (),
        *,
        id: str = "",
        group: str = "",
    ) -> Document:
        """Take words at known places of a text; `spans` are (first word, one past the last word, label)."""
        entities = tuple(
            entity_at(text, words[first][0], words[last - 1][1], label)
            for first, last, label in spans
        )
        return cls(text, entities, tuple(words), id, group)

    def word_texts(self) -> list[str]:
        """The given words as strings; empty for raw text."""
        return [self.text[start:end] for start, end in self.words or ()]

    def with_entities(self, entities: Iterable[Entity]) -> Document:
        """The same text with other entities, for example predicted ones."""
        return replace(self, entities=tuple(entities))


def entity_at(text: str, start: int, end: int, label: str, score: float = 1.0) -> Entity:
    """An Entity that carries the characters it spans."""
    return Entity(start, end, label, score, text[start:end])


def locate_joined(words: Sequence[str]) -> list[tuple[int, int]]:
    """The (start, end) of each word in `" ".join(words)`."""
    spans, position = [], 0
    for word in words:
        spans.append((position, position + len(word)))
        position += len(word) + 1
    return spans
