"""Thresholds on what is found: in calls, over asyncio's client's rules, and on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny
from command_line import CommandLine, refused
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Entity
from tfner.predict import read_thresholds
from tfner.serving.runtime.thresholds import Thresholds, parse_thresholds

TEXT = "anna lund met boris near the acme corp in oslo, and clara saw paris."
scores = st.floats(0, 1, allow_nan=False)


@pytest.fixture
def line(capsys, monkeypatch, tmp_path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys, monkeypatch)


@given(st.lists(st.tuples(st.sampled_from("AB"), scores)), scores, scores)
def test_what_scores_enough_is_kept_in_order(found, of_a, of_all):
    entities = [Entity(n, n + 1, label, score) for n, (label, score) in enumerate(found)]
    assert Thresholds(of_all).keep(entities) == [e for e in entities if e.score >= of_all]
    by_type = Thresholds({"A": of_a}, ["A", "B"]).keep(entities)
    assert by_type == [e for e in entities if e.label != "A" or e.score >= of_a]


@pytest.mark.parametrize(
    ("threshold", "kind", "message"),
    [
        (1.5, ValueError, "threshold: expected a probability between 0 and 1, got 1.5"),
        ({"PER": -1}, ValueError, r"threshold\['PER'\]: expected a probability between 0 and 1"),
        ({"RIVER": 0.5}, ValueError, "threshold: expected types of LOC, PER, got RIVER"),
        ("0.5", TypeError, "threshold: expected a number, or numbers by type, got str: '0.5'"),
        (None, TypeError, "threshold: expected a number, or numbers by type, got NoneType"),
        (True, TypeError, "threshold: expected a number, or numbers by type, got bool"),
        (np.bool_(True), TypeError, "threshold: expected a number, or numbers by type, got bool"),
        (np.float32(1.5), ValueError, "threshold: expected a probability between 0 and 1, got 1.5"),
        (10**400, ValueError, "threshold: expected a probability between 0 and 1, got 1000"),
        (float("nan"), ValueError, "threshold: expected a probability between 0 and 1, got nan"),
        ({1: 0.5}, TypeError, "threshold: expected names of types, got int: 1$"),
        ({"PER": 0.5, None: 0.5}, TypeError, "threshold: expected names of types, got NoneType"),
        ({"": 0.99}, ValueError, "threshold: expected names of types, got an empty one"),
    ],
)
def test_other_thresholds_are_refused(threshold, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        Thresholds(threshold, ["LOC", "PER"])


def test_names_are_checked_where_the_types_are_unknown_too():
    for threshold, kind in (({1: 0.5}, TypeError), ({"": 0.5}, ValueError)):
        with pytest.raises(kind, match=r"^threshold: expected names of types, got"):
            Thresholds(threshold)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_scalars_of_numpy_are_numbers(kind):
    half, third = Entity(0, 1, "A", 0.5), Entity(1, 2, "A", 0.499999999)
    assert Thresholds(kind(0.5)).keep([half, third]) == [half]
    assert Thresholds({"A": kind(0.5)}).keep([half, third]) == [half]
    assert Thresholds(np.int64(1)).keep([half]) == []


def test_calls_leave_out_what_scores_less():
    ner = tiny.loaded()
    whole = ner(TEXT)
    middle = sorted(entity.score for entity in whole)[len(whole) // 2]
    sure = ner(TEXT, threshold=middle)
    assert 0 < len(sure) < len(whole)
    assert sure == [entity for entity in whole if entity.score >= middle]
    label = sure[0].label
    assert ner.batch([TEXT], threshold={label: 1.0}) == [[e for e in whole if e.label != label]]
    with pytest.raises(ValueError, match="expected types of LOC, ORG, PER, got RIVER"):
        ner(TEXT, threshold={"RIVER": 0.5})


def test_labels_and_the_probability_of_each_tag():
    ner = tiny.loaded()
    assert ner.labels == ("LOC", "ORG", "PER")
    words = ["anna", "\u200b", "oslo"]
    pairs = ner.tag(words, scores=True)
    assert [tag for tag, _ in pairs] == ner.tag(words)
    assert pairs[1][1] == 0.0  # a word that the encoder cannot see
    assert all(0 < pairs[index][1] <= 1 for index in (0, 2))
    assert ner.tag([], scores=True) == []


@pytest.mark.long
def test_thresholds_of_the_command_line(line, tmp_path):
    (tmp_path / "in.txt").write_text(TEXT + "\n")
    arguments = ("predict", tiny.exported(), "in.txt", "--format", "jsonl")

    def found(*more):
        done = line(*arguments, *more)
        assert done.code == 0, done.stderr
        return [entity["score"] for entity in json.loads(done.stdout)["entities"]]

    whole = found()
    assert found("--threshold", "0.9") == [score for score in whole if score >= 0.9]
    assert len(found("--threshold", "0.9")) < len(whole)
    ended = line(*arguments, "--threshold", "RIVER=0.5")
    assert (ended.code, ended.stdout) == (2, "")
    assert "--threshold: expected types of LOC, ORG, PER, got RIVER" in ended.stderr
    probability = "expected a probability between 0 and 1, got 7.0"
    for wrong, said in (("much", "expected NUMBER or TYPE=NUMBER, got 'much'"), ("7", probability)):
        ended = line(*arguments, "--threshold", wrong)
        assert ended.code == 2
        assert f"--threshold: {said}" in ended.stderr


def test_a_number_beside_types_is_for_those_that_are_not_named():
    keep = read_thresholds(["0.5", "PER=0.9"], ["LOC", "PER"])
    per, loc, unsure = Entity(0, 1, "PER", 0.8), Entity(1, 2, "LOC", 0.8), Entity(2, 3, "LOC", 0.4)
    assert keep([per, loc, unsure]) == [loc]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["PERSON=.2", "PERSON=.9"], "expected one number for PERSON, got '.2' and '.9'"),
        (["A=.2", "B=.3", "A=.2"], "expected one number for A, got '.2' and '.2'"),
        ([".2", ".9"], "expected one number for the types that are not named, got '.2' and '.9'"),
    ],
)
def test_two_numbers_for_a_type_are_refused(line, options, said):
    for command, option in (("predict", "--threshold"), ("export", "--precision-at-least")):
        given = [word for each in options for word in (option, each)]
        refused(line(command, "model", *given), f"{option}: {said}")


def test_what_a_command_line_gives_is_read():
    assert parse_thresholds(["0.5"]) == 0.5
    assert parse_thresholds(["0.5", "PER=0.9"]) == {"": 0.5, "PER": 0.9}
    assert parse_thresholds(["A=B=0.9"]) == {"A=B": 0.9}
