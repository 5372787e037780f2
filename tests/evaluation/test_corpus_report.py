"""What `inspect` finds, printed and as a page; text of the data stays text."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

from corpora import clean
from rich.console import Console

from tfner.corpus.statistics import corpus_statistics
from tfner.corpus.verdicts.verdict import SEVERITIES, Case, Kind, Verdict
from tfner.documents import Document, Entity
from tfner.evaluation.report.corpus_report import CorpusReport, describe_severities

NASTY = "<script>alert('x')</script> [bold]x[/bold] {{ 7 * 7 }} \x1b[2J"


class Page(HTMLParser):
    """Collects tags and text; fails where tags do not close in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def verdicts(text):
    error = Kind("leakage", "error", f"Advice on {text}.")
    cases = [Case(f"{text} {number}", (f"train {text}", "dev")) for number in range(60)]
    hint = Verdict("few updates", "hint", "One & only", "Do.", 1, ())
    return [error.verdict(f"60 of {text}", cases), hint]


def report(text="text", **fields):
    document = Document(text, (Entity(0, 1, text),), id=text)
    statistics = corpus_statistics({"train": [document], text: []})
    return CorpusReport(statistics=statistics, verdicts=verdicts(text), **fields)


def printed(report, method="print_table"):
    console = Console(file=io.StringIO(), width=500, color_system=None)
    getattr(report, method)(console)
    return console.file.getvalue()


def test_verdicts_are_printed_last_a_line_each():
    lines = printed(report(training="training makes 3 updates")).splitlines()
    assert lines[-4:] == [
        "training makes 3 updates",
        "verdicts: 1 error, 1 hint",
        "error: 60 of text: text 0 (train text, dev); text 1 (train text, dev); text 2 (train "
        "text, dev); and 57 others. Advice on text.",
        "hint: One & only. Do.",
    ]


def test_every_kept_case_is_listed_with_its_verdict():
    lines = printed(report(), "print_cases").splitlines()
    assert len(lines) == 50
    assert lines[0].split() == ["leakage", "text", "0", "train", "text,", "dev"]


def test_without_verdicts_it_says_so(tmp_path):
    good = CorpusReport(statistics=corpus_statistics(clean()), verdicts=[])
    assert printed(good).splitlines()[-1] == "verdicts: none"
    good.write_html(tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text("utf-8"))
    assert "Nothing was found." in page.text


def test_the_page_holds_all_that_is_printed_and_more_cases(tmp_path):
    path = tmp_path / "new" / "page.html"
    report(training="training makes 3 updates").write_html(path)
    html = path.read_text("utf-8")
    page = Page(html)
    words = " ".join(page.text.split())
    for said in ("60 of text.", "Advice on text.", "The first 50 of 60", "text 49", "One & only."):
        assert said in words
    assert "training makes 3 updates" in words
    assert words.index("leakage") < words.index("few updates") < words.index("documents")
    assert "errors 1 warnings 0 hints 1" in re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))
    assert "http" not in html.replace("http-equiv", "")


def test_text_of_the_data_is_neither_markup_nor_an_escape(tmp_path):
    nasty = report(NASTY)
    nasty.write_html(tmp_path / "nasty.html")
    report("plain").write_html(tmp_path / "plain.html")
    pages = [Page((tmp_path / f"{name}.html").read_text("utf-8")) for name in ("nasty", "plain")]
    assert pages[0].tags == pages[1].tags
    assert "<script>alert('x')</script> [bold]x[/bold] {{ 7 * 7 }} ␛[2J" in pages[0].text
    for method in ("print_table", "print_cases"):
        output = printed(nasty, method)
        assert "[bold]x[/bold] {{ 7 * 7 }} ␛[2J" in output
        assert "\x1b" not in output


def test_severities_are_summed_up_the_worst_first():
    given = [Verdict("x", severity, "", "", 1, ()) for severity in reversed(SEVERITIES)]
    assert describe_severities([*given, given[0]]) == "verdicts: 1 error, 1 warning, 2 hints"
