"""Outputs for other tools and for people: what is written comes back, in any script."""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.exceptions import ConfigError, DataError, MissingExtraError
from tfner.formats import read_documents
from tfner.formats.reading import read_unmarked
from tfner.formats.registry import output_suffix, writable, written_in_shards
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.safeio.printable import printable
from tfner.tagging.borders import trim_span

READ_BACK = ("jsonl", "csv", "doccano", "html", "prodigy", "label-studio", "spacy")
CHARACTERS = st.one_of(
    st.sampled_from(" \n\r\t,;\"'|[]{}\\<>&\u2028\u0085\u00a0\ufeff😀👩\u200d🚀אبé=#"),
    st.characters(exclude_categories=["Cs"]),
)
LABELS = st.sampled_from(["PER", "creative-work", "a,b", 'say "x"', "<b>", "名"])


@st.composite
def documents(draw):
    """Draw a text, words of it or none, and disjoint entities whose borders no reader trims."""
    text = draw(st.text(CHARACTERS, max_size=20))
    position = st.integers(0, len(text))
    borders = sorted(draw(st.lists(position, unique=True, max_size=6)))
    spans = list(zip(borders[::2], borders[1::2], strict=False))
    entities = []
    for start, end in spans:
        if trim_span(text, start, end) == (start, end):
            score = draw(st.sampled_from([0.25, 1.0]))
            entities.append(entity_at(text, start, end, draw(LABELS), score))
    words = tuple(spans) if draw(st.booleans()) else None
    return Document(text, tuple(entities), words, id=draw(st.sampled_from(["a", "é 1", "x\ny"])))


def write(format: str, path: Path, *given: Document) -> Ledger:
    with open_writer(format, path) as writer:
        for document in given:
            writer.write(document, document.entities)
    return writer.ledger


def read(format: str, path: Path) -> tuple[list[Document], Ledger]:
    ledger = Ledger()
    named = ReadSettings(format=format)
    return list(read_documents(path, named, ledger)), ledger


@pytest.mark.parametrize("format", READ_BACK)
@given(st.lists(documents(), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
@example([Document("👩🏽‍🚀 Ann 🚀 Bo", (entity_at("👩🏽‍🚀 Ann 🚀 Bo", 5, 8, "PER"),), id="a")])
@example([Document("a\r\nBo\r", (entity_at("a\r\nBo\r", 3, 5, "PER"),), id="a")])
@example([Document("[12]", (entity_at("[12]", 1, 3, "PER"),), id="a")])
def test_texts_and_entities_come_back(tmp_path_factory, format, given):
    if format == "spacy":
        pytest.importorskip("spacy", reason="the extra spacy is not installed")
    path = tmp_path_factory.mktemp("out") / "out"
    assert write(format, path, *given).counts == {}
    back, ledger = read(format, path)
    assert [each.text for each in back] == [each.text for each in given]
    for one, other in zip(back, given, strict=True):
        assert [each.key for each in one.entities] == [each.key for each in other.entities]
    assert ledger.counts == {}
    if format in ("jsonl", "doccano", "prodigy", "label-studio", "csv", "html"):
        assert [each.id for each in back] == [each.id for each in given]
    if format == "prodigy":
        assert [each.words or None for each in back] == [each.words or None for each in given]


class Page(HTMLParser):
    """Read a page: (id, text, [(marked text, title)]) of each article, and the legend."""

    def __init__(self, content: str):
        super().__init__(convert_charrefs=True)
        self.articles: list[tuple[list[str], list[str], list]] = []
        self.legend: list[str] = []
        self.stack: list[str] = []
        self.marks: list[list] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        assert not {"src", "href", "onclick"} & set(names)
        assert tag not in ("script", "img", "link", "iframe")
        if tag == "meta":
            return
        self.stack.append(tag)
        if tag == "article":
            self.articles.append(([], [], []))
        if tag == "mark":
            self.marks.append([[], names["title"], names["style"]])

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag
        if tag == "mark":
            pieces, title, style = self.marks.pop()
            self.articles[-1][2].append(("".join(pieces), title, style))

    def handle_data(self, data):
        if "aside" in self.stack:
            self.legend.append(data.strip())
        elif self.stack[-2:] == ["article", "small"]:
            self.articles[-1][0].append(data)
        elif "article" in self.stack and "small" not in self.stack:
            self.articles[-1][1].append(data)
            for mark in self.marks:
                mark[0].append(data)


@given(st.lists(documents(), max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_page_shows_every_text_and_mark_and_nothing_else(tmp_path_factory, given):
    path = tmp_path_factory.mktemp("out") / "out.html"
    write("html", path, *given)
    page = Page(path.read_text(encoding="utf-8"))
    shown = [("".join(id), "".join(text)) for id, text, _ in page.articles]
    assert shown == [(printable(each.id), printable(each.text)) for each in given]
    for (_, _, marks), document in zip(page.articles, given, strict=True):
        expected = [
            (printable(each.text), f"{each.label} {each.score:.2f}") for each in document.entities
        ]
        assert [(text, title) for text, title, _ in marks] == expected
    labels = {each.label for document in given for each in document.entities}
    assert set(filter(None, page.legend)) == labels


def test_a_page_is_safe_readable_in_both_directions_and_colours_types_alike(tmp_path):
    text = "<script>alert(1)</script> פגש את Bo \x1b[31m\u202e"
    entities = (entity_at(text, 0, 8, "<img src=x>"), entity_at(text, 33, 35, "PER", 0.987))
    document = Document(text, entities, id="</article>")
    other = Document("Bo", (entity_at("Bo", 0, 2, "PER"),), id="2")
    write("html", tmp_path / "a.html", document, other)
    content = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in content
    assert not re.search("<script|<img|\x1b|\u202e", content)
    page = Page(content)
    (_, first, marks), (_, _, (same,)) = page.articles
    assert "".join(first) == printable(text)
    assert marks[1] == ("Bo", "PER 0.99", same[2])
    assert marks[0][2] != same[2]
    assert content.count('dir="auto"') == 4


def test_what_is_no_page_of_ours_is_refused(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("<html><body><article>Bo left</article></body></html>\n")
    with pytest.raises(DataError) as caught:
        read("html", path)
    assert str(caught.value) == f"{path}: expected a page that predict --format html wrote"
    path.write_text('<article data-record="{&#34;text&#34;: 1"><small class="id"></small>\n')
    with pytest.raises(DataError, match=r"a\.html:1:\d+: not valid JSON: "):
        read("html", path)
    write("html", path)
    assert read("html", path) == ([], Ledger())


def test_nested_entities_are_shown_and_crossing_ones_are_counted(tmp_path):
    text = "Bank of New York Mellon"
    spans = [(0, 16, "ORG"), (8, 16, "LOC"), (12, 23, "ORG")]
    document = Document(text, tuple(entity_at(text, *span) for span in spans), id="d")
    ledger = write("html", tmp_path / "a.html", document)
    assert ledger.entries == [("overlapping", "d", "ORG 12-23")]
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert [mark[0] for mark in page.articles[0][2]] == ["New York", "Bank of New York"]


RECORD = {
    "id": 7,
    "text": "Bo left",
    "label": [[0, 2, "OLD"]],
    "labels": "news",
    "answer": "accept",
    "score": 0.5,
    "meta": {"source": "a", "ids": [1, 2]},
}
KEPT = {"labels": "news", "score": 0.5, "meta": RECORD["meta"]}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("format", ["jsonl", "doccano", "prodigy", "label-studio"])
def test_other_fields_of_a_record_are_kept(tmp_path, name, format):
    (tmp_path / name).write_text(json.dumps(RECORD) + "\n")
    (document,) = read_unmarked(tmp_path / name, ReadSettings())
    predicted = document.with_entities([entity_at("Bo left", 0, 2, "PER", 0.75)])
    write(format, tmp_path / "out", predicted)
    record = json.loads((tmp_path / "out").read_text())
    if format == "label-studio":
        record = record[0]["data"]
        assert record["id"] == 7
    else:
        assert record["id"] == "7"  # ids are texts
    assert {key: record[key] for key in KEPT} == KEPT
    assert "answer" not in record
    (back,) = read(format, tmp_path / "out")[0]
    assert (back.id, [each.key for each in back.entities]) == ("7", [(0, 2, "PER")])


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"data": "Bo", "text": 5, "label": []}, {"text": 5}),
        (["Bo", {"entities": [[0, 2, "A"]], "url": "u"}], {"url": "u"}),
        ({"text": "Bo", "tokens": ["Bo"], "tags": ["B-A"]}, {"tokens": ["Bo"]}),
        ({"text": "Bo", "tags": "x", "label": "spam"}, {"tags": "x", "label": "spam"}),
        ({"tokenized_text": ["Bo"], "ner": [[0, 0, "A"]], "n": 1}, {"n": 1}),
        ({"id": 1, "data": {"text": "Bo", "url": "u"}, "annotations": []}, {"url": "u"}),
        ({"text": "Bo"}, None),
    ],
)
def test_what_would_be_read_as_marks_is_no_other_field(tmp_path, value, kept):
    (tmp_path / "a.jsonl").write_text(json.dumps(value))
    (document,) = read_unmarked(tmp_path / "a.jsonl", ReadSettings())
    assert document.other_fields == kept
    write("jsonl", tmp_path / "out.jsonl", document.with_entities([]))
    (back,) = read("jsonl", tmp_path / "out.jsonl")[0]
    assert (back.text, back.entities) == ("Bo", ())
    (marked,) = read("jsonl", tmp_path / "a.jsonl")[0]
    assert marked.other_fields is None  # training does not hold them


def test_predictions_of_label_studio_count_where_there_are_no_annotations_at_all(tmp_path):
    entities = (entity_at("Bo met Al", 0, 2, "PER", 0.9), entity_at("Bo met Al", 7, 9, "PER", 0.4))
    write("label-studio", tmp_path / "a.json", Document("Bo met Al", entities, id="d"))
    (task,) = json.loads((tmp_path / "a.json").read_text())
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.4
    assert prediction["result"][0] == {
        "id": "e1",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 0, "end": 2, "text": "Bo", "labels": ["PER"]},
        "score": 0.9,
    }
    task["annotations"] = []  # an export of a task that nobody has looked at
    (tmp_path / "b.json").write_text(json.dumps([task]))
    assert [len(read("json", tmp_path / name)[0][0].entities) for name in ("a.json", "b.json")] == [
        2,
        0,
    ]


def test_prodigy_numbers_the_tokens_of_spans(tmp_path):
    document = Document.from_words(["New", "York", "sleeps"], [(0, 2, "LOC")], id="d")
    write("prodigy", tmp_path / "a.jsonl", document)
    record = json.loads((tmp_path / "a.jsonl").read_text())
    (span,) = record["spans"]
    assert (span["token_start"], span["token_end"]) == (0, 1)
    assert record["tokens"][1] == {"text": "York", "start": 4, "end": 8, "id": 1, "ws": True}
    assert record["tokens"][2]["ws"] is False


def test_doccano_gets_what_it_imports(tmp_path):
    document = Document("Bo left", (entity_at("Bo left", 0, 2, "PER", 0.5),), id="d")
    write("doccano", tmp_path / "a.jsonl", document)
    record = {"id": "d", "text": "Bo left", "label": [[0, 2, "PER"]]}
    assert json.loads((tmp_path / "a.jsonl").read_text()) == record


def test_csv_is_a_row_a_document(tmp_path):
    document = Document('Bo "B" left', (entity_at('Bo "B" left', 0, 2, "PER", 0.5),), id="d")
    write("csv", tmp_path / "a.csv", document)
    header, row = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "id,text,entities"
    assert row.startswith('"d","Bo ""B"" left","[{""start"": 0, ""end"": 2, ""label"": ""PER""')


def test_a_docbin_appears_whole_or_not_at_all_and_has_scores(tmp_path):
    spacy = pytest.importorskip("spacy", reason="the extra spacy is not installed")
    document = Document("Bo left", (entity_at("Bo left", 0, 2, "PER", 0.5),))
    path = tmp_path / "new" / "a.spacy"
    writer = open_writer("spacy", path)
    writer.write(document, document.entities)
    writer.__exit__(KeyboardInterrupt, None, None)
    assert not path.exists()
    write("spacy", path, document, Document("\udc80 "))
    docbin = spacy.tokens.DocBin(store_user_data=True).from_disk(path)
    first, second = docbin.get_docs(spacy.blank("en").vocab)
    assert [(span.text, span._.score) for span in first.ents] == [("Bo", 0.5)]
    assert second.text == "? "
    blanks = Document("Bo  ", (entity_at("Bo  ", 0, 3, "PER"), entity_at("Bo  ", 3, 4, "PER")))
    assert write("spacy", path, blanks).counts == {"trimmed_border": 1, "vanished": 1}


def test_a_docbin_needs_a_file_and_spacy(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="format spacy: expected a file to write to, got a str"):
        open_writer("spacy", io.StringIO())
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"output format spacy needs .*'tfner\[spacy\]'"):
        open_writer("spacy", tmp_path / "a.spacy")


def test_an_empty_output_is_one_of_its_format(tmp_path):
    for format, content in (("csv", "id,text,entities\n"), ("label-studio", "[\n]\n")):
        write(format, tmp_path / format)
        assert (tmp_path / format).read_text() == content
    write("html", tmp_path / "html")
    assert Page((tmp_path / "html").read_text()).articles == []


def test_what_frames_its_records_is_not_put_in_shards():
    shards = {format.name for format in written_in_shards()}
    assert shards == {"columns", "doccano", "jsonl", "prodigy", "text"}
    assert {format.name for format in writable() if format.framed} == {
        "csv",
        "html",
        "label-studio",
        "spacy",
    }
    assert [output_suffix(name) for name in ("doccano", "label-studio", "columns")] == [
        ".jsonl",
        ".json",
        ".conll",
    ]
