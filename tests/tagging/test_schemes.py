"""Tags are read as seqeval reads them.

Legality, writing and the label set are checked against each other.
"""

from __future__ import annotations

import itertools
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from tfner.exceptions import ConfigError
from tfner.tagging.schemes import (
    PREFIXES,
    LabelSet,
    detect_scheme,
    is_tag,
    read_spans,
    split_tag,
    write_tags,
)

SCHEMES = tuple(PREFIXES)
TYPES = ("PER", "creative-work", "-x", "two words", "人名", "_", "O")


def draw_tags(
    prefixes: str, types: tuple[str, ...] = TYPES[:3], max_size: int = 12
) -> st.SearchStrategy[list[str]]:
    tag = st.one_of(
        st.just("O"), st.tuples(st.sampled_from(prefixes), st.sampled_from(types)).map("-".join)
    )
    return st.lists(tag, max_size=max_size)


@st.composite
def draw_spans(
    draw, types: tuple[str, ...] = TYPES, max_size: int = 6
) -> tuple[list[tuple[int, int, str]], int]:
    """Spans with gaps of 0 or more units between them, and the length of their sequence."""
    spans, position = [], 0
    for _ in range(draw(st.integers(0, max_size))):
        first = position + draw(st.integers(0, 2))
        position = first + draw(st.integers(1, 4))
        spans.append((first, position, draw(st.sampled_from(types))))
    return spans, position + draw(st.integers(0, 2))


def seqeval_spans(tags: list[str]) -> list[tuple[int, int, str]]:
    as_bioes = [{"L": "E", "U": "S"}.get(tag[0], tag[0]) + tag[1:] for tag in tags]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [(first, last + 1, label) for label, first, last in get_entities(as_bioes)]


@given(draw_tags("BIESLU", TYPES), st.sampled_from(SCHEMES))
def test_any_tags_are_read_as_seqeval_reads_them(tags, scheme):
    assert read_spans(tags, scheme)[0] == seqeval_spans(tags)


@given(st.data(), st.sampled_from(SCHEMES))
def test_tags_are_legal_exactly_if_writing_their_spans_gives_them_back(data, scheme):
    tags = data.draw(st.one_of(draw_tags(PREFIXES[scheme]), draw_tags("BIESLU")))
    spans, repairs = read_spans(tags, scheme)
    assert (repairs == []) == (write_tags(spans, len(tags), scheme) == tags)


@given(draw_tags("BI"), st.sampled_from(["IOB1", "IOB2"]))
def test_repairs_stand_where_the_mended_tags_differ(tags, scheme):
    spans, repairs = read_spans(tags, scheme)
    mended = write_tags(spans, len(tags), scheme)
    assert [repair.position for repair in repairs] == [
        i for i, pair in enumerate(zip(tags, mended, strict=True)) if len(set(pair)) > 1
    ]


@given(draw_spans(), st.sampled_from([scheme for scheme in SCHEMES if scheme != "IO"]))
def test_spans_come_back_from_every_scheme_but_io(drawn, scheme):
    spans, length = drawn
    assert read_spans(write_tags(spans, length, scheme), scheme) == (spans, [])


@given(
    draw_spans(),
    st.sampled_from(SCHEMES),
    st.text(min_size=1, max_size=5).filter(lambda label: not label.isspace()),
)
def test_any_label_of_more_than_white_space_comes_back(drawn, scheme, label):
    spans = [
        (first, end, label) for first, end, _ in drawn[0][::2]
    ]  # apart, so that IO parts them too
    spans = [
        span for number, span in enumerate(spans) if number == 0 or span[0] > spans[number - 1][1]
    ]
    assert read_spans(write_tags(spans, drawn[1], scheme), scheme) == (spans, [])
    assert not is_tag("B-" + " " * len(label))


@given(
    st.lists(st.sampled_from(TYPES), min_size=1, unique=True),
    st.sampled_from(["IOB2", "BIOES"]),
    st.data(),
)
def test_what_a_label_set_allows_is_what_reads_without_repair(types, scheme, data):
    labels = LabelSet(tuple(types), scheme)
    ids = data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=1, max_size=6))
    allowed = labels.allowed_first[ids[0]] and labels.allowed_last[ids[-1]]
    allowed = allowed and all(
        labels.allowed_next[before, after] for before, after in itertools.pairwise(ids)
    )
    assert bool(allowed) == (read_spans([labels.tag(id) for id in ids], scheme)[1] == [])
    assert [labels.id(labels.tag(id)) for id in ids] == ids


@given(draw_spans())
def test_io_merges_adjacent_spans_of_one_type_and_nothing_else(drawn):
    spans, length = drawn
    merged: list[tuple[int, int, str]] = []
    for first, end, label in spans:
        if merged and merged[-1][1:] == (first, label):
            merged[-1] = (merged[-1][0], end, label)
        else:
            merged.append((first, end, label))
    assert read_spans(write_tags(spans, length, "IO"), "IO") == (merged, [])


@given(st.lists(draw_spans(), min_size=1), st.sampled_from(SCHEMES))
def test_the_scheme_that_wrote_the_tags_is_detected(drawn, scheme):
    sequences = [write_tags(spans, length, scheme) for spans, length in drawn]
    prefixes = {tag[0] for tags in sequences for tag in tags} - {"O"}
    expected = "IO" if scheme == "IOB1" and "B" not in prefixes else scheme
    assert detect_scheme(iter(sequences)) == (expected if prefixes else "IOB2")


@pytest.mark.parametrize(
    ("sequences", "scheme"),
    [
        ([["O", "I-X", "I-X"]], "IO"),
        ([["O", "B-X", "O"]], "IOB2"),
        ([["B-X", "I-X", "O", "B-X"]] * 30 + [["O", "I-X", "O"]] * 3, "IOB2"),
        ([["I-X", "O", "I-Y"]] * 30 + [["I-X", "B-X"]], "IOB1"),
        ([["B-X", "I-X", "O"]] * 30 + [["B-X", "E-X"]], "IOB2"),
        ([["S-X", "O"]] * 30 + [["B-X", "O"]], "BIOES"),
        ([["U-X", "O"], ["B-X", "L-X"]], "BILOU"),
        ([], "IOB2"),
    ],
)
def test_a_few_errors_do_not_change_the_scheme(sequences, scheme):
    assert detect_scheme(sequences) == scheme


def test_repairs_say_what_is_wrong():
    assert read_spans(["I-A", "O", "I-B", "E-B"], "IOB2") == (
        [(0, 1, "A"), (2, 4, "B")],
        [(0, "I-A at the beginning"), (2, "I-B after O"), (3, "E-B in IOB2")],
    )
    assert read_spans(["B-A", "O", "B-A"], "BIOES")[1] == [
        (1, "O after B-A"),
        (2, "B-A at the end"),
    ]


@pytest.mark.parametrize("tag", ["B", "I-", "", "X-PER", "B_PER", "b-PER", "0", "PER", "PER-B"])
def test_what_is_no_tag_is_refused(tag):
    message = f"expected O or a prefix of B, I, E, S, L, U with a type, such as B-PER, got {tag!r}"
    assert not is_tag(tag)
    for read in (
        split_tag,
        lambda tag: read_spans(["O", tag], "IOB2"),
        lambda tag: detect_scheme([[tag]]),
    ):
        with pytest.raises(ValueError, match="expected") as caught:
            read(tag)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    "spans", [[(0, 2, "A"), (1, 3, "B")], [(1, 1, "A")], [(2, 4, "A")], [(-1, 1, "A")]]
)
def test_spans_that_cannot_be_written_are_refused(spans):
    with pytest.raises(
        ValueError, match=r"expected spans in 0\.\.3 that are not empty and do not overlap"
    ):
        write_tags(spans, 3)


@pytest.mark.parametrize("scheme", ["IOB2", "BIOES"])
def test_paths_through_the_label_set_are_the_legal_sequences(scheme):
    labels = LabelSet(("A", "B-C"), scheme)
    for length in (1, 2, 3):
        for ids in itertools.product(range(len(labels)), repeat=length):
            steps = all(
                labels.allowed_next[before, after] for before, after in itertools.pairwise(ids)
            )
            allowed = labels.allowed_first[ids[0]] and steps and labels.allowed_last[ids[-1]]
            assert allowed == (read_spans([labels.tag(id) for id in ids], scheme)[1] == [])


def test_the_label_set_numbers_its_tags():
    labels = LabelSet(("PER", "LOC"))
    assert labels.tags == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    assert [labels.id(tag) for tag in labels.tags] == list(range(len(labels)))
    assert LabelSet(("X",), "BIOES").tags == ("O", "B-X", "I-X", "E-X", "S-X")
    assert labels == LabelSet(("PER", "LOC"))
    assert labels != LabelSet(("LOC", "PER"))
    assert labels.allowed_next.dtype == bool
    with pytest.raises(IndexError):
        labels.tag(-1)
    with pytest.raises(KeyError):
        labels.id("B-ORG")
    with pytest.raises(ValueError, match="read-only"):
        labels.allowed_first[0] = False


@pytest.mark.parametrize(
    ("types", "scheme", "message"),
    [
        (("A", "B", "A"), "IOB2", "entity types: each may stand once, these stand more often: A"),
        (
            ("A", " "),
            "IOB2",
            "entity types: expected one or more names, none of them empty, got ['A', ' ']",
        ),
        ((), "IOB2", "entity types: expected one or more names, none of them empty, got []"),
        (
            ("A",),
            "BILOU",
            "tag scheme of a label set: expected one of IO, IOB1, IOB2, BIOES, got 'BILOU'",
        ),
    ],
)
def test_a_label_set_that_cannot_be_is_refused(types, scheme, message):
    with pytest.raises(ConfigError) as caught:
        LabelSet(types, scheme)
    assert str(caught.value) == message
