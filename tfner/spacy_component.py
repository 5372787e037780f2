"""Offer a tagger as a component of spaCy's pipelines: `nlp.add_pipe("tfner", config=…)`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from spacy.language import Language
from spacy.tokens import Doc, Span

import tfner
from tfner.documents import Entity
from tfner.serving.runtime.recognizer import Recognizer
from tfner.spacy_docs import LabelledSpan, char_span, import_spacy

logger = logging.getLogger(__name__)

AlignmentMode = Literal["strict", "contract", "expand"]
DEFAULTS = {"batch_size": 64, "alignment_mode": "expand", "threshold": 0.0}
ASSIGNS = ["doc.ents", "token.ent_iob", "token.ent_type"]
LEFT_OUT = (
    "an entity is left out, because it fits no tokens of spaCy's or overlaps an entity that is "
    "there; the component counts such in its attribute left_out"
)


@Language.factory("tfner", assigns=ASSIGNS, default_config=DEFAULTS)
def make_component(
    nlp: Language,
    name: str,
    model: str,
    batch_size: int,
    alignment_mode: AlignmentMode,
    threshold: float,
) -> EntityTagger:
    """Open a model for a pipeline.

    Args:
        model: an exported folder or a version of it, or the URL of a served model.
        batch_size: most texts that are asked about together.
        alignment_mode: what becomes of an entity that ends within a token of spaCy's: `expand`
            takes the whole token, `contract` none of it, `strict` leaves the entity out.
        threshold: entities that score less are left out.

    Raises:
        ModelError: there is no such model.
    """
    import_spacy("the component tfner")
    is_url = "://" in model
    recognizer = tfner.connect(model) if is_url else tfner.load(model)
    return EntityTagger(recognizer, batch_size, alignment_mode, threshold)


class EntityTagger:
    """Set `doc.ents`, each with its score as `span._.score`.

    Entities that are there already stay. The model is not saved with a pipeline: its config names
    the folder, which has to be there when the pipeline is loaded.

    Attributes:
        left_out: how many entities fit no tokens, or overlapped what was there.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        batch_size: int = 64,
        alignment_mode: AlignmentMode = "expand",
        threshold: float = 0.0,
    ):
        self.recognizer = recognizer
        self.left_out = 0
        self._batch_size = batch_size
        self._alignment_mode = alignment_mode
        self._threshold = threshold

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int | None = None) -> Iterator[Doc]:
        """Mark Docs, some at a time: as many as the smaller of the two sizes says."""
        size = min(self._batch_size, batch_size or self._batch_size)
        docs = iter(stream)
        while batch := list(islice(docs, size)):
            texts = [doc.text for doc in batch]
            found = self.recognizer.batch(texts, threshold=self._threshold)
            for doc, entities in zip(batch, found, strict=True):
                self._mark(doc, entities)
                yield doc

    def _mark(self, doc: Doc, entities: Iterable[Entity]) -> None:
        spans: list[Span] = list(doc.ents)
        taken = {token.i for span in spans for token in span}
        for entity in entities:
            labelled = LabelledSpan(*entity.key, entity.score)
            span = char_span(doc, labelled, self._alignment_mode)
            if span is None or not taken.isdisjoint(range(span.start, span.end)):
                self._leave_out()
                continue
            taken.update(range(span.start, span.end))
            spans.append(span)
        doc.ents = spans

    def _leave_out(self) -> None:
        if not self.left_out:
            logger.warning(LEFT_OUT)
        self.left_out += 1
