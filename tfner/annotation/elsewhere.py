"""Look at the same string elsewhere: is it marked there as it is here, or as is proposed?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from tfner.corpus.verdicts.strings import Usage, WordRow, Words, split_words, words_of
from tfner.documents import Document, Entity

SMOOTHING = 0.5  # added to each count


class Elsewhere(NamedTuple):
    """Count the other texts' strings that are marked as here, and those as is proposed."""

    as_marked: int
    as_proposed: int

    @property
    def log_ratio(self) -> float:
        """Compare both counts; above 0 where more are as proposed.

        >>> Elsewhere(0, 0).log_ratio, round(Elsewhere(as_marked=1, as_proposed=7).log_ratio, 2)
        (0.0, 1.61)
        """
        as_proposed = self.as_proposed + SMOOTHING
        as_marked = self.as_marked + SMOOTHING
        return math.log(as_proposed / as_marked)


class StringCounts:
    """Tell how the strings of a document are marked elsewhere.

    Args:
        usages: of the whole corpus; see `tfner.corpus.verdicts.strings.count_usages`.
    """

    def __init__(self, usages: Mapping[Words, Usage], document: Document):
        self._usages = usages
        self._document = document
        self._row: WordRow = split_words(document)

    def compare(self, marked: Entity | None, proposed: Entity | None) -> Elsewhere:
        """Count the string of a mark, and that of the proposal, where they are marked likewise.

        Where nothing is marked or proposed the string of the other counts where it is unmarked.
        """
        here = self._labelled(marked) if marked else self._unmarked(proposed)
        as_proposed = self._labelled(proposed) if proposed else self._unmarked(marked)
        return Elsewhere(max(0, here - 1), as_proposed)

    def _usage(self, entity: Entity) -> Usage:
        words = words_of(entity, self._document, self._row)
        return self._usages.get(words, Usage(entity.text))

    def _labelled(self, entity: Entity) -> int:
        return self._usage(entity).labels[entity.label]

    def _unmarked(self, entity: Entity | None) -> int:
        return self._usage(entity).unmarked if entity else 0
