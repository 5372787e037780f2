"""The choice of texts, on made-up probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from tfner.annotation.selection import POOL, Pool, choose_texts
from tfner.annotation.uncertainty import find_spots, weigh_length
from tfner.corpus.verdicts.minhash import jaccard, normalize
from tfner.documents import Document


def probabilities(doubts):
    """One unit a doubt: O or B-PER; None is surely outside."""
    rows = [[1.0, 0.0] if doubt is None else [doubt, 1 - doubt] for doubt in doubts]
    return np.array(rows).reshape(len(doubts), 2)


def fill(pool, texts):
    for text, doubts in texts:
        document = Document.from_words(text.split())
        pool.add(document, document.words, probabilities(doubts))
    return pool


def pick(texts, count=3, size=100, seed=1):
    pool = fill(Pool(size, seed), texts)
    return [choice.candidate.document.text for choice in choose_texts(pool.candidates(), count)]


def random_texts(count, words=8, seed=1):
    chooser = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        row = [f"{chooser.integers(10**9):x}" for _ in range(words)]
        doubts = chooser.uniform(0.0, 0.5, words)
        texts.append((" ".join(row), doubts.tolist()))
    return texts


def test_a_spot_is_as_doubtful_as_its_least_certain_unit():
    unit = [[0.02, 0.98], [0.4, 0.6], [1.0, 0.0], [0.0, 0.0], [0.1, 0.9]]
    spots = [(spot.first, spot.last, round(spot.doubt, 2)) for spot in find_spots(np.array(unit))]
    assert spots == [(0, 2, 0.4), (4, 5, 0.1)]  # the model does not see the fourth unit
    assert find_spots(np.zeros((0, 3))) == []


def test_the_model_is_least_sure_of_what_is_chosen_first():
    texts = [("aaaa bbbb", [0.01, None]), ("cccc dddd", [0.45, None]), ("eeee ffff", [0.2, None])]
    assert pick(texts) == ["cccc dddd", "eeee ffff", "aaaa bbbb"]


def test_a_long_text_needs_more_doubt_than_a_short_one():
    assert weigh_length(180) == pytest.approx(2.236, abs=0.001)
    words = " ".join(f"word{n}" for n in range(179))
    long = (f"Orun {words}", [0.5, *[None] * 179])
    short = ("Kell said", [0.4, None])
    assert pick([long, short], 1) == ["Kell said"]
    twice = (f"Orun {words}", [0.5, None, 0.5, None, 0.5, None, 0.5, *[None] * 173])
    assert pick([twice, short], 1) == [twice[0]]


def test_no_text_is_chosen_twice_nor_one_that_is_nearly_another():
    base = "Mara Dulvane left Kell Orun in the year of the great flood and never came back"
    near = f"{base} again"
    assert jaccard(normalize(base), normalize(near)) >= 0.8
    doubts = [0.4] * 16
    texts = [(base, doubts[:16]), (base.upper(), doubts[:16]), (near, [0.3] * 17)]
    texts.append(("something else", [0.1, None]))
    pool = fill(Pool(100, 1), texts)
    assert (pool.seen, pool.repeated) == (4, 1)
    assert pick(texts) == [base, "something else"]


def test_what_is_chosen_makes_the_same_strings_worth_less():
    texts = [(f"Orun {letter * 9}", [0.5, None]) for letter in "abc"]
    texts.append(("Kell dddddddd", [0.3, None]))
    chosen = pick(texts, 4)
    assert chosen.index("Kell dddddddd") == 1  # 0.3 is more than half of 0.5
    worths = [each.worth for each in choose_texts(fill(Pool(9, 1), texts).candidates(), 4)]
    assert worths == sorted(worths, reverse=True)


def test_the_choice_is_that_of_a_plain_search():
    texts = random_texts(60)
    pool = fill(Pool(1000, 1), texts)
    left = pool.candidates()
    from collections import Counter

    strings = Counter()
    expected = []
    for _ in range(10):
        best = max(left, key=lambda each: each.worth(strings))
        left.remove(best)
        strings.update(string for string, _ in best.doubts)
        expected.append(best.number)
    chosen = choose_texts(pool.candidates(), 10)
    assert [each.candidate.number for each in chosen] == expected


def test_the_pool_holds_so_many_texts_whatever_the_input_and_the_best_ones():
    texts = random_texts(300)
    pool = fill(Pool(20, 1), texts)
    assert len(pool.candidates()) == 20
    everything = fill(Pool(1000, 1), texts).candidates()
    assert [each.number for each in pool.candidates()] == [each.number for each in everything[:20]]
    assert pick(texts, 3, size=3 * POOL) == pick(texts, 3, size=1000)


def test_the_same_seed_chooses_the_same_and_another_one_among_equals():
    texts = [(f"name{n:08} said", [0.4, None]) for n in range(30)]
    assert pick(texts, seed=1) == pick(texts, seed=1)
    assert pick(texts, seed=1) == pick(texts[::-1], seed=1)
    assert pick(texts, seed=1) != pick(texts, seed=2)


def test_blank_texts_are_never_chosen():
    pool = Pool(9, 1)
    pool.add(Document("  "), (), np.zeros((0, 2)))
    assert (pool.candidates(), pool.seen) == ([], 1)
