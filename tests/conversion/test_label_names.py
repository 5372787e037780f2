"""Read names of a head's outputs: schemes, orders, names that say nothing."""

from __future__ import annotations

import random

import pytest

from tfner.conversion.label_names import names_in_order, read_outputs
from tfner.exceptions import ConfigError, ModelError
from tfner.tagging.schemes import LabelSet, write_tags

TYPES = ("LOC", "PER")


def names_of(scheme: str) -> list[str]:
    """All tags of a scheme as its taggers call them, in an order of their own."""
    prefixes = {"IO": "I", "IOB1": "BI", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU"}[scheme]
    names = ["O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in prefixes)]
    random.Random(scheme).shuffle(names)
    return names


@pytest.mark.parametrize("scheme", ["IO", "IOB1", "IOB2", "BIOES", "BILOU"])
def test_what_a_scheme_writes_is_read_as_the_same_tags(scheme):
    names = names_of(scheme)
    labels, outputs = read_outputs(names, scheme)
    spans = [(0, 1, "PER"), (2, 5, "LOC"), (6, 8, "PER")]
    written = write_tags(spans, 9, scheme)
    own = write_tags(spans, 9, labels.scheme)
    assert [names[outputs[labels.id(tag)]] for tag in own] == written
    assert sorted(outputs) == list(range(len(names)))


@pytest.mark.parametrize(
    ("names", "scheme"),
    [
        (["O", "B-PER", "I-PER"], "IOB2"),
        (["I-PER", "O"], "IO"),
        (["PER", "O", "B"], "IO"),
        (["O", "S-PER", "B-PER", "I-PER", "E-PER"], "BIOES"),
        (["O", "U-PER", "B-PER", "I-PER", "L-PER"], "BIOES"),
        (["O", "B_PER", "I_PER"], "IOB2"),
    ],
)
def test_prefixes_tell_the_scheme(names, scheme):
    assert read_outputs(names).labels.scheme == scheme


def test_a_tag_without_an_output_is_kept_and_an_output_without_a_tag_left_out():
    labels, outputs = read_outputs(["-", "O", "I-PER", "B-PER", "B-LOC"])
    assert labels == LabelSet(("PER", "LOC"))
    assert outputs == (1, 3, 2, 4, None)


@pytest.mark.parametrize(
    ("names", "scheme", "message"),
    [
        (
            ["LABEL_0", "LABEL_1"],
            None,
            "labels: label 0: expected O, a type, or a tag such as B-PER, got 'LABEL_0'; "
            "name all 2 with --labels, in their order; - leaves one out",
        ),
        (
            ["O", "B-PER", "[CLS]"],
            None,
            "labels: label 2: expected O, a type, or a tag such as B-PER, got '[CLS]'; "
            "name all 3 with --labels, in their order; - leaves one out",
        ),
        (["B-PER"], None, "labels: expected O among them, got ['B-PER']"),
        (
            ["O", "B-PER", "LOC"],
            None,
            "labels: expected all types with a prefix of B, I, E, S, L, U or none, "
            "got ['B-PER', 'LOC']; none: ['LOC']",
        ),
        (
            ["O", "B-PER", "B_PER"],
            None,
            "labels: each may stand once, these stand more often: ['B-PER']",
        ),
        (
            ["O", "S-PER", "U-PER"],
            None,
            "labels: expected the prefixes of one scheme, got S, U",
        ),
        (["O", "S-PER"], "IOB1", "labels: expected prefixes of IOB1, got S"),
        (["O"], None, "entity types: expected one or more names, none of them empty, got []"),
    ],
)
def test_names_that_are_no_tags_are_refused(names, scheme, message):
    with pytest.raises(ConfigError) as caught:
        read_outputs(names, scheme)
    assert str(caught.value) == message


@pytest.mark.parametrize("named", [None, {}, {"0": "O", "2": "B-PER"}, {"0": 1}])
def test_numbers_with_gaps_or_without_names_are_refused(named):
    with pytest.raises(ModelError, match=r"^config.json: expected id2label, a name for each of 0"):
        names_in_order({"id2label": named}, "config.json")
