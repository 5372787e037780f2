"""Predictions against gold: from documents and something that recognizes entities to a Report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tfner.documents import Document, Entity
from tfner.evaluation.errors import analyse_errors
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import EntityScores, score_entities, score_slices

Recognize = Callable[[Iterable[Document]], Iterator[list[Entity]]]


def score_documents(recognize: Recognize, documents: Sequence[Document]) -> EntityScores:
    """Score predictions for documents against the entities that stand in them."""
    return score_entities(
        zip((document.entities for document in documents), recognize(documents), strict=True)
    )


def evaluate_documents(
    recognize: Recognize, documents: Sequence[Document], **facts: Any
) -> tuple[Report, list[list[Entity]]]:
    """A full report with error analysis and slices, and the predictions; `facts` go into the Report as they are."""
    predicted = list(recognize(documents))
    pairs = list(zip(documents, predicted, strict=True))
    report = Report(
        scores=score_entities((document.entities, found) for document, found in pairs),
        errors=analyse_errors(pairs),
        slices=score_slices(pairs),
        documents=len(documents),
        units=sum(len(document.words or document.text.split()) for document in documents),
        **facts,
    )
    return report, predicted
