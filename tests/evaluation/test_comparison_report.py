"""A comparison as JSON, page and table: what was measured, and text of the data stays text."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

from rich.console import Console

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.changes import DIRECTIONS, find_changes
from tfner.evaluation.comparison import compare_predictions
from tfner.evaluation.report.comparison_report import ComparisonReport
from tfner.evaluation.report.page import DIRECTION_MEANINGS, filter_script, render_comparison

NASTY = "<script>alert('x')</script> & [bold]x[/bold] {{ 7 * 7 }}"
TEXT = "Anna met Bo in Rome"
ROWS = ("LOC", "PER", "micro")
ANNA, BO, ROME = (0, 4, "PER"), (9, 11, "PER"), (15, 19, "LOC")


class Page(HTMLParser):
    """Collects tags, marks and text; fails where tags do not close in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.names, self.open, self.marks, self.text = [], [], [], ""
        self.scripts = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "mark":
            self.marks.append(data)
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data


def make_report(text=TEXT, label="LOC", **fields):
    document = Document(text, tuple(entity_at(text, *key) for key in (ANNA, (15, 19, label))))
    documents = [replace(document, id=f"d{number}") for number in range(4)]
    anna, bo, rome = (entity_at(text, *key) for key in (ANNA, BO, (15, 19, label)))
    found_a = [[anna], [anna], [anna, rome], [anna, bo]]
    found_b = [[anna, rome], [anna], [rome], [rome]]
    found = (documents, found_a, found_b)
    compared = compare_predictions(*found, draws=200)
    return ComparisonReport(
        **{
            "comparison": compared,
            "changes": find_changes(*found, most=5),
            "a": "models/a",
            "b": "models/b",
            "data": "dev.conll",
            "dropped": {"dev.conll": {"repaired": 2}},
            "seconds": {"comparison": 0.5},
            **fields,
        }
    )


def printed(report, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    report.print_table(console)
    return console.file.getvalue()


def test_json_holds_scores_differences_and_changes(tmp_path):
    report = make_report()
    report.write_json(tmp_path / "comparison.json")
    loaded = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert loaded["a"] == {"name": "models/a", "entity": report.comparison.scores_a.to_dict()}
    assert loaded["b"]["name"] == "models/b"
    micro = loaded["f1"]["micro"]
    assert micro["a"] == loaded["a"]["entity"]["micro"]["f1"]
    assert micro["difference"] == micro["b"] - micro["a"]
    intervals = {"a_interval", "b_interval"}
    differences = {"a", "b", "difference", "low", "high", "not_better", "p", "support"}
    assert set(micro) == differences | intervals | {"defined"}
    assert micro["defined"] == 200
    for name in ("a", "b"):
        low, high = micro[f"{name}_interval"]
        assert low <= micro[name] <= high
    assert set(loaded["f1"]["types"]) == {"PER", "LOC"}
    assert "p_holm" in loaded["f1"]["types"]["PER"]
    size = {key: loaded[key] for key in ("documents", "groups", "draws", "seed", "level")}
    assert size == {"documents": 4, "groups": 4, "draws": 200, "seed": 1, "level": 0.95}
    assert loaded["changes"]["counts"] == {"better": 2, "worse": 1, "different": 0, "same": 1}
    first = loaded["changes"]["listed"][0]
    assert (first["document"], first["errors"]) == ("d2", {"a": 0, "b": 1})
    assert [entity["text"] for entity in first["a"]] == ["Anna"]
    assert loaded["dropped"] == {"dev.conll": {"repaired": 2}}


def test_the_table_has_a_row_for_each_type_and_fits_a_terminal():
    lines = [line.rstrip() for line in printed(make_report()).splitlines()]
    table = lines[3:7]
    assert max(map(len, table)) <= 80
    rows = [re.split(r"\s{2,}", line.strip()) for line in table]
    loc, per, micro = (next(row for row in rows if row[0] == name) for name in ROWS)
    assert loc[1:5] == ["4", "40.0", "85.7", "+45.7"]
    assert per[1:5] == ["4", "88.9", "66.7", "-22.2"]
    assert len(loc) == len(per) == len(micro) + 1 == 9
    for line in (
        "A: models/a",
        "dev.conll",
        "95% of draws: B-A in 200 draws of 4 documents with replacement",
        "Holm: p of a type among 2 that are tested together",
        "Documents: 2 better, 1 worse, 0 different with as many errors, 1 the same",
        "better: 1 → 0 errors  d0",
        "  gold LOC [Rome]",
        "  A    -",
        "Dropped from dev.conll: 2 repaired",
    ):
        assert line in lines, line


def test_a_type_of_few_documents_has_dashes_that_are_explained():
    anna, rome = Entity(0, 4, "PER"), Entity(15, 19, "LOC")
    golds = [(anna,) * (number < 4) + (rome,) * (number < 1) for number in range(40)]
    documents = [Document(TEXT, gold) for gold in golds]
    found = [[], *golds[1:]]
    compared = compare_predictions(documents, found, golds, draws=1000)
    report = make_report(comparison=compared)
    lines = [line.rstrip() for line in printed(report).splitlines()]
    assert max(map(len, lines[:8])) <= 80
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines]
    loc, per, micro = (next(row for row in rows if row[0] == name) for name in ROWS)
    assert loc[4:] == ["+100.0", "–", "–", "1.0000", "1.0000"]
    assert "–" not in [*per, *micro]
    assert "–: too few documents have such entities to say" in lines
    left_out = 1000 - compared.types["PER"].defined
    assert compared.micro.defined == compared.types["PER"].defined < 1000
    undefined = f"micro {left_out}, PER {left_out}"
    assert f"draws without such entities are left out: {undefined}" in lines
    text = " ".join(Page(render_comparison(report.to_dict())).text.split())
    assert "LOC +100.0 – 0.0– 100.0– – 1.0000" in text
    assert f"Draws in which A or B has no F1 are left out: {undefined}." in text.replace(
        " , ", ", "
    )
    assert "low" not in report.to_dict()["f1"]["types"]["LOC"]


def test_a_comparison_of_before_is_rendered_as_it_was():
    values = make_report().to_dict()
    for each in (values["f1"]["micro"], *values["f1"]["types"].values()):
        del each["defined"]
    assert "left out" not in Page(render_comparison(values)).text


def test_texts_that_are_drawn_together_are_said_to_be():
    comparison = replace(make_report().comparison, groups=2)
    line = "4 texts are of 2 documents, drawn as such"
    assert line in printed(make_report(comparison=comparison))
    assert line not in printed(make_report())
    html = render_comparison(make_report(comparison=comparison).to_dict())
    assert "4 texts make up these documents" in Page(html).text


def test_the_page_is_self_contained_and_shows_what_changed(tmp_path):
    make_report().write_html(tmp_path / "comparison.html")
    html = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.scripts == [filter_script()["script"]]
    assert not {"link", "img", "iframe", "object"} & set(page.names)
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=", html)
    assert "default-src 'none'" in html
    for text in ("Comparison on dev.conll", "models/a", "2 better", "+45.7", "fewer errors", "d3"):
        assert text in page.text, text
    assert page.marks == [
        *("Anna", "Anna"),  # of d2: in gold and found by A
        *("Rome", "Rome"),  # of d0: in gold and found by B
        *("Anna", "Rome", "Anna", "Bo", "Rome"),  # of d3: gold, A and B
    ]


def test_every_direction_has_a_meaning_on_the_page():
    assert tuple(DIRECTION_MEANINGS) == DIRECTIONS


def test_text_of_the_data_stays_text():
    text = f"Anna met Bo in Rome{NASTY}"
    report = make_report(text, label=NASTY, a=NASTY, data=NASTY, dropped={NASTY: {"repaired": 1}})
    page = Page(render_comparison(report.to_dict()))
    assert page.scripts == [filter_script()["script"]]
    assert page.names.count("script") == 1
    assert "bold" not in page.names
    assert page.text.count(NASTY) == 8  # A, data, type twice, that of five entities less one cut
    shown = printed(report, width=400)
    assert f"A: {NASTY}" in shown
    assert f"  gold {NASTY} [Rome]" in shown
    assert "\x1b" not in printed(make_report(a="\x1b[31mred"))
