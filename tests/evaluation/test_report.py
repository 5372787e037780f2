"""The report: JSON holds what was measured, the page trusts nothing, the table adds up."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tfner.corpus.ledger import REASONS, Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.calibration import Calibration, CalibrationFit
from tfner.evaluation.errors import ERROR_KINDS, analyse_errors
from tfner.evaluation.intervals import measure_intervals
from tfner.evaluation.partial_matches import MODES, count_partial_matches
from tfner.evaluation.reliability import Bin, Reliability
from tfner.evaluation.report.examples import marked_pieces
from tfner.evaluation.report.page import (
    MEANINGS,
    MODE_MEANINGS,
    duration,
    filter_script,
    percent,
    render,
)
from tfner.evaluation.report.report import Report, write_report
from tfner.evaluation.scores import EntityScores, score_entities
from tfner.safeio.printable import printable

VOID = {"meta", "br", "hr", "img", "link", "input"}
NASTY = "<script>alert('x')</script> & \"quoted\" [bold]x[/bold] </style> {{ 7 * 7 }} {% raw %}"


class Page(HTMLParser):
    """Collects elements, attributes and text; fails where tags do not close in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.names, self.attributes, self.marks, self.open, self.text = [], [], [], [], ""
        self.scripts = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag == "mark":
            self.marks.append((dict(attrs)["class"], ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "mark":
            self.marks[-1] = (self.marks[-1][0], self.marks[-1][1] + data)
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data


def document(text, *spans, id="d1"):
    return Document(text, tuple(entity_at(text, *span) for span in spans), id=id)


def make_report(**changes):
    pairs = [
        (
            document("Anna met Bo in Rome", (0, 4, "PER"), (9, 11, "PER"), (15, 19, "LOC")),
            (Entity(0, 4, "PER"), Entity(9, 11, "LOC")),
        ),
        (document("Oslo", (0, 4, "LOC"), id="d2"), (Entity(0, 4, "LOC"),)),
    ]
    ledger = Ledger()
    ledger.record("repaired", "train.tsv:7", "I-PER after O")
    ledger.record("repaired", "train.tsv:9", "I-PER after O")
    report = Report(
        scores=score_entities((gold.entities, predicted) for gold, predicted in pairs),
        name="small",
        split="dev",
        dropped={"train": ledger.counts, "dev": {"repaired": 1, "vanished": 4}},
        seconds={"train": 65.0, "evaluate": 1.25},
        versions={"tfner": "0.1.0"},
        errors=analyse_errors(pairs),
        partial_matches=count_partial_matches((gold.entities, found) for gold, found in pairs),
        documents=2,
        units=6,
    )
    return replace(report, **changes)


def printed(report, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    report.print_table(console)
    return console.file.getvalue()


def test_json_holds_the_agreed_keys(tmp_path):
    make_report().write_json(tmp_path / "report.json")
    loaded = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert loaded["entity"] == make_report().scores.to_dict()
    assert loaded["entity"]["micro"] == {
        "precision": pytest.approx(2 / 3),
        "recall": 0.5,
        "f1": pytest.approx(4 / 7),
        "support": 4,
    }
    assert loaded["data"] == {"repaired": 3, "vanished": 4}
    assert loaded["data_by_split"] == {
        "train": {"repaired": 2},
        "dev": {"repaired": 1, "vanished": 4},
    }
    assert loaded["seconds"] == {"train": 65.0, "evaluate": 1.25}
    assert (loaded["documents"], loaded["units"], loaded["name"], loaded["versions"]) == (
        2,
        6,
        "small",
        {"tfner": "0.1.0"},
    )
    assert loaded["errors"]["counts"]["wrong_type"] == 1
    assert "slices" not in loaded


def drawn(pers=9, locs=3, count=30, name="PER", other="LOC"):
    """Scores and intervals of documents of which some have an entity, every third one missed."""
    documents, found = [], []
    for number in range(count):
        labels = [name] * (number < pers) + [other] * (number >= count - locs)
        gold = tuple(Entity(0, 1, label) for label in labels)
        documents.append(Document("x", gold))
        found.append(gold if number % 3 else ())
    gold = (document.entities for document in documents)
    return score_entities(zip(gold, found, strict=True)), measure_intervals(documents, found)


def with_draws(**options):
    scores, intervals = drawn(**options)
    return make_report(scores=scores, intervals=intervals)


def table_of(report, width=80):
    lines = [line for line in printed(report, width).splitlines() if line[:1] in "│┃"]
    return [re.split(r"\s*[│┃]\s*", line.strip("│┃ ")) for line in lines]


def test_f1_of_all_and_of_each_type_is_printed_with_its_interval():
    report = with_draws()
    f1 = report.intervals.types["PER"]["f1"]
    shown = f"{percent(f1.low)} to {percent(f1.high)}"
    header, loc, per, micro, macro = table_of(report)
    assert header == ["type", "precision", "recall", "F1", "95% of draws", "support"]
    assert per == ["PER", "100.0", "66.7", "80.0", shown, "9"]
    assert [row[4] == "" for row in (loc, per, micro, macro)] == [False, False, False, True]
    lines = printed(report).splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [line for line in lines if line.startswith("micro F1 on other such documents: ")]
    assert line.endswith(f"{micro[4]} in 95% of 1,000 draws of 30")
    assert re.search(
        "^micro precision 100.0 to 100.0, recall .* to .* in the same draws$",
        "\n".join(lines),
        re.M,
    )
    left_out = 1000 - report.intervals.types["LOC"]["f1"].defined
    assert f"draws without such entities are left out: LOC {left_out}" in lines


@pytest.mark.parametrize("name", ["q" * 70, "q" * 200, "creative work of many words " * 3])
def test_a_long_name_of_a_type_costs_no_figure(name):
    report = with_draws(name=name)
    shown = printed(report)
    assert max(map(len, shown.splitlines())) <= 80
    assert len(re.findall(r" \d+\.\d to \d+\.\d │", shown)) == 3
    assert shown.count("q") == name.count("q")
    assert shown.count("creative") == name.count("creative")


def test_a_type_of_few_documents_has_a_dash_that_is_explained():
    report = with_draws(locs=2)
    (cells,) = [row for row in table_of(report) if row[0] == "LOC"]
    assert cells[4] == "–"
    assert "–: too few documents have such entities for an interval" in printed(report)
    text = Page(render(report.to_dict())).text
    assert "–: too few documents have such entities for an interval" in text
    assert report.to_dict()["intervals"]["types"]["LOC"]["f1"] is None


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"count": 1, "pers": 1, "locs": 0}, "one document"),
        ({"count": 100, "pers": 1, "locs": 0}, "entities in 1 of 100 documents"),
        ({"count": 100, "pers": 0, "locs": 0}, "entities in none of 100 documents"),
    ],
)
def test_that_there_is_no_interval_is_said_with_the_reason(options, why):
    report = with_draws(**options)
    assert f"{why}: no interval" in printed(report).splitlines()
    assert "95% of draws" not in printed(report)
    assert "on other such documents" not in printed(report)
    values = report.to_dict()
    assert "f1_interval" not in values
    assert values["intervals"]["no_interval"] == why
    text = Page(render(values)).text
    assert f"; {why}: no interval" in text
    assert f"{why.capitalize()}: no interval." in text
    assert " to " not in text.partition("By type")[2].partition("Partial matches")[0]


def test_the_page_and_json_hold_all_intervals_of_this_split_and_of_others():
    scores, intervals = drawn(pers=20, count=40)
    others = {"splits": {"dev": scores}, "split_intervals": {"dev": intervals}}
    report = replace(with_draws(), split="test", **others)
    values = report.to_dict()
    micro = values["intervals"]["micro"]["f1"]
    drawn_from = {"documents": 30, "level": 0.95, "samples": 1000}
    expected = {"low": micro["low"], "high": micro["high"], **drawn_from}
    assert values["f1_interval"] == expected
    assert values["split_intervals"]["dev"] == intervals.to_dict()
    text = Page(render(values)).text
    assert "By type on dev" in text
    of_test, of_dev = text.partition("By type on dev")[::2]
    for page, of_split in ((of_test, report.intervals), (of_dev, intervals)):
        assert f"1,000 draws of {of_split.documents} documents with" in page
        for by_score in (of_split.micro, *of_split.types.values()):
            for one in filter(None, by_score.values()):
                assert f"{percent(one.low)} to {percent(one.high)}" in page
    left_out = 1000 - report.intervals.types["LOC"]["f1"].defined
    assert f"Draws without such entities are left out: LOC {left_out}." in " ".join(of_test.split())


def test_a_report_of_before_is_rendered_as_it_was():
    values = with_draws().to_dict()
    f1 = values["f1_interval"]
    del values["intervals"]
    values["splits"] = {"dev": values["entity"]}
    text = Page(render(values)).text
    assert f"micro F1 on other such documents {percent(f1['low'])} to" in " ".join(text.split())
    assert "By type on dev" in text
    assert "no interval" not in text
    del values["f1_interval"]
    assert "on other such documents" not in Page(render(values)).text


def test_partial_matches_stand_beside_the_strict_score():
    report = make_report()
    matches = report.to_dict()["partial_matches"]
    assert {mode: counts["f1"] for mode, counts in matches["micro"].items()} == {
        "strict": pytest.approx(4 / 7),
        "exact": pytest.approx(6 / 7),
        "partial": pytest.approx(6 / 7),
        "ent_type": pytest.approx(4 / 7),
    }
    assert matches["micro"]["strict"]["f1"] == report.scores.micro.f1
    line = "looser F1: exact 85.7 (any type), partial 85.7, ent_type 57.1 (any overlap)"
    assert line in printed(report)
    text = Page(render(report.to_dict())).text
    assert "F1 by typestrictexactpartialent_type" in text
    assert all(f"{mode}{meaning}" in text for mode, meaning in MODE_MEANINGS.items())


def test_a_report_without_partial_matches_shows_none():
    report = make_report(partial_matches=None)
    assert "partial_matches" not in report.to_dict()
    assert "looser" not in printed(report)
    assert "Partial matches" not in Page(render(report.to_dict())).text


def test_the_least_report_has_the_keys_too(tmp_path):
    report = Report(scores=EntityScores())
    report.write_json(tmp_path / "report.json")
    assert set(json.loads((tmp_path / "report.json").read_text())) == {
        "entity",
        "data",
        "data_by_split",
        "seconds",
        "versions",
    }
    assert "0.0" in Page(render(report.to_dict())).text
    assert "Dropped from the data: none" in printed(report)


def test_slices_have_their_own_micro_scores():
    slices = {
        "seen": EntityScores({"A": 2}, {"A": 2}, {"A": 2}),
        "unseen": EntityScores({"A": 2}, {"A": 2}, {"A": 1}),
    }
    report = make_report(slices=slices)
    assert {name: scores["micro"]["f1"] for name, scores in report.to_dict()["slices"].items()} == {
        "seen": 1.0,
        "unseen": 0.5,
    }
    assert "unseen: micro F1 50.0 on 2 entities" in printed(report)
    assert "By slice" in Page(render(report.to_dict())).text


def test_writing_replaces_the_old_file_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "new" / "report.json"
    write_report(target, "old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(type(target), "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(target, "new")
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]
    assert target.read_text() == "old"


def test_a_lone_surrogate_does_not_stop_the_report(tmp_path):
    report = make_report(name="a\udc80b")
    report.write_json(tmp_path / "r.json")
    report.write_html(tmp_path / "r.html")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["name"] == "a\udc80b"


def test_the_page_is_self_contained_and_well_formed(tmp_path):
    make_report().write_html(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.scripts == [filter_script()["script"]]
    (policy,) = [value for key, value in page.attributes if "default-src" in (value or "")]
    assert policy.endswith(f"; script-src '{filter_script()['script_hash']}'")
    assert not {"link", "img", "iframe", "object"} & set(page.names)
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert ("name", "viewport") in page.attributes


def test_the_page_shows_scores_losses_and_examples():
    page = Page(render(make_report().to_dict()))
    for text in (
        "57.1",
        "2 errors",
        "1 missed",
        "1 wrong type",
        "vanished",
        "1 min 05 s",
        "d1",
        "tfner 0.1.0",
        "2 documents",
    ):
        assert text in page.text, text
    assert ("g", "Rome") in page.marks
    assert ("g p", "Bo") in page.marks


def test_every_reason_and_kind_of_error_has_a_meaning_on_the_page():
    assert {*REASONS, *ERROR_KINDS} <= set(MEANINGS)
    assert tuple(MODE_MEANINGS) == MODES


def test_text_of_the_data_stays_text():
    gold = document(f"{NASTY} Anna", (0, 8, NASTY), id=NASTY)
    pairs = [(gold, [Entity(4, 12, NASTY)]), (gold, [])]
    report = Report(
        scores=score_entities((gold.entities, predicted) for gold, predicted in pairs),
        name=NASTY,
        split=NASTY,
        dropped={NASTY: {"repaired": 1}},
        seconds={NASTY: 1.0},
        versions={NASTY: NASTY},
        errors=analyse_errors(pairs),
        slices={NASTY: EntityScores()},
        intervals=with_draws(name=NASTY).intervals,
        splits={NASTY: EntityScores()},
    )
    page = Page(render(report.to_dict()))
    assert page.scripts == [filter_script()["script"]]
    assert page.names.count("script") == 1
    assert "bold" not in page.names
    assert (
        page.text.count(NASTY) >= 10
    )  # head, split, type, confusion twice, slice, losses, seconds, versions, id, other split
    known = {
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "style",
        "scope",
        "dir",
        "open",
        *("hidden", "value", "type", "data-kind", "data-types"),
    }
    assert {key for key, _ in page.attributes} <= known


def test_a_label_in_brackets_is_printed_as_it_is():
    assert "[red]" in printed(
        make_report(
            scores=EntityScores({"[red]": 1}), slices={"[blue]": EntityScores()}, split="[green]"
        )
    )
    assert "[green]" in printed(make_report(split="[green]"))


def test_the_printed_table_has_a_row_for_each_type_and_average():
    rows = [
        re.split(r"\s*│\s*", line.strip("│ "))
        for line in printed(make_report()).splitlines()
        if line.startswith("│")
    ]
    assert rows == [
        ["LOC", "50.0", "50.0", "50.0", "2"],
        ["PER", "100.0", "50.0", "66.7", "2"],
        ["micro", "66.7", "50.0", "57.1", "4"],
        ["macro", "75.0", "50.0", "58.3", "4"],
    ]
    assert "Dropped from the data: 3 repaired, 4 vanished" in printed(make_report())


SPANS = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(lambda pair: (pair[0], sum(pair)))


@given(st.text(min_size=26, max_size=80), SPANS, SPANS)
def test_marks_stand_where_the_entities_are(text, gold, predicted):
    pairs = [(Document(text, (entity_at(text, *gold, "A"),)), [entity_at(text, *predicted, "B")])]
    for examples in analyse_errors(pairs).to_dict()["examples"].values():
        for example in examples:
            pieces = marked_pieces(example)
            assert "".join(piece for piece, _ in pieces) == example["context"]
            for mark, key in (("g", "gold"), ("p", "predicted")):
                marked = "".join(piece for piece, marks in pieces if mark in marks.split())
                entity = example[key]
                assert marked == (text[entity["start"] : entity["end"]] if entity else "")


def test_the_page_marks_the_pieces_and_says_where_the_text_goes_on():
    text = "<" * 50 + "Anna & Bo" + ">" * 50
    pairs = [(document(text, (50, 54, "A")), [entity_at(text, 52, 59, "A")])]
    page = Page(render(make_report(errors=analyse_errors(pairs)).to_dict()))
    assert page.marks == [
        ("g", "gold"),
        ("p", "predicted"),
        ("g", "An"),
        ("g p", "na"),
        ("p", " & Bo"),
    ]
    assert f"…{'<' * 40}Anna & Bo{'>' * 40}…" in page.text


@given(st.text(min_size=1))
def test_any_text_comes_back_from_the_page(value):
    """In a title, a heading and a cell, as printable text and never as markup."""
    plain = Page(render(make_report(name="x", slices={"x": EntityScores()}).to_dict()))
    page = Page(render(make_report(name=value, slices={value: EntityScores()}).to_dict()))
    assert page.names == plain.names
    assert page.attributes == plain.attributes
    assert page.text.count(printable(value)) >= 3


@given(st.text(st.characters()))
def test_printable_keeps_lengths_and_lets_nothing_act(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown
    )


def test_printable_leaves_ordinary_text_alone():
    text = "naïve — 東京\tمرحبا 👩‍🚀\n"
    assert printable(text) == text
    assert printable("a\x1b[31m\x00") == "a␛[31m␀"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.25, "1.25 s"),
        (59.4, "59.4 s"),
        (59.99, "1 min 00 s"),
        (65, "1 min 05 s"),
        (7261, "2 h 01 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_percent():
    assert [percent(fraction) for fraction in (0, 0.5671, 1)] == ["0.0", "56.7", "100.0"]


def test_the_page_draws_scores_against_shares_by_bin():
    before = Reliability(300, 0.1, 0.03, (Bin(150, 0.7, 0.5), Bin(150, 0.9, 0.8)))
    after = Reliability(300, 0.02, 0.03, (Bin(150, 0.52, 0.5), Bin(150, 0.8, 0.82)))
    fit = CalibrationFit(Calibration(0.5, 0.1), 60, before, after)
    report = make_report(split="test", reliability=before, calibration=fit)
    loaded = json.loads(json.dumps(report.to_dict()))
    assert loaded["calibration"]["after"]["bins"][0] == {
        "entities": 150,
        "score": 0.52,
        "right": 0.5,
    }
    page = render(loaded)
    assert page.count("<svg") == 2
    for corner in ('cx="70.00" cy="50.00"', 'cx="80.00" cy="18.00"', 'points="52.00,50.00 80.00,'):
        assert corner in page
    assert "150 entities score 90.0 on average; 80.0% are right" in page
    assert "ECE 2.0 over 300 entities" in " ".join(page.split())
    own = render(make_report(reliability=after, calibration=fit).to_dict())
    assert own.count("<svg") == 1  # what dev says is said once
    assert "<svg" not in render(make_report().to_dict())
    assert "calibrated on dev: ECE 10.0 → 2.0" in printed(report, width=120)
    assert "scores of entities: ECE 10.0 over 300" in printed(report, width=120)
