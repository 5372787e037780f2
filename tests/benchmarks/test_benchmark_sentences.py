"""The table of the rule that cuts raw text: what it counts."""

from __future__ import annotations

import doctest

import tiny

from benchmarks.data import sentences
from tfner.corpus.context import join
from tfner.documents import Document, Entity


def test_worked_examples():
    assert doctest.testmod(sentences).failed == 0


def test_borders_are_counted_by_what_they_are():
    place = Entity(7, 17, "LOC")
    passages = [
        join([Document("Anna left."), Document("boris. Then clara")]),
        join([Document("Oslo"), Document("Anna left.")]),
        Document("Met at Ban. Moritz", (place,)),
    ]
    passages[2] = join([passages[2]])
    counts = sentences.cut(passages, " ", tiny.tokenizer())
    assert counts == {"there": 2, "given": 2, "right": 0, "false": 2, "in entities": 1}
    counts = sentences.cut(passages, "\n", tiny.tokenizer())
    assert counts == {"there": 2, "given": 3, "right": 1, "false": 2, "in entities": 1}


def test_a_row_is_printed_for_each_corpus_and_separator(tmp_path, capsys):
    blocks = ["".join(f"{word}\tO\n" for word in ("Anna", "left", ".")) for _ in range(110)]
    folder = tmp_path / "wikigold"
    folder.mkdir()
    lines = [f"-DOCSTART-\tO\n\n{blocks[0]}\n{blocks[0]}\n" for _ in range(10)]
    (folder / "all.conll").write_text("".join(lines))
    asked = ["--data", str(tmp_path), "--encoder", str(tiny.checkpoint()), "--corpora", "wikigold"]
    sentences.main(asked)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["wikigold", "1.0", "blanks", "100", "%", "0", "%", "0"],
        ["wikigold", "1.0", "line", "ends", "100", "%", "0", "%", "0"],
    ]
