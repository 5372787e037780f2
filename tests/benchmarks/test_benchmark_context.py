"""The table of contexts: what it runs, and in which ways a model is asked."""

from __future__ import annotations

import doctest
import json
from itertools import chain
from pathlib import Path

from benchmarks.context import compare, run
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

SENTENCES = [
    Document.from_words(["Mara", "left"], [(0, 1, "PER")], group="a"),
    Document.from_words(["She", "met", "Bo"], [(2, 3, "PER")], group="a"),
    Document.from_words(["Rain"], group="b"),
]


def test_worked_examples():
    assert doctest.testmod(run).failed == 0


def test_each_way_asks_about_the_same_entities():
    named = run.in_groups(SENTENCES)
    ways = run.ways_of(named)
    for gold, _ in chain.from_iterable(asked.values() for asked in ways.values()):
        entities = chain.from_iterable(document.entities for document in gold)
        assert [entity.text for entity in entities] == ["Mara", "Bo"]
    (blanks, _), _ = ways["sentences"]["one text by sentence, blanks"]
    assert blanks.text == "Mara left She met Bo"
    (whole, other), _ = ways["whole"]["one text raw"]
    assert (whole.text, whole.words, other.text) == ("Mara left\nShe met Bo", None, "Rain")
    for entity in whole.entities:
        assert whole.text[entity.start : entity.end] == entity.text


def test_what_is_learned_from_names_its_documents(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text(run.with_documents(run.in_groups(SENTENCES)))
    read = list(read_documents(path, ReadSettings(), Ledger()))
    assert [document.text for document in read] == [document.text for document in SENTENCES]
    assert read[0].group == read[1].group != read[2].group


def test_only_what_is_missing_is_run_and_gains_are_over_single_sentences(
    tmp_path, monkeypatch, capsys
):
    ran = []

    def run_for_json(command):
        ran.append(command[3:4] + command[6:])
        return {"scores": {"ewt together": 70.0 + len(ran)}, "seconds": 1.0}

    monkeypatch.setattr(compare, "run_for_json", run_for_json)
    results = str(tmp_path / "results.jsonl")
    asked = [results, "--data", "data", "--encoder", "encoder", "--corpora", "ewt", "--seeds", "7"]
    asked += ["--contexts", "sentences", "document-256", "--settings", "training.epochs=1"]
    compare.main(asked)
    assert ran == [
        ["ewt", "7", "data.context=none", "training.epochs=1"],
        ["ewt", "7", "data.context=document", "encoder.max_length=256", "training.epochs=1"],
    ]
    said = " ".join(capsys.readouterr().out.split())
    assert "ewt together sentences 1 71.00 ± 0.00 +0.00 ± 0.00" in said
    assert "document-256 1 72.00 ± 0.00 +1.00 ± 0.00" in said
    compare.main(asked)
    assert len(ran) == 2
    lines = map(json.loads, Path(results).read_text().splitlines())
    assert [line["recipe"] for line in lines] == ["sentences", "document-256"]
