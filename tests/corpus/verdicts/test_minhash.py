"""MinHash against comparing every pair of sets."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.verdicts import minhash
from tfner.corpus.verdicts.minhash import (
    HASHES,
    candidate_pairs,
    equal_pairs,
    estimate,
    jaccard,
    near_duplicates,
    normalize,
    shingles,
    signatures,
)

WORDS = "".join(map(chr, range(ord("a"), ord("z") + 1)))
TEXTS = st.lists(st.sampled_from(["anna", "met", "bo", "in", "東京", "oslo"])).map(" ".join)


def plain_jaccard(one, other):
    """Count shingles one by one."""
    sets = []
    for text in (one, other):
        found = []
        for i in range(len(text)):
            if i == 0 or i + 5 <= len(text):
                found.append(text[i : i + 5])
        sets.append(found or [""])
    union = {*sets[0], *sets[1]}
    return sum(each in sets[0] and each in sets[1] for each in union) / len(union)


def made_texts(count, seed):
    """Draw texts of invented words, and for each one with some words changed."""
    random = Random(seed)
    words = ["".join(random.choices(WORDS, k=random.randint(2, 9))) for _ in range(2000)]
    texts, changed = [], []
    for _ in range(count):
        own = random.choices(words, k=random.randint(3, 30))
        texts.append(" ".join(own))
        for _ in range(random.randrange(len(own))):
            own[random.randrange(len(own))] = random.choice(words)
        changed.append(" ".join(own))
    return texts, changed


@given(TEXTS, TEXTS)
def test_similarity_is_that_of_plain_counting(one, other):
    assert jaccard(one, other) == pytest.approx(plain_jaccard(one, other))
    assert jaccard(one, one) == 1


@given(st.lists(TEXTS, min_size=2, max_size=8))
def test_an_estimate_is_near_the_true_similarity(texts):
    hashed = signatures(texts)
    pairs = np.array([(0, number) for number in range(len(texts))])
    found = estimate(hashed, hashed, pairs)
    for (_, number), similarity in zip(pairs, found, strict=True):
        true = jaccard(texts[0], texts[number])
        deviation = (true * (1 - true) / HASHES) ** 0.5
        assert similarity == pytest.approx(true, abs=5 * deviation + 1e-9)


def test_estimates_are_right_on_average_and_spread_as_theory_says():
    texts, changed = made_texts(600, seed=3)
    pairs = np.array([(number, number) for number in range(600)])
    found = estimate(signatures(texts), signatures(changed), pairs)
    true = np.array([jaccard(one, other) for one, other in zip(texts, changed, strict=True)])
    assert 0.1 < true.mean() < 0.9
    error = found - true
    assert abs(error.mean()) < 0.01
    expected = np.sqrt((true * (1 - true) / HASHES).mean())
    assert np.sqrt((error**2).mean()) == pytest.approx(expected, rel=0.2)


@given(st.lists(st.text("abcde \U0001f600\ud800", max_size=12), min_size=1, max_size=9))
def test_a_signature_depends_on_its_own_text_alone(texts):
    together = signatures(texts)
    assert together.shape == (len(texts), HASHES)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_array_equal(signatures([text])[0], row)


def test_signatures_do_not_depend_on_where_a_block_ends(monkeypatch):
    texts, _ = made_texts(50, seed=4)
    whole = signatures(texts)
    monkeypatch.setattr(minhash, "CHARACTERS_AT_ONCE", 100)
    np.testing.assert_array_equal(signatures(texts), whole)
    assert signatures([]).shape == (0, HASHES)


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_pairs_of_equal_keys_are_those_of_two_loops(earlier, later):
    found = equal_pairs(np.array(earlier, np.uint64), np.array(later, np.uint64))
    expected = [
        [row, other]
        for row, key in enumerate(later)
        for other, known in enumerate(earlier)
        if key == known
    ]
    assert found.tolist() == expected


def test_a_template_of_many_texts_makes_few_pairs():
    earlier = signatures(["the same text again"] * 500)
    pairs = candidate_pairs(earlier, earlier)
    assert len(pairs) == 500 * minhash.MOST_COMPARED


def test_near_duplicates_are_those_of_comparing_every_pair():
    texts, changed = made_texts(150, seed=5)
    found = near_duplicates(texts, changed, least=0.8)
    known = [shingles(text) for text in texts]
    true = {}
    for row, text in enumerate(changed):
        own = shingles(text)
        most = max(len(own & other) / len(own | other) for other in known)
        if most >= 0.8:
            true[row] = most
    assert 10 < len(true) < 140
    assert {row: similarity for row, (_, similarity) in found.items()} == true
    for row, (other, similarity) in found.items():
        assert similarity == jaccard(texts[other], changed[row])


def test_the_most_similar_text_is_compared_first():
    texts, _ = made_texts(40, seed=6)
    (longest,) = sorted(texts, key=len)[-1:]
    near, nearer = f"{longest} and further words", f"{longest} and"
    assert jaccard(longest, near) > 0.5
    for earlier in ([near, nearer], [nearer, near]):
        found = near_duplicates(earlier, [longest], least=0.5)
        assert found[0] == (earlier.index(nearer), jaccard(longest, nearer))


def test_case_and_blanks_make_no_difference():
    assert normalize("\tAnna  MET\nBo ") == "anna met bo"
    assert normalize("STRASSE") == normalize("Straße")
