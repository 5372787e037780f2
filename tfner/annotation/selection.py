"""Choose texts whose marking teaches most: a model is unsure of them, and none is like another.

Texts are read once. A pool of those that the model is least sure of is kept, and texts are chosen
from it one by one. What is chosen makes others with the same strings worth less.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from tfner.annotation.uncertainty import find_spots, weigh_length
from tfner.corpus.verdicts.leakage import NEAR
from tfner.corpus.verdicts.minhash import jaccard, normalize, signatures
from tfner.documents import Document

POOL = 20  # texts that are kept for each that is asked for
WORN = 0.5  # of the doubt about a string remains each time that it is chosen
MARGIN = 0.2  # an estimate of similarity is that far off in one pair of a thousand at most


@dataclass(frozen=True)
class Candidate:
    """Hold a text, and what its marking would teach.

    Attributes:
        number: of the text in the input, from 0.
        doubts: of each string that may be an entity, in small letters, how unsure the model is.
        length_weight: what their sum is divided by.
        tie_break: decides among texts of which the model is equally unsure.
    """

    document: Document
    number: int
    doubts: tuple[tuple[str, float], ...]
    length_weight: float
    tie_break: bytes

    @property
    def expected_errors(self) -> float:
        """Sum up how many of its entities the model is expected to get wrong."""
        return sum(doubt for _, doubt in self.doubts)

    def worth(self, chosen: Counter[str]) -> float:
        """Weigh what is still to be learned, given how often each string has been chosen."""
        left = [doubt * WORN ** chosen[string] for string, doubt in self.doubts]
        return sum(left) / self.length_weight


@dataclass(frozen=True)
class Choice:
    """Hold a chosen text and its worth when it was chosen."""

    candidate: Candidate
    worth: float


class Pool:
    """Keep the texts of which a model is least sure; none stands in it twice.

    Args:
        size: most texts that are kept, whatever the length of the input.
        seed: decides between texts of the same worth.

    Attributes:
        repeated: texts that were left out since the same one is kept.
    """

    def __init__(self, size: int, seed: int):
        self.repeated = 0
        self.seen = 0
        self._size = size
        self._seed = seed
        self._heap: list[tuple[float, bytes, Candidate]] = []
        self._kept: set[bytes] = set()

    def add(
        self, document: Document, units: Sequence[tuple[int, int]], probabilities: np.ndarray
    ) -> None:
        """Look at a text; what a model says of its units is [U, K]."""
        number = self.seen
        self.seen += 1
        text = normalize(document.text)
        tie_break = self._hash(text)
        if not text:
            return
        if tie_break in self._kept:
            self.repeated += 1
            return
        doubts = []
        for first, last, doubt in find_spots(probabilities):
            string = document.text[units[first][0] : units[last - 1][1]]
            doubts.append((normalize(string), doubt))
        weight = weigh_length(len(units))
        candidate = Candidate(document, number, tuple(doubts), weight, tie_break)
        worth = candidate.worth(Counter())
        heapq.heappush(self._heap, (worth, tie_break, candidate))
        self._kept.add(tie_break)
        if len(self._heap) > self._size:
            _, forgotten, _ = heapq.heappop(self._heap)
            self._kept.remove(forgotten)

    def _hash(self, text: str) -> bytes:
        content = text.encode("utf-8", "surrogatepass")
        key = str(self._seed).encode()
        return blake2b(content, digest_size=16, key=key).digest()

    def candidates(self) -> list[Candidate]:
        """List what is kept, the most worthy first."""
        ordered = sorted(self._heap, key=lambda item: item[:2], reverse=True)
        return [candidate for *_, candidate in ordered]


def choose_texts(candidates: Sequence[Candidate], count: int) -> Iterator[Choice]:
    """Choose texts one by one, each the one of most worth then that is nearly none chosen before.

    Near is what shares 0.8 of its runs of five characters with another. A worth only falls as
    others are chosen, so the best is looked for among those whose last worth was highest.
    """
    texts = [normalize(each.document.text) for each in candidates]
    hashed = signatures(texts)
    chosen: list[int] = []
    strings = Counter[str]()
    queue = []
    for row, each in enumerate(candidates):
        worth = each.worth(strings)
        queue.append((-worth, each.tie_break, row))
    heapq.heapify(queue)
    while queue and len(chosen) < count:
        _, tie_break, row = heapq.heappop(queue)
        candidate = candidates[row]
        worth = candidate.worth(strings)
        if queue and (-worth, tie_break) > queue[0][:2]:
            heapq.heappush(queue, (-worth, tie_break, row))
        elif not is_near(row, chosen, texts, hashed):
            chosen.append(row)
            strings.update(string for string, _ in candidate.doubts)
            yield Choice(candidate, worth)


def is_near(row: int, chosen: Sequence[int], texts: Sequence[str], hashed: np.ndarray) -> bool:
    """Tell whether a text is nearly one of those that were chosen."""
    if not chosen:
        return False
    is_same_hash = hashed[np.array(chosen)] == hashed[row]
    estimates = is_same_hash.mean(axis=1)
    (likely,) = np.nonzero(estimates >= NEAR - MARGIN)
    rows: list[int] = likely.tolist()
    others = [texts[chosen[index]] for index in rows]
    return any(jaccard(other, texts[row]) >= NEAR for other in others)
