"""Blanks at the borders of gold entities are trimmed and counted, in every format alike."""

from __future__ import annotations

import json

import pytest

from tfner.corpus.ledger import Ledger
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

TEXT = "Mara left the\u200b Port"
SPANS = [(0, 5, "PER"), (13, 19, "LOC"), (4, 5, "GAP")]
KEPT = [(0, 4, "PER"), (15, 19, "LOC")]
COUNTS = {"vanished": 1, "trimmed_border": 2}


def write_jsonl(folder):
    record = {"text": TEXT, "entities": [list(span) for span in SPANS]}
    (folder / "a.jsonl").write_text(json.dumps(record))
    return folder / "a.jsonl"


def write_json(folder):
    write_jsonl(folder).rename(folder / "a.json")
    (folder / "a.json").write_text(f"[{(folder / 'a.json').read_text()}]")
    return folder / "a.json"


def write_brat(folder):
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    lines = [
        f"T{number}\t{label} {start} {end}\t{TEXT[start:end]}\n"
        for number, (start, end, label) in enumerate(SPANS)
    ]
    (folder / "a.ann").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("write", [write_jsonl, write_json, write_brat])
def test_borders_are_trimmed_counted_and_listed(tmp_path, write):
    ledger = Ledger()
    (document,) = read_documents(write(tmp_path), ReadSettings(), ledger)
    assert document.text == TEXT
    assert [entity.key for entity in document.entities] == KEPT
    assert [entity.text for entity in document.entities] == ["Mara", "Port"]
    assert ledger.counts == COUNTS
    assert ledger.entries[0] == ("trimmed_border", document.id, "PER 0-5 'Mara '")


def test_words_without_a_piece_at_a_border_are_trimmed_and_words_stay_whole(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "\u200b\tB-PER\nMara\u200b\tI-PER\n\tI-PER\nleft\tO\n\u00ad\tB-LOC\n\n", encoding="utf-8"
    )
    ledger = Ledger()
    (document,) = read_documents(tmp_path / "a.tsv", ReadSettings(), ledger)
    assert document.word_texts() == ["\u200b", "Mara\u200b", "", "left", "\u00ad"]
    assert [(entity.text, entity.label) for entity in document.entities] == [("Mara\u200b", "PER")]
    assert ledger.counts == {"vanished": 1, "trimmed_border": 1}


@pytest.mark.parametrize(("start", "shown"), [(0, "PER 0-5 'Mara '"), (4, "PER 4-5 ' '")])
def test_strict_refuses_such_a_border(tmp_path, start, shown):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": TEXT, "entities": [[start, 5, "PER"]], "id": "d"}))
    with pytest.raises(DataError) as caught:
        list(read_documents(path, ReadSettings(strict=True), Ledger()))
    expected = "an entity that begins and ends with characters that have a piece"
    assert str(caught.value).startswith(f"{path}: document 'd': expected {expected}, got")
    assert shown in str(caught.value)


def test_strict_takes_the_same_entity_trimmed(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": TEXT, "entities": [[0, 4, "PER"]]}))
    (document,) = read_documents(path, ReadSettings(strict=True), Ledger())
    assert document.entities[0].key == (0, 4, "PER")
