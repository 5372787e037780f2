"""Look for entities in dev: without any, its F1 is 0 whatever a model finds.

A training says so and goes on, a search is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.safeio.sources import name_source
from tfner.setting_groups import DataSettings
from tfner.training.held_out import Division

logger = logging.getLogger(__name__)
NO_ENTITIES = "expected entities, found none"


def has_entities(documents: Iterable[Document]) -> bool:
    """Tell whether any document has an entity, reading no further than the first that has."""
    return any(document.entities for document in documents)


def warn_without_entities(data: DataSettings, documents: Sequence[Document]) -> None:
    """Warn of dev documents without an entity, which let no epoch be better than another."""
    if documents and not has_entities(documents):
        source = name_source(data.dev or "")
        count = len(documents)
        effect = "its F1 is 0 in every epoch"
        logger.warning("data.dev: %s: %s in %d documents: %s", source, NO_ENTITIES, count, effect)


def check_dev(data: DataSettings, division: Division | None) -> None:
    """Check that a search has entities on dev to compare its trials by.

    Args:
        data: of the search, with a dev split.
        division: the splits that are shares of the training data, unless they were checked before.

    Raises:
        DataError: there are none, or dev cannot be read.
    """
    source = data.dev or ""
    if "dev" in data.shares():
        documents = None if division is None else division.documents["dev"]
    else:
        documents = read_documents(source, data, Ledger())
    if documents is not None and not has_entities(documents):
        effect = "the F1 of every trial would be 0"
        raise DataError(f"data.dev: {name_source(source)}: {NO_ENTITIES}: {effect}")
