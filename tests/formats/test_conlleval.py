"""Counting the file of gold and predicted tags gives the scores of the table.

Whatever overlaps what.
"""

from __future__ import annotations

import io
import json

import pytest
from command_line import CommandLine, refused
from hypothesis import example, given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.scores import EntityScores, score_entities
from tfner.formats.conlleval import lay_out
from tfner.formats.writers import open_writer

TEXTS = st.text(st.sampled_from("ab  .\n\u200b\u00a0é"), max_size=14)
LABELS = st.sampled_from(["PER", "creative-work"])


@st.composite
def scored_documents(draw) -> tuple[Document, list[Entity]]:
    """Any text with any words or none, and gold and predicted entities that stand anywhere."""
    text = draw(TEXTS)
    borders = st.integers(0, len(text))
    cuts = sorted(draw(st.lists(borders, max_size=10)))
    words = draw(st.none() | st.just(tuple(zip(cuts[::2], cuts[1::2], strict=False))))
    group = draw(st.sampled_from(["", "", "x", "y"]))
    spans = st.tuples(borders, borders).map(sorted)
    entities = st.builds(lambda span, label: entity_at(text, *span, label), spans, LABELS)
    gold = draw(st.lists(entities, max_size=5))
    predicted = draw(
        st.lists(entities | st.sampled_from(gold or [entity_at(text, 0, 0, "PER")]), max_size=5)
    )
    return Document(text, tuple(gold), words, group=group), predicted


def written(pairs) -> str:
    stream = io.StringIO()
    with open_writer("conlleval", stream) as writer:
        for document, predicted in pairs:
            writer.write(document, predicted)
    assert writer.ledger.counts == {}
    return stream.getvalue()


def columns_of(content: str) -> tuple[list[list[str]], list[list[str]]]:
    """Gold and predicted tags of each block of lines, as ports of conlleval split them."""
    blocks = [block.splitlines() for block in content.split("\n\n") if block.strip("\n")]
    rows = [[line.split() for line in block if line] for block in blocks]
    assert all(len(row) == 3 for block in rows for row in block)
    gold = [[row[1] for row in block] for block in rows]
    predicted = [[row[2] for row in block] for block in rows]
    return gold, predicted


def check_scores(scores: EntityScores, content: str) -> None:
    gold, predicted = columns_of(content)
    for average in ("micro", "macro"):
        if scores.types:
            expected = precision_recall_fscore_support(
                gold, predicted, average=average, zero_division=0
            )
            assert getattr(scores, average) == pytest.approx(expected, abs=1e-12)


@given(st.lists(scored_documents(), max_size=3))
@example([(Document("ab", (Entity(0, 2, "PER"), Entity(0, 2, "PER"))), [Entity(0, 2, "PER")] * 3)])
@example([(Document("a b", (Entity(0, 2, "PER"),)), [Entity(0, 1, "PER")])])
@example([(Document("a b", (Entity(0, 3, "PER"), Entity(0, 1, "PER"))), [Entity(0, 1, "PER")])])
def test_seqeval_on_the_file_gives_the_scores_of_the_table(pairs):
    scores = score_entities((document.entities, predicted) for document, predicted in pairs)
    check_scores(scores, written(pairs))


def test_words_are_cut_where_a_prediction_splits_them():
    document = Document("e-mail", (Entity(0, 6, "X"),), words=((0, 6),))
    assert written([(document, [Entity(2, 6, "X")])]) == "e- B-X O\nmail I-X B-X\n\n"


def test_the_nested_entity_that_was_found_stands_among_its_words_and_the_other_behind():
    document = Document("Bank of England", (Entity(0, 15, "ORG"), Entity(8, 15, "LOC")))
    assert lay_out(document, [Entity(8, 15, "LOC")]) == [
        [("Bank", "O", "O"), ("of", "O", "O"), ("England", "B-LOC", "B-LOC")],
        [("Bank", "B-ORG", "O"), ("of", "I-ORG", "O"), ("England", "I-ORG", "O")],
    ]


def test_an_entity_without_a_word_has_a_row_of_its_own():
    document = Document("a b", (Entity(1, 2, "X"), Entity(3, 3, "X")), words=((0, 1), (2, 3)))
    assert written([(document, [])]) == "a O O\nb O O\n\n␣ B-X O\n\n␣ B-X O\n\n"


def test_a_line_begins_each_document_of_several_sentences_and_those_of_none_behind():
    groups = ["", "x", "x", "y", "", "", "x"]
    pairs = [(Document(f"{number}", group=group), []) for number, group in enumerate(groups)]
    begin = "-DOCSTART- O O\n\n"
    sentences = [f"{number} O O\n\n" for number in range(7)]
    begins = ["", begin, "", begin, begin, begin, begin]
    assert written(pairs) == "".join(map("".join, zip(begins, sentences, strict=True)))


@pytest.mark.parametrize("raw", [False, True])
def test_the_command_writes_a_file_that_gives_its_own_table(tmp_path, raw):
    import tiny

    from tfner.evaluate import evaluate_model
    from tfner.formats.settings import ReadSettings

    words = ["anna", "lund-oslo", "", "acme", "(volta)", "paris's", "the"]
    text = " ".join(words)
    nested = [[0, 5, "PER"], [0, 14, "LOC"], [5, 9, "LOC"], [10, 14, "LOC"], [15, 16, "ORG"]]
    records = [
        {"tokens": words, "tags": ["B-PER", "B-LOC", "I-LOC", "B-ORG", "B-ORG", "O", "O"]},
        {"text": text, "entities": nested},
    ]
    recognizer = tiny.live()
    found = recognizer.batch([text])[0]
    records += [
        {"text": text, "entities": [[entity.start, entity.end, entity.label] for entity in found]}
    ]
    data, predictions = tmp_path / "data.jsonl", tmp_path / "predictions"
    data.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = evaluate_model(tiny.exported(), str(data), ReadSettings(), predictions, raw=raw)
    assert report.scores.micro.support > len(nested)
    check_scores(report.scores, predictions.read_text(encoding="utf-8"))


def test_prediction_cannot_write_it_and_says_who_can(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = CommandLine(capsys, monkeypatch)
    result = line("predict", "model", "--format", "conlleval", "--text", "Mara left")
    refused(
        result,
        "--format conlleval: expected a format of predictions alone, got one that shows gold tags "
        "beside them; python -m tfner.evaluate MODEL DATA --predictions FILE writes it",
    )
