"""A run of sentences is served by sentence, one of longer texts is not, unless it is said."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import tiny
from made_runs import write_run

import tfner
from tfner.commands import read_with
from tfner.config import RunSettings, override_export
from tfner.data.raw_sentences import count_divided, cut_raw_text, sentences_per_document
from tfner.documents import Document, entity_at
from tfner.safeio.validation import validate
from tfner.serving.export.model_card import model_card
from tfner.training.restore import export_run, open_model, write_run_for_transformers
from tfner.training.state.run_folder import RunFolder
from tfner.training.teachers import open_teacher
from tfner.training.unit_answers import ask_units

# Of many neighbours some change an answer.
SENTENCES = [f"Anna of {word} met boris near the river." for word in tiny.WORDS[:12]]
TEXT = " ".join(SENTENCES)


def add_count(folder: RunFolder, count: float) -> RunFolder:
    data = {"train": {"sentences_per_document": count}}
    folder.environment.write_text(json.dumps({"data": data}))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "run")
    return add_count(folder, 1.1)


def keys(entities, shift=0):
    return [(entity.start + shift, entity.end + shift, entity.label) for entity in entities]


def keys_one_by_one(ner):
    found, position = [], 0
    for sentence, entities in zip(SENTENCES, ner.batch(SENTENCES), strict=True):
        found += keys(entities, position)
        position += len(sentence) + 1
    return found


def test_a_run_of_sentences_and_its_export_read_raw_text_by_sentence(run, tmp_path):
    live = open_model(run.path)
    exported = tfner.load(export_run(run.path, tmp_path / "export"))
    for ner in (live, exported):
        assert ner.card["raw_text"] == "sentences"
        assert keys(ner(TEXT)) == keys_one_by_one(ner)
    assert len(keys(exported(TEXT))) > 10
    assert "| how raw text is read | sentence by sentence |" in model_card(exported.card)
    assert "each sentence by itself, or word of a long one in a window of 32 pieces" in model_card(
        exported.card
    )


def test_an_export_can_be_asked_to_read_text_as_it_is(run, tmp_path):
    whole = tfner.load(export_run(run.path, tmp_path / "export", ["raw_text=whole"]))
    assert whole.card["raw_text"] == "whole"
    assert keys(whole(TEXT)) != keys_one_by_one(whole)
    assert "| how raw text is read | as it is |" in model_card(whole.card)


@pytest.mark.parametrize("count", [2.1, None])
def test_other_runs_read_text_as_it_is(run, tmp_path, count):
    folder = write_run(tmp_path / "run")
    if count:
        add_count(folder, count)
    ner = open_model(folder.path)
    assert ner.card["raw_text"] == "whole"
    asked = override_export(folder.settings, ["raw_text=sentences"])
    assert asked.reads_sentences(count)


def test_a_run_of_an_earlier_version_reads_text_as_it_did(run, tmp_path):
    folder = add_count(write_run(tmp_path / "run"), 1.0)
    config = folder.path / "config.yaml"
    lines = config.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "raw_text" not in line]
    assert len(kept) == len(lines) - 1
    config.write_text("".join(kept))
    assert open_model(folder.path).card["raw_text"] == "whole"


def settings_with(context: str, raw_text: str) -> RunSettings:
    values = {
        "name": "run",
        "data": {"context": context},
        "encoder": {"checkpoint": "encoder"},
        "export": {"raw_text": raw_text},
    }
    return validate(values, RunSettings, "run.yaml")


@pytest.mark.parametrize(
    ("context", "raw_text", "count", "expected"),
    [
        ("none", "auto", 1.0, True),
        ("none", "auto", 2.0, True),
        ("none", "auto", 2.01, False),
        ("none", "auto", None, False),
        ("none", "whole", 1.0, False),
        ("none", "sentences", 40.0, True),
        ("document", "auto", 1.0, False),
        ("document", "whole", 1.0, False),
        ("document", "sentences", 40.0, True),
    ],
)
def test_what_is_read_by_sentence(context, raw_text, count, expected):
    assert settings_with(context, raw_text).reads_sentences(count) is expected


def test_a_model_of_documents_can_cut_raw_text_all_the_same(tmp_path, caplog):
    folder = write_run(tmp_path / "run")
    written = folder.config.read_text()
    folder.config.write_text(written.replace("context: none", "context: document"))
    ner = tfner.load(export_run(folder.path, tmp_path / "export", ["raw_text=sentences"]))
    assert (ner.card["context"], ner.card["raw_text"]) == ("document", "sentences")
    assert keys(ner(TEXT)) == keys_one_by_one(ner)
    raw = [Document(sentence, group="a") for sentence in SENTENCES]
    assert [keys(found) for found in ner.documents(raw)] == list(map(keys, ner.batch(SENTENCES)))
    given = [Document.from_words(sentence.split(), group="a") for sentence in SENTENCES]
    together = [keys(found) for found in ner.documents(given)]
    ner.context = "none"
    assert [keys(found) for found in ner.documents(given)] != together
    assert not caplog.messages


def test_documents_are_counted_at_even_steps():
    sentences = [Document("Anna left.")] * 600
    texts = [Document("Anna left. Boris stayed. Anna came.")] * 600
    one_way = sentences_per_document(sentences + texts, tiny.tokenizer())
    assert one_way == sentences_per_document(texts + sentences, tiny.tokenizer()) == 2.0


def test_raw_text_that_cannot_be_read_with_its_context_is_said_once(run, caplog):
    ner = open_model(run.path)
    given = [Document.from_words(["anna", "met", "boris"])]
    raw = [Document("anna met boris.")]
    with caplog.at_level(logging.WARNING):
        for context, documents in (("none", raw), ("document", given)):
            read_with(ner, context)
            assert len(list(ner.documents(documents))) == 1
        assert not caplog.messages
        for _ in range(2):
            list(ner.documents(given + raw))
    assert ner.context == "document"
    assert caplog.messages == [
        f"{run.path}: context document changes nothing in raw text, which this model cuts; "
        "export.raw_text=whole exports one that does not"
    ]


def test_a_folder_of_transformers_says_that_its_pipeline_cuts_nothing(run, tmp_path):
    written = write_run_for_transformers(run.path, tmp_path / "written")
    assert "the cut into sentences: a pipeline reads a text as it is" in written.left_behind


def test_sentences_of_documents_are_counted_by_the_rule():
    documents = [
        Document("Anna left. Boris stayed."),
        Document.from_words(["Anna", "left", ".", "Boris", "stayed", "."]),
        Document.from_words(["Anna", "left", "."]),
        Document(" "),  # not counted
        Document("\ud800"),
    ]
    assert sentences_per_document(documents, tiny.tokenizer()) == round(5 / 3, 2)
    assert sentences_per_document([Document(""), Document("")], tiny.tokenizer()) is None
    assert sentences_per_document([], tiny.tokenizer()) is None


def test_raw_text_is_cut_into_documents_of_a_sentence():
    words = Document.from_words(["Anna", "left", ".", "Boris", "stayed", "."])
    marked = Document(
        " Anna left. \nBoris\u0301 stayed.\n", (entity_at(" Anna", 1, 5, "PER"),), id="a"
    )
    found = list(
        cut_raw_text([marked, Document(" "), words, Document("One"), marked], tiny.tokenizer())
    )
    two = [Document(" Anna left.", id="a"), Document("Boris\u0301 stayed.", id="a")]
    assert found == [*two, Document(""), words, Document("One"), *two]


def test_entities_over_the_end_of_a_sentence_are_counted():
    text = "Guess? Inc left. Anna stayed."
    spans = [(0, 10), (0, 6), (7, 10), (17, 21), (11, 29)]
    entities = tuple(entity_at(text, *span, "ORG") for span in spans)
    words = Document.from_words(["Guess?", "Inc"], [(0, 2, "ORG")])
    documents = [Document(text, entities), words, Document(text), Document(text, entities[:1])]
    assert count_divided(documents, tiny.tokenizer()) == 3
    assert count_divided([], tiny.tokenizer()) == 0


def test_evaluate_says_which_gold_cannot_be_found(run, caplog):
    text = "Guess? Inc met Anna."
    document = Document(text, (entity_at(text, 0, 10, "PER"), entity_at(text, 15, 19, "PER")))
    said = "data: 1 of 2 entities cross the end of a sentence and cannot be found in raw text"
    with caplog.at_level(logging.WARNING):
        tfner.evaluate(run.path, [document])
        assert caplog.messages == [said]
        caplog.clear()
        given = Document.from_words(["Guess?", "Inc"], [(0, 2, "PER")])
        tfner.evaluate(run.path, [given])
        assert not caplog.messages


def test_a_model_is_asked_for_raw_text_as_it_reads_it(run):
    model = open_teacher(str(run.path))
    assert model.by_sentence
    tokenizer = tiny.tokenizer()
    words = Document.from_words(TEXT.split())
    documents = [Document(TEXT), words, *map(Document, SENTENCES), Document("")]
    whole, given, *lone, nothing = ask_units(model, tokenizer, documents)
    together = np.concatenate([answer.probabilities for answer in lone])
    np.testing.assert_array_equal(whole.probabilities, together)
    assert len(whole.units) == len(together)
    assert len(given.probabilities) == len(TEXT.split())
    assert nothing.units == ()
    in_one = ask_units(replace(model, by_sentence=False), tokenizer, documents[:1])
    assert np.abs(in_one[0].probabilities - whole.probabilities).max() > 0.01
