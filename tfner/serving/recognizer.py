"""Recognizer: texts or words in, entities out, over a SavedModel or over the same functions of a live model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfner.data.portions import encode_text, portions
from tfner.data.text_ops import load_text_ops
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import ModelError
from tfner.tags import read_spans

CARD = Path("assets.extra") / "tfner.json"
DOCUMENTS_AT_ONCE = 256  # the more there are, the better windows of like length find together
CHARACTERS_AT_ONCE = 1 << 18  # of a padded portion: the decoder pads texts to the longest
Function = Callable[..., dict[str, tf.Tensor]]


class Recognizer:
    """Finds entities. `card` says what the model is: labels, encoder, versions, scores (see `tfner.json` of an export)."""

    def __init__(self, owner: Any, text: Function, words: Function, card: dict[str, Any]):
        self._owner = owner  # functions hold the object they belong to only weakly
        self._text = text
        self._words = words
        self.card = card

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recognizer:
        """Load an export, newest version or the one named; needs neither transformers nor tf_keras.

        Raises:
            ModelError: there is no SavedModel of tfner's.
        """
        folder = find_version(Path(path))
        card = read_card(folder)
        load_text_ops()
        try:
            model = tf.saved_model.load(str(folder))
            return cls(model, model.signatures["serving_default"], model.signatures["words"], card)
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise ModelError(f"{folder}: cannot be loaded as a SavedModel of tfner: {error}") from None

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
        width = max(map(len, sentences), default=0)
        padded = [[encode_text(word) for word in words] + [b""] * (width - len(words)) for words in sentences]
        answer = as_numpy(self._words(words=tf.constant(padded, tf.string, [len(sentences), width])))
        return [
            ([tag.decode() or "O" for tag in tags[: len(words)]], scores[: len(words)].tolist())
            for words, tags, scores in zip(sentences, answer["tag"], answer["score"], strict=True)
        ]

    def documents(self, documents: Iterable[Document]) -> Iterator[list[Entity]]:
        """Entities of a stream of documents, in order: on the given words where there are any, else from the text."""
        for portion in portions(documents, count=DOCUMENTS_AT_ONCE, characters=CHARACTERS_AT_ONCE):
            if portion[0].words is None:
                yield from self._of_texts([document.text for document in portion])
            else:
                yield from self._of_words(portion)

    def _of_texts(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        answer = as_numpy(self._text(text=tf.constant([encode_text(text) for text in texts])))
        return (list(entities_of(text, answer, row)) for row, text in enumerate(texts))

    def _of_words(self, documents: Sequence[Document]) -> Iterator[list[Entity]]:
        tagged = self.tag_batch([document.word_texts() for document in documents])
        for document, (tags, scores) in zip(documents, tagged, strict=True):
            spans, _ = read_spans(tags, self.card["tag_scheme"])
            yield [entity_on_words(document, span, scores) for span in spans]


def entity_on_words(document: Document, span: tuple[int, int, str], scores: Sequence[float]) -> Entity:
    """An entity from a span of words; its score is the mean probability of the tags of the words that the encoder sees."""
    first, last, label = span
    words = document.words or ()
    seen = [score for score in scores[first:last] if score > 0]
    return entity_at(document.text, words[first][0], words[last - 1][1], label, float(np.mean(seen)) if seen else 0.0)


def entities_of(text: str, answer: dict[str, np.ndarray], row: int) -> Iterator[Entity]:
    """The entities of one row of the text signature's answer."""
    for i in range(answer["entity_count"][row]):
        start, end = int(answer["entity_start"][row, i]), int(answer["entity_end"][row, i])
        yield entity_at(text, start, end, answer["entity_label"][row, i].decode(), float(answer["entity_score"][row, i]))


def as_numpy(answer: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in answer.items()}


def find_version(path: Path) -> Path:
    """The folder of one version: `path` itself, or its newest numbered subfolder that is complete."""
    if (path / "saved_model.pb").is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: no such folder")
    versions = [folder for folder in path.iterdir() if folder.name.isdecimal() and (folder / "saved_model.pb").is_file()]
    if not versions:
        raise ModelError(f"{path}: expected a SavedModel or numbered versions of one, found neither")
    return max(versions, key=lambda folder: int(folder.name))


def read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: not an export of tfner: {CARD} cannot be read: {error}") from None
    if not isinstance(card, dict) or "tag_scheme" not in card:
        raise ModelError(f"{folder / CARD}: expected a JSON object with tag_scheme")
    return card
