"""Borders on blanks and on punctuation of the sentence."""

from __future__ import annotations

import pytest
from corpora import marked, real

from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.borders import is_wrong, judge_borders
from tfner.documents import Document, Entity
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings


def judged(*documents, ledgers=()):
    return list(judge_borders({"train": list(documents)}, dict(ledgers)))


WRONG = [
    "Oslo,",
    "Oslo ;",
    "Oslo :",
    "(Oslo",
    "Oslo)",
    "[Oslo",
    "Oslo (",
    '"Oslo',
    "Oslo”",
    ", Oslo",
]
WRONG += ["…Oslo", "東京、", "「東京", "東京」", "!Oslo", "a) b (c)"]
RIGHT = ["Oslo", "U.S.", "Mr.", "Yahoo!", "(Oslo)", "Bonn (Rhine)", '"Rocky"', "„Rocky“", "»Rocky«"]
RIGHT += [
    "@oslo",
    "#oslo",
    "$5",
    "'90s",
    "-ase",
    "...",
    ":)",
    "*",
    "「東京」",
    "¿Quién?",
    "C++",
    "5%",
]


@pytest.mark.parametrize("text", WRONG)
def test_punctuation_of_the_sentence_is_found(text):
    assert is_wrong(text, {text: 1})


@pytest.mark.parametrize("text", RIGHT)
def test_punctuation_of_the_name_is_not(text):
    assert not is_wrong(text, {text: 1})


def test_a_full_stop_is_wrong_where_the_name_is_mostly_marked_without():
    assert is_wrong("Oslo.", {"Oslo.": 1, "Oslo": 2})
    assert not is_wrong("Oslo.", {"Oslo.": 2, "Oslo": 2})
    assert not is_wrong("U.S.", {"U.S.": 1, "U.S": 2})
    assert is_wrong("東京。", {"東京。": 1, "東京": 3})


def test_strings_are_counted_and_located():
    comma = [marked("Oslo", ",", spans=[(0, 2, "LOC")], id=str(number)) for number in range(4)]
    (found,) = judged(
        *comma, marked("(Bo", spans=[(0, 1, "PER")]), marked("a", spans=[(0, 1, "X")])
    )
    assert found.sentence == (
        '5 entities begin or end with punctuation of the sentence, 2 strings: "Oslo ," '
        '(train 0, train 1, train 2); "(Bo" (train planted)'
    )
    assert found.severity == "warning"


def test_few_of_many_are_a_hint():
    many = [marked(f"Bo{number}", spans=[(0, 1, "PER")]) for number in range(200)]
    (found,) = judged(*many, marked("Oslo,", spans=[(0, 1, "LOC")]))
    assert found.severity == "hint"


def test_blanks_are_found_before_and_after_a_reader_trims_them(tmp_path):
    (found,) = judged(Document("in Oslo today", (Entity(2, 8, "LOC"),), id="a"))
    assert found.name == "borders on blanks"
    assert found.cases[0] == ('LOC " Oslo "', ("train a",))
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "in Oslo today", "id": "a", "entities": [[2, 8, "LOC"]]}\n')
    ledger = Ledger()
    documents = list(read_documents(path, ReadSettings(), ledger))
    (found,) = judged(*documents, ledgers={"train": ledger}.items())
    assert found.name == "borders on blanks"
    assert found.cases[0] == ("LOC 2-8 ' Oslo '", ("a",))


def test_a_word_that_is_given_with_a_blank_is_as_it_is():
    document = Document("Mara left", (Entity(0, 5, "PER"),), words=((0, 5), (5, 9)))
    assert judged(document) == []


@pytest.mark.realdata
def test_wnut_17_has_five(data_dir):
    """Read by hand: a closing bracket, a comma, a colon and an entity of HTML's."""
    splits = real(data_dir / "wnut17", "conll")
    (found,) = judge_borders(splits, {})
    assert [case.what for case in found.cases] == [
        '"NFL)"',
        '"Patchogue)"',
        '"R\'lyeh,"',
        '"SML Movie :"',
        '"Steve &quot; Stylez &quot;"',
    ]
