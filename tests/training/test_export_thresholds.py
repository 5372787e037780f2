"""A type of an export has a threshold or a precision on the command line, not both."""

from __future__ import annotations

import re

import pytest

from tfner.documents import Document, Entity
from tfner.evaluation.precision import choose_thresholds
from tfner.exceptions import ConfigError
from tfner.training.thresholds import check_one_number, tell_replaced, thresholds_among

TYPES = ("LOC", "ORG", "PER")


@pytest.mark.parametrize(
    ("overrides", "at_least", "came"),
    [
        (
            ["threshold=0.9"],
            {"PER": 0.99999, "": 0.9},
            "threshold=0.9 and --precision-at-least 0.9 for LOC, ORG; "
            "threshold=0.9 and --precision-at-least PER=0.99999 for PER",
        ),
        (
            ["xla=true", "threshold.PER=0.7"],
            {"": 0.95},
            "threshold.PER=0.7 and --precision-at-least 0.95 for PER",
        ),
        (
            ["threshold={PER: 0.7, LOC: 0.5}"],
            {"PER": 0.95},
            "threshold.PER=0.7 and --precision-at-least PER=0.95 for PER",
        ),
        (
            ["threshold=0.9"],
            {"PER": 0.95},
            "threshold=0.9 and --precision-at-least PER=0.95 for PER",
        ),
    ],
)
def test_both_for_a_type_are_refused(overrides, at_least, came):
    expected = "command line: expected a threshold or a precision for a type, got"
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{expected} {came}')}$"):
        check_one_number(overrides, at_least, TYPES)


@pytest.mark.parametrize(
    ("overrides", "at_least"),
    [
        (["threshold.PER=0.7"], {"LOC": 0.95, "ORG": 0.9}),
        (["threshold=0.9", "xla=true"], {}),
        (["precision=bfloat16", "calibrate=false"], {"": 0.9}),
    ],
)
def test_one_of_them_for_a_type_is_taken(overrides, at_least):
    check_one_number(overrides, at_least, TYPES)


def test_thresholds_are_told_from_other_settings():
    assert thresholds_among(["threshold=0.9"]) == {"": "threshold=0.9"}
    assert thresholds_among(["precision=float32"]) == {}


def test_the_log_names_the_thresholds_of_the_configuration_that_are_replaced(caplog):
    document = Document("anna oslo", (Entity(0, 4, "PER"), Entity(5, 9, "LOC")))
    found = [[Entity(0, 4, "PER", 0.9), Entity(5, 9, "LOC", 0.8)]]
    (chosen,) = choose_thresholds([document], found, {"": 0.9}, ["LOC", "PER"])
    tell_replaced(chosen, {"LOC": 0.0, "PER": 0.0})
    assert caplog.messages == []
    tell_replaced(chosen, {"LOC": 0.5, "PER": 0.0})
    replaced = "export.threshold of the configuration is replaced by --precision-at-least 0.9"
    assert caplog.messages == [f"{replaced}: LOC=0.5"]
