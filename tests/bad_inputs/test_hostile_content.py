"""Put in text, labels, ids and file names that act in a tokenizer, shell, browser or terminal.

Here they mean nothing.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_bytes
from command_line import refused

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.evaluation.evaluate import evaluate_documents
from tfner.evaluation.report.page import filter_script
from tfner.exceptions import DataError, ModelError
from tfner.formats import read_documents
from tfner.formats.plain import read_whole_files
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.serving.export.bundle import live_recognizer, make_card
from tfner.serving.export.model_card import model_card
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.vocabulary import read_checkpoint_tokenizer

SCRIPT = "<script>document.title='Owned'</script>"
LABELS = (
    "[SEP]", "[PAD]", "O", "B-PER", "two words", "a/b", "../up", "--help", "-", SCRIPT,
    "</td></table>", "&lt;b&gt;", '"x" onload="y',
    "[bold red]", "[/]", "%s", "{x}", "$HOME", "`id`", "a|b", "LOC\u202e", "\u0130", "名", "#",
    "x" * 300,
)  # fmt: skip
TEXTS = (
    "[SEP]", "[PAD] anna [MASK] met [CLS] boris [UNK]", SCRIPT + " anna", "--help", "[/red] anna",
    "../../etc/passwd", "anna\u202e boris",
)  # fmt: skip


class Elements(HTMLParser):
    """Parse a page as a browser does: its elements, their attributes, and its text."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data


@pytest.fixture(scope="module")
def tagger():
    return tiny.tagger(LabelSet(LABELS))


@pytest.fixture(scope="module")
def recognizer(tagger):
    return live_recognizer(tagger, make_card(tagger, name=SCRIPT))


@pytest.fixture(scope="module")
def marked() -> list[Document]:
    """Make a document for each label, whose text, id and slice are hostile too."""
    return [
        Document(
            text,
            (entity_at(text, 0, 4, label),),
            ((0, 4), (5, len(text))),
            id=f"../{label}\n",
            slice=SCRIPT,
        )
        for label in LABELS
        for text in [f"anna {SCRIPT}"]
    ]


def test_special_tokens_in_a_text_are_text():
    tokenizer = tiny.tokenizer()
    special = {
        tokenizer.unk_id,
        tokenizer.cls_id,
        tokenizer.sep_id,
        tokenizer.pad_id,
        tokenizer.mask_id,
    }
    tokens = tokenizer.tokenize_text(["[SEP] [PAD][MASK] [CLS] [sep]"])
    assert not special & set(tokens.ids.values.numpy().tolist())
    words = tokenizer.tokenize_words(tf.ragged.constant([["[SEP]", "[PAD]"]]))
    assert not special & set(words.ids.values.numpy().tolist())


def test_special_tokens_of_a_bpe_in_a_text_are_text():
    tokenizer = tiny_bytes.tokenizer()
    texts = ["<s> </s><mask> x<pad> <unk>", "</s>", "<mask>"]
    special = {tokenizer.vocabulary.index(token) for token in tiny_bytes.SPECIAL}
    tokens = tokenizer.tokenize_text(texts)
    assert not special & set(tokens.ids.values.numpy().tolist())
    words = tokenizer.tokenize_words(tf.ragged.constant([["<s>", "<mask>"], ["</s>"]]))
    assert not special & set(words.ids.values.numpy().tolist())


def test_any_name_is_a_label_of_a_model(recognizer, tagger):
    """What the decoder gives are tags of the set, whole, and the spans are the text's."""
    for text, entities in zip(TEXTS, recognizer.batch(TEXTS), strict=True):
        assert {entity.label for entity in entities} <= set(LABELS)
        assert all(entity.text == text[entity.start : entity.end] for entity in entities)
    tags = [tag for text in TEXTS for tag in recognizer.tag(text.split())]
    assert set(tags) <= set(tagger.labels.tags)
    assert len(set(tags)) > 1


def test_a_special_token_as_label_is_told_from_no_label(tagger):
    labels = tagger.labels
    assert [labels.tag(labels.id(tag)) for tag in labels.tags] == list(labels.tags)
    assert len(set(labels.tags)) == len(labels) == 2 * len(LABELS) + 1
    assert (
        np.array_equal(
            labels.allowed_next[labels.id("B-O")], labels.allowed_next[labels.id("B-[PAD]")]
        )
        is False
    )


@pytest.mark.parametrize("format", ["jsonl", "columns", "brat"])
def test_what_is_written_is_read_again(tmp_path, marked, format):
    target = tmp_path / {"brat": "out"}.get(format, f"out.{format}")
    with open_writer(format, target) as writer:
        for document in marked:
            writer.write(document, document.entities)
    found = list(
        read_documents(
            target,
            ReadSettings(format=format, scheme="auto" if format != "columns" else "IOB2"),
            Ledger(),
        )
    )
    written = {re.sub(r"\s", "_", label) if format == "brat" else label for label in LABELS}
    assert {entity.label for document in found for entity in document.entities} == written
    assert [document.text for document in sorted(found, key=lambda d: d.text)] == sorted(
        document.text for document in marked
    )


def test_a_report_shows_markup_and_runs_none(recognizer, marked, tmp_path):
    report, _ = evaluate_documents(
        recognizer.documents,
        marked,
        name=SCRIPT,
        split=SCRIPT,
        dropped={SCRIPT: {"repaired": 1}},
        versions={SCRIPT: SCRIPT},
    )
    report.write_html(tmp_path / "report.html")
    page = Elements((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not {"b-per", "img", "iframe", "object"} & set(page.tags)
    assert page.scripts == [filter_script()["script"]]
    assert not {
        name for name in page.attributes if name.startswith("on") or name in ("href", "src")
    }
    assert page.tags.count("html") == page.tags.count("main") == 1
    for label in LABELS:
        assert label.replace("\u202e", "\ufffd") in page.text


def test_a_model_card_shows_markup_and_holds_none(tagger):
    card = model_card(
        make_card(tagger, name=SCRIPT, data={SCRIPT: {"source": f"../{SCRIPT}", "documents": 1}})
    )
    assert not re.search(r"(?<!\\)<", card.replace("<version>", ""))
    assert "[/]" not in re.sub(r"\\.", "", card)


def test_a_page_of_a_server_holds_its_models_name_as_text():
    import server_fakes as fakes

    from tfner.serving.server.page import Page

    with fakes.Client(fakes.service(fakes.FakeModel())) as client:
        own = Elements(client.get("/").text)
    evil = Elements(Page(SCRIPT + '"><img src=x>')._content)
    assert evil.tags == own.tags
    assert evil.attributes == own.attributes


def test_brackets_and_escapes_reach_no_terminal(shop, line):
    shop.json(
        "evil.jsonl",
        {"text": "anna [/red] met", "id": "\x1b[2J", "entities": [[0, 4, "[/] \x1b]0;owned\x07"]]},
    )
    result = line("inspect", "evil.jsonl", "--list")
    assert result.code == 0
    assert "[/] ␛]0;owned␇" in result.stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.stdout + result.stderr)
    folder = shop.folder / "[/] \x1b[31m"
    refused(
        line("predict", folder, "--text", "x"), f"{folder}: no such folder".replace("\x1b", "␛")
    )


def test_ids_cannot_leave_the_folder_that_is_written_to(tmp_path):
    paths = ["../up", "/etc/passwd", "a/../../b", "..", ".", "", "~/x", "-rf", "\u2024\u2024/x"]
    ids = [*paths, "a\0b", "a\nb", "x" * 5000, "CON", "A", "a", "Á", "A\u0301"]
    with open_writer("brat", tmp_path / "out") as writer:
        for number, id in enumerate(ids):
            writer.write(Document(f"anna {number}", id=id), [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    texts = sorted((tmp_path / "out").glob("*.txt"))
    assert len(texts) == len(ids)
    assert {text.read_text() for text in texts} == {f"anna {number}" for number in range(len(ids))}


def test_a_link_in_a_brat_folder_leads_nowhere(shop, line):
    shop.file("secret", "private")
    for name in ("a.txt", "a.ann"):
        shop.file("corpus/a.txt", "anna")
        shop.file("corpus/a.ann", "")
        shop.link(f"corpus/{name}", shop.folder / "secret")
        refused(
            line("inspect", "corpus"),
            f"corpus/{name}: expected a file of this folder, got a link to HERE/secret, outside "
            f"of it",
        )
        (shop.folder / f"corpus/{name}").unlink()
    shop.link("texts/b.txt", "../secret")
    with pytest.raises(
        DataError,
        match=r"texts/b\.txt: expected a file of this folder, "
        "got a link to .*secret, outside of it",
    ):
        list(read_whole_files(Path("texts"), ReadSettings()))


def test_names_of_dots_in_a_brat_folder_stay_in_it(shop):
    for name in ("..a", "...", "b..", "c/..d", "--help", "[x]"):
        shop.file(f"corpus/{name}.txt", name)
        shop.file(f"corpus/{name}.ann", "")
    found = {
        document.id: document.text
        for document in read_documents("corpus", ReadSettings(), Ledger())
    }
    assert found == {name: name for name in ("..a", "...", "b..", "c/..d", "--help", "[x]")}


def test_nothing_is_written_through_a_link(shop):
    shop.file("precious", "mine")
    shop.link("out/a.txt", shop.folder / "precious")
    expected = r"out/a\.txt: expected a place for a new file, got a link to"
    with open_writer("brat", "out") as writer, pytest.raises(DataError, match=expected):
        writer.write(Document("anna", id="a"), [])
    assert (shop.folder / "precious").read_text() == "mine"


def test_a_line_of_json_stays_a_line(tmp_path):
    text = "anna\u2028\u2029\x85\r\n\x1e boris"
    stream = io.StringIO()
    with open_writer("jsonl", stream) as writer:
        writer.write(Document(text, id=SCRIPT), [entity_at(text, 0, 4, "a\nb")])
    assert len(stream.getvalue().splitlines()) == 1
    assert json.loads(stream.getvalue())["entities"][0]["label"] == "a\nb"


def test_the_hubs_own_links_are_followed_and_no_others(tmp_path):
    snapshot, blobs = tmp_path / "models--x" / "snapshots" / "1", tmp_path / "models--x" / "blobs"
    shutil.copytree(tiny.checkpoint(), snapshot)
    blobs.mkdir()
    (snapshot / "vocab.txt").rename(blobs / "abc")
    (snapshot / "vocab.txt").symlink_to("../../blobs/abc")
    assert read_checkpoint_tokenizer(snapshot)[0] == tuple(tiny.vocabulary())
    (snapshot / "vocab.txt").unlink()
    (blobs / "abc").rename(tmp_path / "elsewhere")
    (snapshot / "vocab.txt").symlink_to("../../../elsewhere")
    with pytest.raises(
        ModelError,
        match=r"vocab\.txt: expected a file of this folder, got a link to .*elsewhere, outside of "
        r"it",
    ):
        read_checkpoint_tokenizer(snapshot)
