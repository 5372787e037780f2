"""Define the two values that everything passes on: a text with marked entities, and one entity.

No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tfner.html_marks import Colours, text_block
from tfner.spacy_docs import LabelledSpan, make_doc, read_spans, read_words

SCORE_DIGITS = 6
WordSpan = tuple[int, int, str]  # first word, one past the last word, label


@dataclass(frozen=True, slots=True)
class Entity:
    """Label a span: `text[start:end]`, half-open, in code points of the original text.

    `score` is the model's confidence in [0, 1]; gold entities have 1.
    """

    start: int
    end: int
    label: str
    score: float = 1.0
    text: str = ""

    @property
    def key(self) -> tuple[int, int, str]:
        """Tell two entities apart when predictions are scored."""
        return self.start, self.end, self.label

    def to_dict(self) -> dict[str, Any]:
        """Make an object of JSON.

        >>> Entity(0, 2, "PER", 0.98, "Bo").to_dict()
        {'start': 0, 'end': 2, 'label': 'PER', 'score': 0.98, 'text': 'Bo'}
        """
        span = {"start": self.start, "end": self.end, "label": self.label}
        score = round(float(self.score), SCORE_DIGITS)
        return {**span, "score": score, "text": self.text}


@dataclass(frozen=True, slots=True)
class Document:
    """Hold a text, the entities marked in it and, where the source gives them, its words.

    Args:
        words: (start, end) spans into `text`, in order, not overlapping; a word may be empty
            (start == end), because published corpora hold such tokens. None means raw text: the
            units are then found by the word rule.
        group: the longer document that this one was cut from.
        slice: a subset of the data that is scored on its own too.
        other_fields: what else the record holds that the document was read from, for outputs that
            keep it; equal documents may differ in it.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    words: tuple[tuple[int, int], ...] | None = None
    id: str = ""
    group: str = ""
    slice: str = ""
    other_fields: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_words(
        cls, words: Sequence[str], spans: Iterable[WordSpan] = (), *, id: str = "", group: str = ""
    ) -> Document:
        """Join words by one space; `spans` are (first word, one past the last word, label).

        >>> document = Document.from_words(["New", "York", "sleeps"], [(0, 2, "LOC")])
        >>> document.text, document.words
        ('New York sleeps', ((0, 3), (4, 8), (9, 15)))
        >>> document.entities
        (Entity(start=0, end=8, label='LOC', score=1.0, text='New York'),)
        """
        text = " ".join(words)
        return cls.from_word_spans(text, locate_joined(words), spans, id=id, group=group)

    @classmethod
    def from_word_spans(
        cls,
        text: str,
        words: Sequence[tuple[int, int]],
        spans: Iterable[WordSpan] = (),
        *,
        id: str = "",
        group: str = "",
    ) -> Document:
        """Mark entities of known words; `spans` are (first word, one past the last word, label).

        >>> words = [(0, 5), (6, 10)]
        >>> Document.from_word_spans("Mara, Lund", words, [(1, 2, "LOC")]).entities[0].text
        'Lund'
        """
        entities = []
        for first, last, label in spans:
            start = words[first][0]
            end = words[last - 1][1]
            entities.append(entity_at(text, start, end, label))
        return cls(text, tuple(entities), tuple(words), id, group)

    @classmethod
    def from_spacy(cls, doc: Any, *, id: str = "", group: str = "") -> Document:
        """Make a document of a Doc of spaCy's: its text, its tokens and its `ents`.

        White space is no word. Where a Doc has no `ents` its entities are the spans of the group
        `sc`, which may overlap.
        """
        text = doc.text
        entities = [entity_at(text, *span) for span in read_spans(doc)]
        return cls(text, tuple(entities), tuple(read_words(doc)), id, group)

    def to_spacy(self, nlp: Any = None) -> Any:
        """Make a Doc of spaCy's of the same text, with the entities as `ents`.

        Entities that overlap, which `ents` cannot hold, become the spans of the group `sc`. Words
        that an entity begins or ends in are cut there.

        Args:
            nlp: a Language, whose vocabulary is used, and whose tokenizer where no words are given;
                None: one that knows no language.

        Raises:
            MissingExtraError: spaCy is not installed.
        """
        spans = [LabelledSpan(*entity.key, entity.score) for entity in self.entities]
        return make_doc(self.text, self.words, spans, nlp)

    def to_dict(self) -> dict[str, Any]:
        """Make an object of JSON: id, text, words as `tokens` where they are given, entities.

        >>> mara = Document("Mara left", (entity_at("Mara left", 0, 4, "PER"),), id="a", group="b")
        >>> {key: value for key, value in mara.to_dict().items() if key != "entities"}
        {'id': 'a', 'text': 'Mara left', 'group': 'b'}
        """
        record: dict[str, Any] = {"id": self.id, "text": self.text}
        if self.words is not None:
            record["tokens"] = [{"start": start, "end": end} for start, end in self.words]
        record["entities"] = [entity.to_dict() for entity in self.entities]
        for name in ("group", "slice"):
            value = getattr(self, name)
            if value:
                record[name] = value
        return record

    def _repr_html_(self) -> str:
        """Show the text in a notebook, with its entities in colour."""
        return text_block(self.text, self.entities, Colours())

    def word_texts(self) -> list[str]:
        """Cut the text into the given words; empty for raw text."""
        return [self.text[start:end] for start, end in self.words or ()]

    def with_entities(self, entities: Iterable[Entity]) -> Document:
        """Mark other entities in the same text, for example predicted ones."""
        return replace(self, entities=tuple(entities))


def entity_at(text: str, start: int, end: int, label: str, score: float = 1.0) -> Entity:
    """Make an Entity that carries the characters it spans."""
    return Entity(start, end, label, score, text[start:end])


def locate_joined(words: Sequence[str]) -> list[tuple[int, int]]:
    """Find the (start, end) of each word in `" ".join(words)`.

    >>> locate_joined(["New", "", "York"])
    [(0, 3), (4, 4), (5, 9)]
    """
    spans = []
    position = 0
    for word in words:
        end = position + len(word)
        spans.append((position, end))
        position = end + 1
    return spans
