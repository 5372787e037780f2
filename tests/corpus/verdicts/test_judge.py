"""A clean corpus has no verdict; a mistake that is planted has its own, and the worst is first."""

from __future__ import annotations

import importlib
import re

import pytest
from corpora import clean, marked, names_of

from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import TokenStats
from tfner.corpus.verdicts.dropped import MEANINGS
from tfner.corpus.verdicts.judge import at_least, judge_corpus, worst_first
from tfner.corpus.verdicts.verdict import SEVERITIES, Kind, Verdict
from tfner.documents import Document, entity_at


def verdict(severity, name):
    return Verdict(name, severity, "finding", "Do.", 1, ())


def lengths(documents, ratio):
    units = [len(document.words) for document in documents]
    return TokenStats(units=units, pieces=[ratio * count for count in units])


def test_a_clean_corpus_has_no_verdict():
    splits = clean()
    stats = {split: lengths(documents, 1) for split, documents in splits.items()}
    ledgers = {split: Ledger() for split in splits}
    assert judge_corpus(splits, ledgers, stats) == []


def test_one_split_alone_has_none_either():
    assert judge_corpus({"all": clean()["train"]}) == []


def test_no_documents_at_all_are_no_error_of_ours():
    assert judge_corpus({}) == []
    assert names_of({"train": []}) == ["no entities"]


def longer_mark(document):
    (entity,) = document.entities
    return document.with_entities(
        [entity_at(document.text, entity.start, len(document.text), "LOC")]
    )


PLANTED = {
    "leakage": ("dev", clean()["train"][0]),
    "unlearned types": ("dev", marked("a", "b", spans=[(0, 1, "NEW")])),
    "contradictory texts": ("train", longer_mark(clean()["train"][0])),
    "several labels": ("train", marked("x", "Peraaa", spans=[(1, 2, "LOC")])),
    "unmarked strings": ("train", marked("only", "Peraaa", "here")),
    "borders on punctuation": ("train", marked("x", "Bo", ",", spans=[(1, 3, "PER")])),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_the_one_verdict(name):
    splits = clean()
    split, document = PLANTED[name]
    splits[split].append(document)
    assert names_of(splits) == [name]


def test_every_severity_comes_in_its_order_and_equals_stay_in_theirs():
    given = [verdict("hint", "a"), verdict("error", "b"), verdict("warning", "c")]
    given += [verdict("error", "d")]
    assert [each.name for each in worst_first(given)] == ["b", "d", "c", "a"]
    kept = {severity: len(at_least(given, severity)) for severity in SEVERITIES}
    assert kept == {"error": 2, "warning": 3, "hint": 4}


def test_documents_without_ids_are_numbered():
    splits = {"train": [*clean()["train"], Document("Peraaa left")]}
    (found,) = judge_corpus(splits)
    assert found.cases[0].where == ("unmarked in train document 151",)


def test_the_page_names_every_verdict_and_its_example_runs(pytestconfig, capsys):
    page = (pytestconfig.rootpath / "docs" / "verdicts.md").read_text("utf-8")
    table = page.partition("| verdict |")[2].partition("\n\n")[0]
    folder = pytestconfig.rootpath / "tfner" / "corpus" / "verdicts"
    modules = [
        importlib.import_module(f"tfner.corpus.verdicts.{p.stem}") for p in folder.glob("*.py")
    ]
    kinds = [each for module in modules for each in vars(module).values() if isinstance(each, Kind)]
    names = {kind.name for kind in kinds} | {name.replace("_", " ") for name in MEANINGS}
    assert len(names) > 15
    assert [name for name in sorted(names) if name not in table] == []
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], {})
    assert capsys.readouterr().out.startswith("warning 50 entities begin or end with punctuation")
