"""The component of spaCy's pipelines: what it sets, how it is asked, how a pipeline is saved."""

from __future__ import annotations

import logging
import sys
from importlib import import_module

import pytest
from fake_server import TOY

import tfner
from tfner.serving.runtime.recognizer import Recognizer

if sys.version_info < (3, 11):
    tomllib = pytest.importorskip("tomli")
else:
    import tomllib

spacy = pytest.importorskip("spacy", reason="the extra spacy is not installed")
component = import_module("tfner.spacy_component")

TEXTS = ["Bo met Anna", "", "nobody here", "Ola"] * 5


@pytest.fixture
def nlp(monkeypatch):
    """Build a pipeline over a model without TensorFlow."""
    monkeypatch.setattr(tfner, "load", {"toy": TOY}.__getitem__)
    language = spacy.blank("en")
    language.add_pipe("tfner", config={"model": "toy"})
    return language


def found(doc):
    return [(span.start_char, span.end_char, span.label_, span._.score) for span in doc.ents]


def expected(text):
    return [(*entity.key, entity.score) for entity in TOY(text)]


def test_the_entry_point_names_the_factory(pytestconfig):
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())["project"]
    ((name, value),) = project["entry-points"]["spacy_factories"].items()
    module, function = value.split(":")
    assert getattr(import_module(module), function) is component.make_component
    assert spacy.Language.has_factory(name)


def test_entities_and_scores_are_those_of_the_recognizer(nlp):
    for text in TEXTS[:4]:
        assert found(nlp(text)) == expected(text)
    assert [found(doc) for doc in nlp.pipe(TEXTS)] == [expected(text) for text in TEXTS]


@pytest.mark.parametrize(("own", "asked", "sizes"), [(8, None, [8, 8, 4]), (64, 6, [6, 6, 6, 2])])
def test_a_pipe_asks_in_batches(own, asked, sizes):
    counts = []

    class Counting(Recognizer):
        def batch(self, texts, **options):
            counts.append(len(texts))
            return TOY.batch(texts, **options)

    tagger = component.EntityTagger(Counting(TOY._ask_texts, TOY._ask_words, {}), own)
    list(tagger.pipe(map(spacy.blank("en"), TEXTS), batch_size=asked))
    assert counts == sizes


@pytest.mark.parametrize(
    ("mode", "ends", "left_out"),
    [("expand", [(0, 6)], 0), ("contract", [], 1), ("strict", [], 1)],
)
def test_an_entity_that_ends_within_a_token(caplog, mode, ends, left_out):
    doc = spacy.tokens.Doc(spacy.blank("en").vocab, words=["Boxx/1", "is"])
    tagger = component.EntityTagger(TOY, alignment_mode=mode)
    assert [entity.key[:2] for entity in TOY(doc.text)] == [(0, 4)]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            marked = tagger(doc.copy())
    assert [(span.start_char, span.end_char) for span in marked.ents] == ends
    assert tagger.left_out == 2 * left_out
    assert len(caplog.records) == left_out  # said once


def test_entities_that_are_there_stay(nlp):
    ruler = nlp.add_pipe("entity_ruler", before="tfner")
    ruler.add_patterns([{"label": "WORK", "pattern": "met Anna"}])
    doc = nlp("Bo met Anna")
    assert [(span.text, span.label_) for span in doc.ents] == [("Bo", "ORG"), ("met Anna", "WORK")]
    assert nlp.get_pipe("tfner").left_out == 1


def test_a_threshold_and_a_missing_model(nlp):
    nlp.replace_pipe("tfner", "tfner", config={"model": "toy", "threshold": 0.4})
    assert found(nlp("Bo met Anna")) == [each for each in expected("Bo met Anna") if each[3] >= 0.4]
    with pytest.raises(ValueError, match="model"):
        spacy.blank("en").add_pipe("tfner")


def test_a_pipeline_is_saved_with_the_path_of_its_model(nlp, tmp_path):
    nlp.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    assert again.config["components"]["tfner"]["model"] == "toy"
    assert found(again("Bo met Anna")) == expected("Bo met Anna")
    again.from_bytes(nlp.to_bytes())
    assert found(again("Bo met Anna")) == expected("Bo met Anna")


def test_a_url_is_connected_to():
    nlp = spacy.blank("en")
    nlp.add_pipe("tfner", config={"model": "http://127.0.0.1:9/v1/models/x"})
    assert nlp.get_pipe("tfner").recognizer.origin.name == "http://127.0.0.1:9/v1/models/x"
