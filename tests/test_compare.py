"""Two models, or two files of their predictions, are compared from the command line."""

from __future__ import annotations

import json
import random

import pytest
import tiny
from command_line import CommandLine, refused

from tfner import commands
from tfner.documents import Document, entity_at
from tfner.exceptions import ModelError
from tfner.formats.writers import open_writer

WORDS = {"anna": "PER", "lund": "LOC", "acme": "ORG", "(oslo)": "LOC", "the": "", "met": ""}
KNOWN = {"low": ["anna"], "high": ["anna", "lund", "met"], "raw": ["oslo"]}


class Finder:
    """Stands for a recognizer: finds the words of a list, of type LOC."""

    def __init__(self, words):
        self.card = {}
        self.context = "none"
        self.entities_cut = 0
        self.asked: list[Document] = []
        self._words = words

    def recognize_block(self, block):
        self.asked += block
        yield [(index, self._find(document)) for index, document in enumerate(block)]

    def _find(self, document):
        found = []
        for word in self._words:
            start = document.text.find(word)
            if start >= 0:
                label = WORDS.get(word) or "LOC"
                found.append(entity_at(document.text, start, start + len(word), label))
        return found


def sentences(count=24):
    """Sentences of given words, each entity a word."""
    draw = random.Random(2)
    documents = []
    for number in range(count):
        words = draw.sample(list(WORDS), k=4)
        spans = [(n, n + 1, WORDS[word]) for n, word in enumerate(words) if WORDS[word]]
        documents.append(Document.from_words(words, spans, id=str(number)))
    return documents


@pytest.fixture
def line(capsys, monkeypatch, tmp_path):
    """Open the command line in a folder with `dev.conll`; KNOWN names its models."""
    monkeypatch.chdir(tmp_path)
    with open_writer("columns", "dev.conll") as writer:
        for document in sentences():
            writer.write(document, document.entities)
    return CommandLine(capsys, monkeypatch)


@pytest.fixture
def finders(monkeypatch):
    """Models by name, none of which is a file."""
    finders = {name: Finder(words) for name, words in KNOWN.items()}

    def open_finder(path):
        if path.name not in finders:
            raise ModelError(f"{path}: no such folder")
        return finders[path.name]

    monkeypatch.setattr(commands, "open_recognizer", open_finder)
    return finders


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_two_models_and_the_files_of_their_predictions_compare_alike(line, finders, tmp_path):
    for name in ("low", "high"):
        assert line("evaluate", name, "dev.conll", "--predictions", f"{name}.txt").code == 0
    ways = {"models": ["low", "high", "dev.conll"], "files": ["low.txt", "high.txt"]}
    for way, arguments in ways.items():
        options = ("--draws", 500, "--list", 2, "--report", f"{way}.json", "--html", f"{way}.html")
        result = line("compare", *arguments, *options)
        assert (result.code, result.stderr) == (0, "")
        assert "B≤A: share of these draws in which B is not better" in result.stdout
        assert "B not better" in (tmp_path / f"{way}.html").read_text()
    of_models, of_files = (read(tmp_path / f"{way}.json") for way in ways)
    assert of_models["f1"] == of_files["f1"]
    assert of_models["f1"]["micro"]["difference"] > 0
    assert of_models["f1"]["types"]["LOC"]["difference"] > 0
    assert of_models["f1"]["types"]["PER"] == {
        **of_models["f1"]["types"]["PER"],
        "difference": 0,
        "p": 1,
        "p_holm": 1,
    }
    assert of_models["changes"]["counts"] == of_files["changes"]["counts"]
    assert len(of_models["changes"]["listed"]) == 2
    assert (of_models["data"], of_files["data"]) == ("dev.conll", "")
    assert set(of_models["seconds"]) == {"prediction_a", "prediction_b", "comparison"}


def test_sentences_of_one_document_are_drawn_together_from_files_too(line, finders, tmp_path):
    blocks = (tmp_path / "dev.conll").read_text().split("\n\n")
    for start in (21, 15, 8, 3):  # the first three sentences are of no document
        blocks.insert(start, "-DOCSTART-\tO")
    (tmp_path / "dev.conll").write_text("\n\n".join(blocks))
    for name in ("low", "high"):
        assert line("evaluate", name, "dev.conll", "--predictions", f"{name}.txt").code == 0
    for out, arguments in (("a", ["low", "high", "dev.conll"]), ("b", ["low.txt", "high.txt"])):
        assert line("compare", *arguments, "--draws", 500, "--report", out).code == 0
    of_models, of_files = read(tmp_path / "a"), read(tmp_path / "b")
    assert (of_models["documents"], of_models["groups"]) == (24, 7)
    for key in ("f1", "documents", "groups"):
        assert of_models[key] == of_files[key]


def test_both_models_read_sentences_as_asked_or_as_each_was_trained(line, finders):
    finders["high"].context = "document"
    for options, contexts in (
        ((), ("none", "document")),
        (("--context", "document"), ("document", "document")),
        (("--context", "none"), ("none", "none")),
    ):
        assert line("compare", "low", "high", "dev.conll", "--draws", 9, *options).code == 0
        assert (finders["low"].context, finders["high"].context) == contexts
    ended = line("compare", "low", "high", "dev.conll", "--context", "page")
    refused(ended, "--context: expected none or document, got 'page'")


def test_run_folders_show_how_their_trainings_went(line, finders, tmp_path):
    (tmp_path / "low").mkdir()
    epochs = [{"epoch": 1, "loss": 0.5, "val_entity_f1": 0.25}, {"epoch": 2, "loss": float("nan")}]
    lines = "\n".join(map(json.dumps, epochs))
    (tmp_path / "low" / "metrics.jsonl").write_text(lines)
    command = ("compare", "low", "high", "dev.conll", "--draws", 9, "--html", "out.html")
    assert line(*command, "--report", "out.json").code == 0
    report = read(tmp_path / "out.json")
    first, second = report["a"]["curve"]["epochs"]
    assert (first["dev_f1"], second["loss"], report["a"]["curve"]["best_epoch"]) == (0.25, None, 1)
    assert "curve" not in report["b"]
    assert "Learning curves" in (tmp_path / "out.html").read_text()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("[1]", "expected the metrics of an epoch, got [1]"),
        ('{"loss": 1}', "epoch: expected a whole number, got None"),
        ('{"epoch": 1, "loss": "x"}', "loss: expected a number, got 'x'"),
        ('{"epoch"', ":9: not valid JSON: expecting ':' delimiter"),
    ],
)
def test_damaged_metrics_of_a_run_are_refused_with_their_line(
    line, finders, tmp_path, damage, reason
):
    (tmp_path / "low").mkdir()
    (tmp_path / "low" / "metrics.jsonl").write_text(f'{{"epoch": 1}}\n{damage}\n')
    ended = line("compare", "low", "high", "dev.conll", "--draws", 9)
    refused(ended, f"low/metrics.jsonl:2{'' if reason[0] == ':' else ': '}{reason}")


def test_equal_files_differ_by_nothing(line, finders, tmp_path):
    line("evaluate", "low", "dev.conll", "--predictions", "low.txt")
    assert line("compare", "low.txt", "low.txt", "--report", "out.json").code == 0
    report = read(tmp_path / "out.json")
    assert (report["f1"]["micro"]["difference"], report["f1"]["micro"]["p"]) == (0, 1)
    counts = {"better": 0, "worse": 0, "different": 0, "same": 24}
    assert report["changes"] == {"counts": counts, "listed": []}


def test_the_same_command_prints_the_same_and_another_seed_other_draws(line, finders):
    arguments = ("compare", "low", "high", "dev.conll", "--draws", 400)
    first = line(*arguments).stdout
    assert line(*arguments).stdout == first
    assert line(*arguments, "--seed", 2).stdout != first


def test_models_read_given_words_or_with_raw_the_text(line, finders):
    for options, words in (((), True), (("--raw",), False)):
        line("compare", "low", "raw", "dev.conll", "--draws", 9, *options)
        for name in ("low", "raw"):
            assert all((each.words is not None) is words for each in finders[name].asked[-24:])
            assert len(finders[name].asked) == (24 if words else 48)


def test_files_whose_words_were_cut_at_predictions_compare(line, finders):
    for name in ("low", "raw"):
        line("evaluate", name, "dev.conll", "--raw", "--predictions", f"{name}.txt")
    result = line("compare", "low.txt", "raw.txt")
    assert result.code == 0
    assert "LOC [oslo]" in result.stdout


def test_a_model_that_is_missing_is_named_before_the_other_one_predicts(line, finders):
    refused(line("compare", "low", "none", "dev.conll"), "none: no such folder")
    assert finders["low"].asked == []


def test_data_that_cannot_be_scored_on_are_refused_before_a_model_loads(line, tmp_path):
    (tmp_path / "words.conll").write_text("anna O\nlund O\n\nacme O\n")
    message = "words.conll: expected marked entities, found none in 2 documents"
    refused(line("compare", "none", "none", "words.conll"), message)
    (tmp_path / "empty.conll").write_text("")
    refused(line("compare", "a", "b", "empty.conll"), "empty.conll: expected documents, found none")
    (tmp_path / "one.conll").write_text("anna B-PER\n")
    expected = "expected two documents or more to draw from, of different groups"
    refused(line("compare", "a", "b", "one.conll"), f"one.conll: {expected}, got one of 1 texts")


def test_files_of_other_gold_are_refused_with_the_line(line, tmp_path):
    (tmp_path / "a").write_text("anna B-PER O\nmet O O\n\nlund B-LOC B-LOC\n")
    (tmp_path / "b").write_text("anna B-PER O\nmet O O\n\nlund O B-LOC\n")
    message = "b:4: expected the gold entity LOC 'lund' as in a:4, got none"
    refused(line("compare", "a", "b"), message)


def test_folders_without_data_are_refused_with_what_to_do(line, tmp_path):
    (tmp_path / "model").mkdir()
    expected = "expected a file of predictions, got a folder; name DATA to compare models"
    refused(line("compare", "model", "model"), f"model: {expected}")


@pytest.mark.parametrize(
    "option",
    [("--raw",), ("--context", "none"), ("--format", "jsonl"), ("--tag-column", "0")],
)
def test_options_of_data_are_refused_where_there_is_none(line, option):
    expected = "expected DATA that A and B are scored on, got none"
    refused(line("compare", "a", "b", *option), f"{option[0]}: {expected}")


@pytest.mark.slow
def test_an_export_differs_from_itself_by_nothing_and_from_a_cautious_one(line, tmp_path):
    from tfner.serving.export.bundle import export_model, make_card

    tagger = tiny.tagger(threshold=0.8)
    cautious = export_model(tagger, make_card(tagger, name="cautious"), tmp_path / "cautious")
    for other, differs in ((tiny.exported(), False), (cautious, True)):
        result = line("compare", tiny.exported(), other, "dev.conll", "--report", "out.json")
        assert result.code == 0
        assert (read(tmp_path / "out.json")["f1"]["micro"]["difference"] != 0) is differs
