"""Calibrated exports: one score for an entity however it is asked for, and plain scores of tags."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
import server_fakes as fakes
import tiny

import tfner
from tfner.documents import Document
from tfner.evaluation.calibration import Calibration
from tfner.serving.client import connect_async
from tfner.serving.export.bundle import export_model, live_recognizer, make_card
from tfner.serving.schema import SIGNATURES, WORDS
from tfner.serving.server.app import ServerSettings, open_models
from tfner.serving.server.servable import load_servable
from tfner.serving.server.service import Service

CURVE = Calibration(slope=0.5, intercept=-0.4)
SENTENCES = [
    ["anna", "met", "boris", "in", "new", "oslo"],
    ["the", "acme", "\u200b", "corp", "near", "paris"],  # one word is seen by no model
    ["nobody"],
    list(tiny.WORDS),  # several windows
]
DOCUMENTS = [Document.from_words(words) for words in SENTENCES]
TEXTS = [document.text for document in DOCUMENTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tagger = tiny.tagger(calibration=CURVE)
    card = make_card(tagger, name="calibrated")
    return export_model(tagger, card, tmp_path_factory.mktemp("exports") / "calibrated")


@pytest.fixture(scope="module")
def loaded(folder):
    return tfner.load(folder)


def keys(found):
    return [[entity.key for entity in entities] for entities in found]


def scores(found):
    return [entity.score for entities in found for entity in entities]


@pytest.mark.parametrize("asked", [TEXTS, DOCUMENTS], ids=["texts", "words"])
def test_scores_are_the_formula_of_those_without_a_calibration(loaded, asked):
    documents = [each if isinstance(each, Document) else Document(each) for each in asked]
    plain = list(tiny.loaded().documents(documents))
    found = list(loaded.documents(documents))
    assert keys(found) == keys(plain)
    assert len(scores(found)) > 10
    np.testing.assert_allclose(scores(found), CURVE(scores(plain)), rtol=1e-5)
    assert max(scores(found)) < max(scores(plain))


def test_text_and_words_give_an_entity_the_same_score(loaded):
    by_text, by_words = loaded.batch(TEXTS), list(loaded.documents(DOCUMENTS))
    assert keys(by_text) == keys(by_words)
    np.testing.assert_allclose(scores(by_text), scores(by_words), atol=1e-6)


def test_probabilities_of_tags_stay_as_they_are(loaded):
    for words in SENTENCES:
        plain, found = (ner.tag(words, scores=True) for ner in (tiny.loaded(), loaded))
        assert [tag for tag, _ in found] == [tag for tag, _ in plain]
        np.testing.assert_allclose([p for _, p in found], [p for _, p in plain], atol=1e-6)


def test_thresholds_hold_for_calibrated_scores_on_both_ways(loaded):
    """Check thresholds in the graph and in the call."""
    threshold = float(np.median(scores(loaded.batch(TEXTS)))) + 1e-4
    tagger = tiny.tagger(calibration=CURVE, threshold=threshold)
    cut = live_recognizer(tagger, make_card(tagger))
    expected = loaded.batch(TEXTS, threshold=threshold)
    assert 0 < len(scores(expected)) < len(scores(loaded.batch(TEXTS)))
    assert keys(cut.batch(TEXTS)) == keys(expected)
    found = list(cut.documents(DOCUMENTS))
    assert keys(found) == keys(expected)
    np.testing.assert_allclose(scores(found), scores(expected), atol=1e-6)


def test_clients_of_a_server_give_the_same_scores(folder, loaded):
    def service():
        settings = ServerSettings(folder.parent, name="calibrated")
        return Service(open_models(settings, load_servable), settings.limits, settings.batching)

    async def ask(url):
        async with connect_async(url, texts_per_request=2) as ner:
            return [found async for found in ner.documents(DOCUMENTS)]

    expected = list(loaded.documents(DOCUMENTS))
    with fakes.running(service) as (rest, rpc):
        urls = [f"{rest}/v1/models/calibrated", f"grpc://{rpc}/calibrated"]
        answers = [list(tfner.connect(url).documents(DOCUMENTS)) for url in urls]
        answers.append(asyncio.run(ask(urls[0])))
    for found in answers:
        assert keys(found) == keys(expected)
        np.testing.assert_allclose(scores(found), scores(expected), atol=1e-6)


def test_the_card_says_what_it_is_calibrated_with(folder):
    card = json.loads((folder / "assets.extra" / "tfner.json").read_text())
    assert Calibration.read(card["calibration"]) == CURVE
    assert "entity_score" in card["signatures"][WORDS]["outputs"]
    page = (folder / "assets.extra" / "README.md").read_text()
    assert "chance of being right on text like its dev data" in page
    assert "Calibrate: a score is the mean probability" not in page


def test_an_export_without_a_calibration_is_as_before(folder):
    answer = tiny.served().signatures[WORDS].structured_outputs
    assert set(answer) == {"tag", "score"}
    card = json.loads((tiny.exported() / "assets.extra" / "tfner.json").read_text())
    assert "calibration" not in card
    assert set(card["signatures"][WORDS]["outputs"]) == {"tag", "score"}
    assert [each.name for each in SIGNATURES[WORDS].outputs_of(card)] == ["tag", "score"]
