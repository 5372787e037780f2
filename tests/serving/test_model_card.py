"""The card for people: all that the card for programs says, nothing guessed, and whatever a label
holds is text."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tfner.evaluation.scores import EntityScores
from tfner.safeio.printable import printable
from tfner.serving.export.model_card import model_card

SCORES = EntityScores({"LOC": 10, "PER": 5}, {"LOC": 8, "PER": 5}, {"LOC": 6, "PER": 5}).to_dict()
CARD = {
    "format": 1,
    "name": "wnut17",
    "created": "2026-11-22T00:49:41+00:00",
    "labels": ["LOC", "PER"],
    "tag_scheme": "IOB2",
    "tags": ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"],
    "max_length": 128,
    "overlap": 32,
    "decoder": "viterbi",
    "tokenizer": "73704e6c",
    "labelling": "word",
    "encoder": {"checkpoint": "google-bert/bert-base-cased", "initialize": "pretrained"},
    "versions": {"tensorflow": "2.21.0"},
    "scores": {"dev": SCORES, "test": SCORES},
}
NASTY = [
    "a|b", "<b>bold</b>", "[x](http://e.x)", "`code`", "**strong**", "a\nb", "|---|",
    "# title", "\\", "\\|", "&amp;", "<!--",
    "\x1b[31m", "1. one",
]  # fmt: skip


def parse(text: str) -> list:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a card as rows of cells, each what a reader sees."""
    found: list[list[list[str]]] = []
    tokens = parse(text)
    for position, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append(seen(tokens[position + 1]))
    return found


def seen(inline) -> str:
    return "".join(child.content for child in inline.children)


def table_with(text: str, header: str) -> list[list[str]]:
    (rows,) = [rows[1:] for rows in tables(text) if rows[0][0] == header]
    return rows


def as_text(value: str) -> str:
    return " ".join(printable(value).split()) or "(empty)"


def test_it_says_what_the_card_says():
    facts = dict(tables(model_card(CARD))[0][1:])
    assert facts["encoder"] == "google-bert/bert-base-cased"
    assert facts["encoder began as"] == "pretrained weights"
    assert (facts["longest window"], facts["overlap of windows"]) == ("128 pieces", "32 pieces")
    assert (facts["what gets a tag"], facts["tag scheme"], facts["decoder"]) == (
        "word",
        "IOB2",
        "viterbi",
    )
    assert (facts["with"], facts["made"], facts["tokenizer's fingerprint"]) == (
        "tensorflow 2.21.0",
        CARD["created"],
        "73704e6c",
    )


def test_entries_it_does_not_know_are_facts_too():
    export = {
        "precision": "bfloat16",
        "lengths": [32, 64],
        "xla": False,
        "max_entities": None,
        "threshold": {"LÖC|": 0.5},
    }
    facts = dict(tables(model_card({**CARD, "export": export, "reviewed_by": "A|B"}))[0][1:])
    assert (
        facts["export"]
        == "precision: bfloat16; lengths: 32, 64; xla: no; max entities: none; threshold: LÖC|: 0.5"
    )
    assert facts["reviewed by"] == "A|B"
    assert "format" not in facts


def test_labels_and_tags_stand_in_their_order():
    text = model_card(CARD)
    assert tables(text)[1] == [["type"], ["LOC"], ["PER"]]
    assert table_with(text, "index") == [
        [str(index), tag] for index, tag in enumerate(CARD["tags"])
    ]


def test_scores_are_given_by_split_and_type():
    text = model_card(CARD)
    _, _, dev, test, *_ = tables(text)
    assert dev == test == [
        ["type", "precision", "recall", "F1", "support"],
        ["LOC", "75.0", "60.0", "66.7", "10"],
        ["PER", "100.0", "100.0", "100.0", "5"],
        ["micro average", "84.6", "73.3", "78.6", "15"],
        ["macro average", "87.5", "80.0", "83.3", "15"],
    ]  # fmt: skip
    assert text.index("On dev:") < text.index("On test:")


def test_data_are_given_with_what_was_lost():
    data = {
        "train": {"source": "train.conll", "documents": 3394, "entities": 1975, "lost": {}},
        "dev": {
            "source": "a|b.conll",
            "documents": 9,
            "entities": 0,
            "lost": {"unknown_label": 2, "misaligned": 1},
        },
        "test": {"source": "test.conll"},
    }
    assert table_with(model_card({**CARD, "data": data}), "split") == [
        ["train", "train.conll", "3394", "1975", "nothing"],
        ["dev", "a|b.conll", "9", "0", "2 unknown label, 1 misaligned"],
        ["test", "test.conll", "not recorded", "not recorded", "not recorded"],
    ]


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"format": 1, "tag_scheme": "IOB2"},
        {"scores": {"dev": 0.5}, "encoder": None, "labels": None},
    ],
)
def test_what_is_not_known_is_said_to_be_so(card):
    text = model_card(card)
    facts = dict(tables(text)[0][1:])
    assert facts["languages"] == "unknown: nobody has said"
    assert facts["encoder"] == "not recorded"
    assert "None are recorded" in text
    assert "Not recorded in the card" in text
    assert "None" not in text.replace("None are recorded", "")


def test_languages_are_said_if_given():
    assert (
        dict(tables(model_card({**CARD, "languages": ["English", "Deutsch"]}))[0][1:])["languages"]
        == "English, Deutsch"
    )


def test_it_tells_limits_licence_and_all_three_signatures():
    text = model_card(CARD)
    for needed in (
        "as of their owners",
        "## What it does not do",
        "window of 128 pieces",
        "tfner.load(",
    ):
        assert needed in text
    named = [row[0] for row in table_with(text, "signature")]
    assert list(dict.fromkeys(named)) == ["serving_default", "words", "features"]


def test_the_signatures_are_those_of_an_export():
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    served = (
        SavedModel.FromString((tiny.exported() / "saved_model.pb").read_bytes())
        .meta_graphs[0]
        .signature_def
    )
    shown = {}
    for signature, verb, name, kind, *_ in table_with(model_card(CARD), "signature"):
        shown[signature, verb, name] = kind
    wanted = {}
    for signature in ("serving_default", "words", "features"):
        sides = (("takes", served[signature].inputs), ("gives", served[signature].outputs))
        for verb, tensors in sides:
            for name, tensor in tensors.items():
                wanted[signature, verb, name] = (tensor.dtype, len(tensor.tensor_shape.dim))
    assert {key: read_kind(kind) for key, kind in shown.items()} == wanted


def read_kind(kind: str) -> tuple[int, int]:
    """`int32 [B, E]` as TensorFlow's number of the type, and the rank."""
    import tensorflow as tf

    dtype, axes = kind.split(" ", 1)
    return tf.as_dtype(dtype).as_datatype_enum, len(axes.split(","))


def test_the_card_of_a_real_export_becomes_a_card():
    card = json.loads((tiny.exported() / "assets.extra" / "tfner.json").read_text())
    text = model_card(card)
    assert text.startswith("# tiny\n")
    assert tables(text)[1] == [["type"], *([label] for label in card["labels"])]


@pytest.mark.parametrize("label", NASTY)
def test_a_label_is_text_whatever_it_holds(label):
    check_as_text(label)


@given(
    st.text(
        alphabet=st.one_of(
            st.characters(codec="utf-8"),
            st.sampled_from("|\\`*_<>&[]()#~!-+\n\r\t \x00\x85\u2028$"),
        ),
        min_size=1,
    )
)
def test_any_label_is_text(label):
    check_as_text(label)


def check_as_text(label: str) -> None:
    card = {
        "name": label,
        "labels": [label],
        "tags": [label],
        "encoder": {"checkpoint": label},
        "languages": [label],
        "scores": {label: {"micro": {}, "types": {label: {}}}},
        "data": {label: {"source": label, "lost": {label: 1}}},
    }
    text = model_card(card)
    shown = as_text(label)
    blank = ["not recorded"] * 4
    facts, labels, scores, data, _signatures, tags = tables(text)
    assert facts[1] == ["encoder", shown]
    assert labels == [["type"], [shown]]
    assert scores[1] == [shown, *blank]
    assert data[1][:2] == [shown, shown]
    assert tags[1] == ["0", shown]
    tokens = parse(text)
    assert seen(tokens[1]) == shown
    inline = [child.type for token in tokens if token.children for child in token.children]
    assert set(inline) <= {"text", "text_special", "softbreak", "code_inline"}
    assert not [token for token in tokens if token.type == "html_block"]
    assert sum(token.type == "heading_open" for token in tokens) == 7


def test_it_needs_no_tensorflow():
    code = "import sys, tfner.serving.export.model_card; print('tensorflow' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "False"
    )
