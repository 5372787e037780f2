"""Expected calibration error against a plain loop, and what is right as the scores count it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity
from tfner.evaluation.evaluate import evaluate_documents
from tfner.evaluation.reliability import judge, measure_reliability
from tfner.evaluation.scores import score_entities

ENTITIES = st.lists(
    st.builds(Entity, st.integers(0, 2), st.integers(3, 4), st.sampled_from("AB"), st.floats(0, 1)),
    max_size=6,
)


@pytest.mark.parametrize(("count", "bins"), [(1, 1), (99, 1), (250, 2), (608, 6), (5000, 15)])
def test_the_error_is_that_of_a_plain_loop(count, bins):
    random = np.random.default_rng(count)
    score = random.random(count)
    right = random.random(count) < score**2
    found = measure_reliability(score, right)
    ranked = sorted(zip(score.tolist(), right.tolist(), strict=True))
    total, start = 0.0, 0
    for one in found.bins:
        members = ranked[start : start + one.entities]
        start += one.entities
        mean = sum(score for score, _ in members) / len(members)
        share = sum(is_right for _, is_right in members) / len(members)
        assert (one.score, one.right) == pytest.approx((mean, share))
        total += len(members) / count * abs(mean - share)
    assert start == found.entities == count
    assert found.ece == pytest.approx(total)
    assert len(found.bins) == bins
    sizes = [one.entities for one in found.bins]
    assert max(sizes) - min(sizes) <= 1


def test_what_perfect_scores_show_by_chance_is_what_they_show_on_average():
    random = np.random.default_rng(5)
    score = random.beta(3, 1, 700)
    drawn = [measure_reliability(score, random.random(700) < score).ece for _ in range(300)]
    by_chance = measure_reliability(score, score > 0.5).by_chance
    assert by_chance == pytest.approx(np.mean(drawn), rel=0.05)


def test_of_no_entity_there_is_no_error():
    assert measure_reliability(np.zeros(0), np.zeros(0, bool)) == (0, 0.0, 0.0, ())


@given(st.lists(st.tuples(ENTITIES, ENTITIES), max_size=5))
def test_what_is_right_is_what_the_scores_count(pairs):
    documents = [Document("xxxx", tuple(gold)) for gold, _ in pairs]
    predicted = [found for _, found in pairs]
    judged = judge(documents, predicted)
    scores = score_entities(pairs)
    for label in "AB":
        of_label = judged.label == label
        assert of_label.sum() == scores.predicted.get(label, 0)
        assert judged.right[of_label].sum() == scores.correct.get(label, 0)
    assert judged.score.tolist() == [entity.score for found in predicted for entity in found]


def test_sentences_of_one_document_have_its_number():
    groups = ("a", "", "a", "b", "")
    documents = [Document("x", group=group) for group in groups]
    judged = judge(documents, [[Entity(0, 1, "A", 0.5)]] * 5)
    assert judged.document.tolist() == [0, 1, 0, 2, 3]


def test_every_evaluation_reports_it():
    documents = [Document("Bo", (Entity(0, 2, "A"),)), Document("Al")]
    found = [[Entity(0, 2, "A", 0.75)], [Entity(0, 2, "A", 0.25)]]
    report, _ = evaluate_documents(lambda _: iter(found), documents)
    assert report.reliability.entities == 2
    assert report.reliability.ece == 0.0
    assert report.to_dict()["reliability"]["bins"] == [{"entities": 2, "score": 0.5, "right": 0.5}]


def test_an_evaluation_that_finds_nothing_reports_none():
    report, _ = evaluate_documents(lambda _: iter([[]]), [Document("Bo", (Entity(0, 2, "A"),))])
    assert report.reliability is None
    assert "reliability" not in report.to_dict()
