"""Score predictions against gold: from documents and a recognizer to a Report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tfner.documents import Document, Entity
from tfner.evaluation.errors import analyse_errors
from tfner.evaluation.intervals import measure_intervals
from tfner.evaluation.partial_matches import count_partial_matches
from tfner.evaluation.reliability import judge, measure_reliability
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import EntityScores, score_entities, score_slices

Recognize = Callable[[Iterable[Document]], Iterator[list[Entity]]]


def score_documents(recognize: Recognize, documents: Sequence[Document]) -> EntityScores:
    """Score predictions for documents against the entities that stand in them."""
    gold = (document.entities for document in documents)
    return score_entities(zip(gold, recognize(documents), strict=True))


def evaluate_documents(
    recognize: Recognize, documents: Sequence[Document], **report_fields: Any
) -> tuple[Report, list[list[Entity]]]:
    """Recognize entities and make a full report, with error analysis and slices.

    `report_fields` are further fields of the Report.

    Returns:
        The report, and each document's predictions.
    """
    predicted = list(recognize(documents))
    pairs = list(zip(documents, predicted, strict=True))
    entity_pairs = [(document.entities, found) for document, found in pairs]
    scores = score_entities(entity_pairs)
    units = sum(len(document.words or document.text.split()) for document in documents)
    report_fields |= {"documents": len(documents), "units": units}
    report_fields["intervals"] = measure_intervals(documents, predicted)
    judged = judge(documents, predicted)
    if judged.score.size:
        report_fields["reliability"] = measure_reliability(judged.score, judged.right)
    report_fields["partial_matches"] = count_partial_matches(entity_pairs)
    errors, slices = analyse_errors(pairs), score_slices(pairs)
    return Report(scores=scores, errors=errors, slices=slices, **report_fields), predicted
