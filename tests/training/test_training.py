"""Carry out a whole run on a tiny encoder: what it leaves, how it goes on and ends early."""

from __future__ import annotations

import gc
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
import yaml
from rich.console import Console
from seqeval.metrics import f1_score

import tfner
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.evaluate import evaluate_model
from tfner.evaluation.evaluate import evaluate_documents
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import EntityScores
from tfner.exceptions import ConfigError, ModelError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.predict import predict
from tfner.serving.export.model_card import model_card
from tfner.training.callbacks import ProgressBar
from tfner.training.restore import export_run, open_model, scores_of_run
from tfner.training.run import Outcome, report_of, train
from tfner.training.run_inputs import load_run_inputs
from tfner.training.state.run_folder import RunFolder
from tfner.training.state.run_list import list_runs

PEOPLE, PLACES = ("anna", "boris", "clara", "david"), ("oslo", "paris", "lima", "kiev")


def write_sentences(path: Path, count: int, seed: int, extra: str = "") -> None:
    """Sentences that a tiny model can learn: `PERSON met PERSON in PLACE`."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        person, other, place = draw.choice(PEOPLE), draw.choice(PEOPLE), draw.choice(PLACES)
        rows.append(f"{person} B-PER\n{other}ov I-PER\nmet O\nthe O\nbank O\nin O\n{place} B-LOC\n")
    path.write_text("\n".join(rows) + extra, encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    write_sentences(folder / "train.conll", 48, 1, extra="\n\u200e B-LOC\n\nold O\n")
    write_sentences(folder / "dev.conll", 16, 2, extra="\nlund B-RIVER\n")
    return folder


def settings_for(home: Path, name: str, *overrides: str):
    values = {
        "name": name,
        "data": {"train": str(home / "train.conll"), "dev": str(home / "dev.conll")},
        "encoder": {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4},
        "training": {"epochs": 3, "batch_size": 4, "learning_rate": 5e-3},
        "runs_dir": str(home / "runs"),
        "exports_dir": str(home / "exports"),
    }
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return load_settings(path, overrides)


def quiet() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture(scope="module")
def finished(home):
    return train(settings_for(home, "whole"), quiet())


def graphs_of_training() -> list[tf.Graph]:
    gc.collect()
    graphs = [each for each in gc.get_objects() if isinstance(each, tf.Graph)]
    return [graph for graph in graphs if getattr(graph, "name", "") == "train_function"]


@pytest.mark.long
def test_nothing_of_a_training_stays_in_memory(home):
    before = len(graphs_of_training())
    train(settings_for(home, "forgotten", "export.enabled=false", "training.epochs=1"), quiet())
    assert len(graphs_of_training()) == before


@pytest.fixture(scope="module")
def recognizer(finished):
    return tfner.load(finished.export)


@pytest.fixture(scope="module")
def again(finished, home):
    """Export the finished run a second time."""
    return export_run(home / "runs" / "whole")


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    """Of the newest checkpoint in a folder of them."""
    reader = tf.train.load_checkpoint(str(max(folder.glob("best-*")) / "weights"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "VARIABLE_VALUE" in name and "optimizer" not in name
    }


def test_a_run_leaves_everything_that_explains_it(finished, home):
    folder = home / "runs" / "whole"
    files = {
        "config.yaml",
        "environment.json",
        "labels.json",
        "metrics.jsonl",
        "report.json",
        "report.html",
        "exports.jsonl",
    }
    assert {path.name for path in folder.iterdir()} == files | {
        "encoder",
        "checkpoints",
        "tensorboard",
    }
    report = json.loads((folder / "report.json").read_text())
    assert set(report["entity"]["micro"]) == {"precision", "recall", "f1", "support"}
    assert report["entity"]["types"]["LOC"]["support"] == 16
    assert report["entity"]["types"]["RIVER"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 1,
    }
    assert report["data_by_split"] == {"train": {"vanished": 1}, "dev": {"unknown_label": 1}}
    assert report["seconds"]["training"] > 0
    assert [
        json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()
    ] == [1, 2, 3]
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["versions"]["tensorflow"] == tf.__version__
    assert environment["devices"][0]["type"] == "CPU"
    assert environment["data"]["train"]["sentences_per_document"] == 1.0
    assert environment["data"]["dev"]["bytes"] == (home / "dev.conll").stat().st_size
    (listed,) = list_runs(folder)
    assert (listed.state, listed.epochs_done, listed.saved) == ("finished", 3, (3, 0))
    assert listed.exported == str(home / "exports" / "whole" / "1")
    assert listed.best_f1 == pytest.approx(listed.f1)
    began_with = settings_for(home, "whole").resolve_context("none")
    assert load_settings(folder / "config.yaml").model_dump() == began_with.model_dump()


def test_embeddings_learn_where_training_has_their_pieces_and_only_decay_elsewhere(finished, home):
    weights = weights_of(home / "runs" / "whole" / "checkpoints" / "best")
    (table,) = (
        value
        for name, value in weights.items()
        if name.endswith("encoder/bert/embeddings/weight/.ATTRIBUTES/VARIABLE_VALUE")
    )
    words = [
        line.split()[0] for line in (home / "train.conll").read_text().splitlines() if line.strip()
    ]
    pieces = tiny.tokenizer().tokenize_words(tf.ragged.constant([words])).ids.flat_values.numpy()
    known = {*pieces.tolist(), *(tiny.vocabulary().index(piece) for piece in ("[CLS]", "[SEP]"))}
    ratios = table / tiny.tensors()["embeddings.word_embeddings.weight"]
    decay = np.delete(ratios, list(known), 0)
    np.testing.assert_allclose(decay, decay.mean(), rtol=1e-6)
    assert 0.99 < decay.mean() < 1
    assert not np.isclose(ratios[list(known)], decay.mean(), rtol=1e-6).all(1).any()


def test_the_report_is_of_the_test_split_and_holds_the_scores_of_dev_too(home):
    settings = settings_for(home, "reported")
    folder = RunFolder(settings.run_dir)
    inputs = load_run_inputs(settings, folder, quiet())
    scores = {"dev": EntityScores({"A": 1}, {"A": 1}, {"A": 1})}
    scores["test"] = EntityScores({"A": 2}, {"A": 2}, {"A": 1})
    reports = {split: Report(scores=of, name="x", split=split) for split, of in scores.items()}
    folder.write_report(report_of(inputs, Outcome(folder, "finished", reports)), "finished")
    report = json.loads(folder.report.read_text())
    assert (report["split"], report["entity"]["micro"]["f1"]) == ("test", 0.5)
    assert report["splits"]["dev"]["micro"]["f1"] == 1.0
    assert set(scores_of_run(folder)) == {"dev", "test"}


def test_the_run_s_report_holds_the_intervals_of_each_split_that_was_scored(home):
    settings = settings_for(home, "reported")
    folder = RunFolder(settings.run_dir)
    inputs = load_run_inputs(settings, folder, quiet())
    dev = list(read_documents(str(home / "dev.conll"), settings.data, Ledger()))
    splits = {"dev": dev, "test": dev[: len(dev) // 2]}
    reports = {}
    for split, documents in splits.items():
        found = iter([document.entities for document in documents])
        reports[split], _ = evaluate_documents(lambda _, found=found: found, documents, split=split)
    folder.write_report(report_of(inputs, Outcome(folder, "finished", reports)), "finished")
    report = json.loads(folder.report.read_text())
    assert report["intervals"]["documents"] == len(splits["test"])
    assert report["split_intervals"]["dev"]["documents"] == len(dev)
    assert set(report["split_intervals"]["dev"]["types"]) == {*report["splits"]["dev"]["types"]}
    page = folder.page.read_text()
    assert f"draws of {len(splits['test'])} documents" in page
    assert f"draws of {len(dev)} documents" in page


def test_the_tagger_learns(finished):
    assert finished.reports["dev"].scores.micro.f1 > 0.5


def test_export_run_folder_and_report_agree(finished, home, tmp_path):
    data, settings = str(home / "dev.conll"), settings_for(home, "whole").data
    columns = tmp_path / "predictions.txt"
    exported = evaluate_model(home / "exports" / "whole", data, settings, columns)
    restored = evaluate_model(home / "runs" / "whole", data, settings)
    assert exported.scores == restored.scores == finished.reports["dev"].scores
    rows = [
        [line.split(" ") for line in block.splitlines()]
        for block in columns.read_text().strip().split("\n\n")
    ]
    gold, found = ([[row[column] for row in block] for block in rows] for column in (1, 2))
    assert f1_score(gold, found) == pytest.approx(exported.scores.micro.f1)
    assert all(row[0] for block in rows for row in block)


def test_the_card_says_what_the_model_is(recognizer):
    card = recognizer.card
    assert (card["name"], card["labels"], card["tag_scheme"], card["max_length"]) == (
        "whole",
        ["LOC", "PER"],
        "IOB2",
        16,
    )
    assert card["scores"]["dev"]["micro"]["support"] == 33


def test_the_card_and_its_page_say_how_much_the_model_learned_from(finished, again):
    for version in (finished.export, again):
        data = json.loads((version / "assets.extra" / "tfner.json").read_text())["data"]
        train_data = {"source": "train.conll", "documents": 50, "entities": 96}
        assert data["train"] == {**train_data, "lost": {"vanished": 1}}
        assert (data["dev"]["documents"], data["dev"]["entities"]) == (17, 33)
        page = (version / "assets.extra" / "README.md").read_text()
        assert "| train | train.conll | 50 | 96 | 1 vanished |" in page


def test_a_run_exports_again_as_the_next_version(finished, again, recognizer):
    assert (finished.export.name, again.name) == ("1", "2")
    text = "anna borisov met the bank in oslo."
    assert tfner.load(again)(text) == recognizer(text)


def test_predictions_are_written_in_order_from_any_input(finished, home, tmp_path):
    lines = ["anna borisov met the bank in oslo", "", "nothing", "clara davidov in lima"]
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    predict(home / "exports" / "whole", str(source), str(target))
    records = [json.loads(line) for line in target.read_text().splitlines()]
    assert [record["text"] for record in records] == lines
    assert all(
        record["text"][e["start"] : e["end"]] == e["text"]
        for record in records
        for e in record["entities"]
    )
    predict(
        home / "exports" / "whole",
        str(home / "dev.conll"),
        str(tmp_path / "out.conll"),
        format="columns",
    )
    words = [
        line.split("\t")[0] for line in (tmp_path / "out.conll").read_text().splitlines() if line
    ]
    assert words == [
        line.split()[0] for line in (home / "dev.conll").read_text().splitlines() if line.strip()
    ]


@pytest.fixture(scope="module")
def together(home):
    """Train on sentences that are read together with those of their document."""
    for name in ("train", "dev"):
        sentences = (home / f"{name}.conll").read_text().split("\n\n")
        documents = ["\n\n".join(sentences[n : n + 8]) for n in range(0, len(sentences), 8)]
        text = "".join(f"-DOCSTART- O\n\n{document.strip()}\n\n" for document in documents)
        (home / f"{name}-documents.conll").write_text(text, encoding="utf-8")
    data = [f"data.{name}={home / name}-documents.conll" for name in ("train", "dev")]
    chosen = ["data.context=document", "training.epochs=8", "model.head=softmax"]
    return train(settings_for(home, "together", *chosen, *data), quiet())


@pytest.fixture(scope="module")
def together_loaded(together):
    return tfner.load(together.export)


@pytest.fixture(scope="module")
def predicted(together, home):
    """Give the file of what is found in dev."""
    target = home / "together.jsonl"
    predict(together.export, str(home / "dev-documents.conll"), str(target))
    return target


@pytest.mark.long
class TestContext:
    """Sentences of one document are read together in training, evaluation and prediction."""

    def test_export_run_folder_and_report_agree(self, together, together_loaded, home):
        assert together_loaded.card["context"] == "document"
        dev = str(home / "dev-documents.conll")
        wanted = together.reports["dev"].to_dict()["entity"]
        for model in (together.export, together.folder.path):
            assert tfner.evaluate(model, dev).to_dict()["entity"] == wanted
        assert wanted["micro"]["f1"] > 0.8

    def test_sentences_by_themselves_are_found_too(self, together, together_loaded, home):
        dev = str(home / "dev-documents.conll")
        assert tfner.evaluate(together.export, dev, context="none").scores.micro.f1 > 0.8
        assert together_loaded("anna borisov met the bank in oslo")

    def test_predictions_are_those_of_the_documents_in_their_order(
        self, predicted, together_loaded, home
    ):
        dev = home / "dev-documents.conll"
        records = [json.loads(line) for line in predicted.read_text().splitlines()]
        documents = list(read_documents(dev, ReadSettings(), Ledger()))
        assert [record["id"] for record in records] == [document.id for document in documents]
        found = together_loaded.documents(documents)
        for record, entities in zip(records, found, strict=True):
            spans = [(each["start"], each["end"], each["label"]) for each in record["entities"]]
            assert spans == [entity.key for entity in entities]

    def test_another_context_can_be_asked_for(self, together, predicted, home, tmp_path):
        dev, written = str(home / "dev-documents.conll"), {}
        for context in ("none", "document"):
            target = tmp_path / f"{context}.jsonl"
            predict(together.export, dev, str(target), context=context)
            written[context] = target.read_text()
        assert predicted.read_text() == written["document"]
        assert written["none"] != written["document"]  # the scores

    def test_a_model_of_single_sentences_reads_them_alone(self, recognizer):
        assert recognizer.context == recognizer.card["context"] == "none"

    def test_a_context_that_there_is_not_is_refused(self, finished, home):
        dev = str(home / "dev.conll")
        with pytest.raises(ConfigError, match=r"^--context: expected none or document, got 'book'"):
            predict(finished.export, dev, context="book")
        with pytest.raises(ConfigError, match=r"^context: expected none or document, got 'book'"):
            tfner.evaluate(finished.export, dev, context="book")


def test_data_that_name_no_documents_are_said(home, caplog):
    chosen = ("data.context=document", "training.epochs=1", "export.enabled=false")
    load_run_inputs(settings_for(home, "no-documents", *chosen), RunFolder(home / "no"), quiet())
    for split in ("train", "dev"):
        said = f"data.{split}: names no documents, so that data.context: document changes nothing"
        assert said in caplog.text


def test_a_finished_run_is_only_reported(finished, home):
    before = (home / "runs" / "whole" / "report.json").stat().st_mtime_ns
    assert train(settings_for(home, "whole"), quiet()).state == "finished before"
    assert (home / "runs" / "whole" / "report.json").stat().st_mtime_ns == before


def test_other_settings_need_another_name(finished, home):
    with pytest.raises(ConfigError, match=r"training.epochs: 3 → 5.*add --overwrite"):
        train(settings_for(home, "whole", "training.epochs=5"), quiet())


def interrupt_at(monkeypatch, epoch):
    """Ctrl-C as an epoch begins."""
    begin = ProgressBar.on_epoch_begin

    def on_epoch_begin(self, number, logs=None):
        if number == epoch:
            raise KeyboardInterrupt
        begin(self, number, logs)

    monkeypatch.setattr(ProgressBar, "on_epoch_begin", on_epoch_begin)


@pytest.mark.long
def test_an_interrupted_run_exports_its_best_and_resumes_to_the_same_weights(
    finished, home, monkeypatch, caplog
):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        outcome = train(settings_for(home, "broken"), quiet())
    assert outcome.state == "interrupted"
    assert outcome.export.name == "1"
    report = json.loads(outcome.folder.report.read_text())
    assert (report["state"], report["split"]) == ("interrupted", "dev")
    assert report["entity"] == outcome.reports["dev"].scores.to_dict()
    assert report["seconds"]["training"] > 0
    assert [summary.state for summary in list_runs(outcome.folder.path)] == ["interrupted"]
    begin, *_, end = [
        (record.event, record.fields) for record in caplog.records if hasattr(record, "event")
    ]
    assert (begin[0], end[0], end[1]["state"], end[1]["exported"]) == (
        "run_begin",
        "run_end",
        "interrupted",
        str(outcome.export),
    )
    with monkeypatch.context() as patch:  # what a finished run exports is `finished`
        patch.setattr("tfner.training.run.export_model", lambda *_: outcome.export)
        assert train(settings_for(home, "broken"), quiet()).state == "finished"
    assert [summary.state for summary in list_runs(outcome.folder.path)] == ["finished"]
    again = json.loads(outcome.folder.report.read_text())
    assert again["state"] == "finished"
    assert again["seconds"]["fit"] > again["seconds"]["training"] > report["seconds"]["training"]
    lines = [json.loads(line) for line in outcome.folder.metrics.read_text().splitlines()]
    spent = sum(line["seconds"] for line in lines)
    assert again["seconds"]["training"] == pytest.approx(spent, abs=1e-3)
    whole, resumed = (
        weights_of(home / "runs" / name / "checkpoints" / "best") for name in ("whole", "broken")
    )
    assert whole.keys() == resumed.keys()
    for name in whole:
        np.testing.assert_allclose(resumed[name], whole[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_corpus_from_the_cache_is_the_same_and_has_lost_the_same(home, monkeypatch):
    def prepared(name, *overrides):
        settings = settings_for(home, name, *overrides)
        return load_run_inputs(settings, RunFolder(settings.run_dir), quiet())

    plain, first = prepared("plain"), prepared("first", f"data.cache={home / 'cache'}")
    assert len(list((home / "cache").iterdir())) == 2
    monkeypatch.delattr("tfner.data.cache.encode")
    for other in (first, prepared("again", f"data.cache={home / 'cache'}")):
        assert {name: ledger.entries for name, ledger in other.splits.ledgers.items()} == {
            name: ledger.entries for name, ledger in plain.splits.ledgers.items()
        }
        for split in ("train", "dev"):
            assert (
                other.corpora[split].input_ids.to_list() == plain.corpora[split].input_ids.to_list()
            )
            assert other.corpora[split].labels.to_list() == plain.corpora[split].labels.to_list()


def test_an_interrupt_before_the_first_epoch_ends_leaves_nothing_to_export(home, monkeypatch):
    interrupt_at(monkeypatch, 0)
    outcome = train(settings_for(home, "early"), quiet())
    assert (outcome.state, outcome.export) == ("interrupted", None)
    report = json.loads(outcome.folder.report.read_text())
    assert (report["state"], report["entity"]["micro"]["support"]) == ("interrupted", 0)
    assert report["data_by_split"]["train"] == {"vanished": 1}
    with pytest.raises(ModelError, match="the run has no weights yet"):
        open_model(home / "runs" / "early")


@pytest.mark.long
def test_without_an_export_an_interrupted_run_writes_its_report_all_the_same(home, monkeypatch):
    interrupt_at(monkeypatch, 1)
    chosen = ("training.export_on_interrupt=false", "model.head=softmax")
    settings = settings_for(home, "reports", *chosen)
    outcome = train(settings, quiet())
    assert outcome.export is None
    report = json.loads(outcome.folder.report.read_text())
    assert (report["state"], report["split"]) == ("interrupted", "dev")


def test_without_dev_the_last_epoch_is_kept_and_said(home, caplog):
    chosen = ("data.dev=null", "training.epochs=1", "labels=[PER]", "model.head=softmax")
    settings = settings_for(home, "alone", "export.enabled=false", *chosen)
    outcome = train(settings, quiet())
    assert outcome.reports == {}
    assert "data.dev is not given" in caplog.text
    assert (
        "entities of types that are not learned, which count as misses: {'LOC': 48}" in caplog.text
    )
    assert json.loads((outcome.folder.report).read_text())["entity"]["micro"]["support"] == 0
    card = open_model(outcome.folder.path).card
    assert (card["labels"], card["scores"]) == (["PER"], {})
    assert "alone" in model_card(card)


@pytest.mark.long
def test_mixed_precision_accumulation_and_options_train(home):
    options = (
        "training.precision=mixed_bfloat16",
            "training.gradient_accumulation=3", "training.label_smoothing=0.1",
               "training.class_weights={O: 0.5}", "model.head=softmax",
                   "training.schedule=cosine", "training.head_learning_rate=0.01",
               "training.batching=padded",
                   "model.tag_scheme=BIOES",
                       "model.labelling=piece", "model.decoder=greedy")  # fmt: skip
    few = ("training.epochs=1", "export.enabled=false")
    outcome = train(settings_for(home, "options", *few, *options), quiet())
    assert np.isfinite(
        [json.loads(line)["loss"] for line in outcome.folder.metrics.read_text().splitlines()]
    ).all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.head=softmax", "training.class_weights={B-TOWN: 2}"],
            r"training.class_weights: expected tags of O, .*, got B-TOWN",
        ),
        (["export.threshold={TOWN: 0.5}"], r"export.threshold: expected types of .*, got TOWN"),
    ],
)
def test_settings_for_labels_that_there_are_not_are_refused_before_the_run_begins(
    home, overrides, message
):
    with pytest.raises(ConfigError, match=message):
        train(settings_for(home, "unknown", *overrides), quiet())
    assert not (home / "runs/unknown").exists()
