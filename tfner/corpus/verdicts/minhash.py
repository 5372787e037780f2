"""Find near duplicates by MinHash: Broder, "On the resemblance and containment of documents", 1997.

A text is the set of its runs of SHINGLE characters, blanks and case made one. That two sets have
the same least hash has the probability of their Jaccard similarity. So the share of equal hashes in
two signatures estimates it, and texts that agree in all hashes of a band are worth a comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

SHINGLE = 5  # characters
HASHES = 64  # the estimate's standard deviation is at most 1 / (2 √64) = 0.06
BAND = 4  # hashes; 16 bands let one pair in 4,500 escape at a similarity of 0.8, a third at 0.5
CHARACTERS_AT_ONCE = 1 << 16  # what fits in the processor's cache
PAIRS_AT_ONCE = 1 << 16
MOST_COMPARED = 20  # earlier texts that a text is compared with in a band
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 / golden ratio
HALF = np.uint64(32)
SHIFTS = HALF, np.uint64(29)
RANDOM = np.random.default_rng(1)
# A hash of a hash is the upper half of multiplier * it + offset; an odd multiplier loses nothing.
MULTIPLIERS = RANDOM.integers(1 << 63, size=HASHES, dtype=np.uint64) * 2 + 1
OFFSETS = RANDOM.integers(1 << 63, size=HASHES, dtype=np.uint64)


def normalize(text: str) -> str:
    """Make case and blanks one.

    >>> normalize("  The\\tCat ")
    'the cat'
    """
    return " ".join(text.casefold().split())


def shingles(text: str) -> set[str]:
    """Cut a normalized text into its runs of SHINGLE characters; a shorter text is one.

    >>> sorted(shingles("oslo x")), shingles("bo")
    (['oslo ', 'slo x'], {'bo'})
    """
    runs = max(1, len(text) - SHINGLE + 1)
    return {text[i : i + SHINGLE] for i in range(runs)}


def jaccard(one: str, other: str) -> float:
    """Divide the shingles that two normalized texts share by those that either has."""
    first = shingles(one)
    second = shingles(other)
    shared = len(first & second)
    return shared / len(first | second)


def signatures(texts: Iterable[str]) -> np.ndarray:
    """Make the signature of each normalized text; uint32 [D, HASHES].

    >>> one, other, third = signatures(["the cat sat there", "the cat sat here", "a dog"])
    >>> bool((one == other).mean() > 0.4), bool((one == third).mean() < 0.1)
    (True, True)
    """
    found = [np.zeros((0, HASHES), np.uint32)]
    block: list[str] = []
    held = 0
    for text in texts:
        block.append(text)
        held += len(text)
        if held >= CHARACTERS_AT_ONCE:
            found.append(_signatures_of_block(block))
            block = []
            held = 0
    if block:
        found.append(_signatures_of_block(block))
    return np.concatenate(found)


def _signatures_of_block(texts: Sequence[str]) -> np.ndarray:
    """Take the least of each hash over the shingles of each text."""
    padded = [text.ljust(SHINGLE, "\0") for text in texts]
    lengths = np.array(list(map(len, padded)))
    hashed = _hash_shingles("".join(padded))
    is_within = np.ones(lengths.sum(), np.bool_)
    ends = np.cumsum(lengths)
    for i in range(1, SHINGLE):  # shingles that begin in one text and end in the next
        is_within[ends - i] = False
    own = hashed[is_within[: len(hashed)]]
    shingle_counts = lengths - SHINGLE + 1
    begins = np.cumsum(shingle_counts) - shingle_counts
    found = np.empty((len(texts), HASHES), np.uint32)
    for i in range(HASHES):
        permuted = own * MULTIPLIERS[i] + OFFSETS[i]
        upper = permuted >> HALF
        found[:, i] = np.minimum.reduceat(upper, begins)
    return found


def _hash_shingles(text: str) -> np.ndarray:
    """Hash each run of SHINGLE characters; uint64 [len(text) - SHINGLE + 1]."""
    encoded = text.encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(encoded, np.uint32)
    runs = len(codes) - SHINGLE + 1
    hashed = np.zeros(runs, np.uint64)
    for i in range(SHINGLE):
        following = codes[i : i + runs]
        hashed = _mix(hashed + following)
    return hashed


def _mix(hashed: np.ndarray) -> np.ndarray:
    """Let every bit change all others."""
    for shift in SHIFTS:
        upper = hashed >> shift
        hashed = (hashed ^ upper) * FACTOR
    upper = hashed >> HALF
    return hashed ^ upper


def candidate_pairs(earlier_EH: np.ndarray, later_LH: np.ndarray) -> np.ndarray:
    """Pair texts that agree in a band; int [P, 2] of rows of `later_LH` and of `earlier_EH`.

    Of a band a later text has MOST_COMPARED partners at most, so that a template that a thousand
    texts are made from does not make a million pairs.

    >>> texts = ["the cat sat there", "a dog", "A dog "]
    >>> hashed = signatures(map(normalize, texts))
    >>> candidate_pairs(hashed[:2], hashed[2:]).tolist()
    [[0, 1]]
    """
    pairs = [np.zeros((0, 2), np.int64)]
    for first in range(0, HASHES, BAND):
        earlier = _band_keys(earlier_EH, first)
        later = _band_keys(later_LH, first)
        pairs.append(equal_pairs(earlier, later))
    joined = np.concatenate(pairs)
    return np.unique(joined, axis=0)


def equal_pairs(earlier_E: np.ndarray, later_L: np.ndarray) -> np.ndarray:
    """Pair each later key with the first MOST_COMPARED earlier ones that equal it; int [P, 2].

    >>> equal_pairs(np.array([7, 5, 7]), np.array([7, 6])).tolist()
    [[0, 0], [0, 2]]
    """
    order = np.argsort(earlier_E, kind="stable")
    ordered = earlier_E[order]
    left = np.searchsorted(ordered, later_L, "left")
    right = np.searchsorted(ordered, later_L, "right")
    partners = np.minimum(right - left, MOST_COMPARED)
    rows = np.arange(len(later_L)).repeat(partners)
    begins = np.cumsum(partners) - partners
    shifts = left - begins  # from where a row's pairs begin to where its partners do
    partner_numbers = np.arange(len(rows)) + shifts.repeat(partners)
    found = order[partner_numbers]
    return np.stack([rows, found], axis=1)


def _band_keys(signatures_DH: np.ndarray, first: int) -> np.ndarray:
    """Hash a band of each signature to one number; uint64 [D]."""
    keys = np.zeros(len(signatures_DH), np.uint64)
    for i in range(first, first + BAND):
        hashes = signatures_DH[:, i]
        keys = _mix(keys + hashes)
    return keys


def estimate(earlier_EH: np.ndarray, later_LH: np.ndarray, pairs_P2: np.ndarray) -> np.ndarray:
    """Estimate the Jaccard similarity of pairs of texts; float [P]."""
    found = [np.zeros(0)]
    for begin in range(0, len(pairs_P2), PAIRS_AT_ONCE):
        block = pairs_P2[begin : begin + PAIRS_AT_ONCE]
        rows, others = block.T
        is_same = later_LH[rows] == earlier_EH[others]
        share = is_same.mean(axis=1)
        found.append(share)
    return np.concatenate(found)


def near_duplicates(
    earlier: Sequence[str], later: Sequence[str], least: float
) -> dict[int, tuple[int, float]]:
    """Find texts that are nearly one of other texts, and which, all normalized.

    >>> earlier = ["a dog", "the cat sat on the mat for hours"]
    >>> near_duplicates(earlier, ["no", "the cat sat on the mat for hour"], least=0.6)
    {1: (1, 0.9642857142857143)}

    Args:
        least: Jaccard similarity of shingles in [0, 1], computed exactly.

    Returns:
        {row of later: (row of earlier, similarity)}, of each the first that is found, in the order
        of what was estimated.
    """
    earlier_EH = signatures(earlier)
    later_LH = signatures(later)
    pairs = candidate_pairs(earlier_EH, later_LH)
    estimates = estimate(earlier_EH, later_LH, pairs)
    deviation = (least * (1 - least) / HASHES) ** 0.5
    is_likely = estimates >= least - 3 * deviation
    likely = pairs[is_likely]
    order = np.lexsort((-estimates[is_likely], likely[:, 0]))
    found: dict[int, tuple[int, float]] = {}
    ordered: list[tuple[int, int]] = likely[order].tolist()
    for row, other in ordered:
        if row not in found:
            similarity = jaccard(earlier[other], later[row])
            if similarity >= least:
                found[row] = other, similarity
    return found
