"""Prepare shards as one process would, whatever the number of processes, and stop cleanly."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import yaml
from rich.console import Console

from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.data.encoded_corpus import encode
from tfner.data.shards import sharded_corpus
from tfner.data.shards.sharded_corpus import PIECE, ShardedCorpus, ShardReader
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.prepare import prepare
from tfner.tagging.schemes import LabelSet
from tfner.training import prepare_shards as module
from tfner.training import shard_worker
from tfner.training.prepare_shards import prepare_shards
from tfner.training.run import train

pytestmark = pytest.mark.long

DOCUMENTS = 700


def write_records(path: Path, count: int = DOCUMENTS) -> None:
    """Sentences of one to some dozen words; some entities that cannot be learned as they are."""
    random = np.random.default_rng(1)
    lines = []
    for number in range(count):
        rest = " ".join(
            random.choice(["met", "near", "osloburg", "bank", "old", "of"], random.integers(1, 40))
        )
        entities = [{"start": 0, "end": 4, "label": "PER"}, {"start": 5, "end": 9, "label": "LOC"}]
        if number % 100 == 7:
            entities.append({"start": 6, "end": 8, "label": "LOC"})  # nested
        if number % 100 == 8:
            entities[0]["end"] = 3  # inside a word
        lines.append(
            json.dumps({"id": f"s{number}", "text": f"anna oslo {rest}", "entities": entities})
        )
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module", autouse=True)
def small_portions():
    """So that a few hundred documents are some portions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DOCUMENTS_AT_ONCE", 256)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepare")
    write_records(folder / "train.jsonl")
    return folder


def settings_for(home: Path, *overrides: str, name: str = "run"):
    values = {
        "name": name,
        "data": {"train": str(home / "train.jsonl")},
        "encoder": {"checkpoint": str(tiny.checkpoint()), "max_length": 24, "overlap": 6},
        "training": {"epochs": 2, "batch_size": 32},
        "export": {"enabled": False},
        "runs_dir": str(home / "runs"),
    }
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return load_settings(path, overrides)


def quiet() -> Console:
    return Console(file=io.StringIO())


class Here:
    """An executor without a process of its own."""

    def __init__(self, *_) -> None:
        pass

    def submit(self, function, *arguments) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_) -> None:
        pass


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(module, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(shard_worker, "use_one_core", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", "-1"))
    return partial(prepare_shards, workers=1)


@pytest.fixture(scope="module")
def prepared(home):
    """Three shards, written by two processes."""
    prepare_shards(settings_for(home), home / "prepared", quiet(), shards=3, workers=2)
    return home / "prepared"


def windows_of(folder: Path) -> Counter:
    corpus = ShardedCorpus(folder)
    with ShardReader(corpus) as reader:
        found = [
            np.frombuffer(window, PIECE)
            for block in range(len(corpus.blocks))
            for window in reader.windows(block)
        ]
    return Counter(
        (
            tuple(window["id"].tolist()),
            tuple(window["label"].tolist()),
            tuple(window["labelled"].tolist()),
        )
        for window in found
    )


def test_windows_and_losses_are_those_of_encoding_here(prepared, home):
    ledger = Ledger()
    documents = list(read_documents(home / "train.jsonl", settings_for(home).data, ledger))
    labels = LabelSet(("LOC", "PER"))
    whole = encode(documents, tiny.tokenizer(), labels, ledger, max_length=24, overlap=6)
    members = (whole.input_ids, whole.labels, whole.label_mask)
    assert windows_of(prepared) == Counter(
        tuple(map(tuple, rows))
        for rows in zip(*(member.to_list() for member in members), strict=True)
    )
    corpus = ShardedCorpus(prepared)
    assert corpus.labels == labels
    assert corpus.tag_counts(5).tolist() == whole.tag_counts(5).tolist()
    assert corpus.ledger.counts == ledger.counts == {"overlapping": 7, "misaligned": 7}
    lines = [json.loads(line) for line in (prepared / "losses.jsonl").read_text().splitlines()]
    assert sorted(lines) == sorted(map(list, ledger.entries))
    manifest = corpus.manifest
    assert (manifest.documents, manifest.pieces, manifest.windows) == (
        DOCUMENTS,
        whole.pieces.sum(),
        whole.input_ids.nrows(),
    )
    assert [facts.documents for facts in manifest.shards] == [256, 256, 188]
    assert manifest.sentences_per_document == 1.0
    assert manifest.lengths == Counter(whole.lengths.tolist())
    assert manifest.encoding.tokenizer == tiny.tokenizer().fingerprint()
    assert manifest.source == "train.jsonl"


def test_tags_of_many_blocks_are_counted_in_some(prepared, monkeypatch):
    monkeypatch.setattr(sharded_corpus, "SAMPLE", 2)
    corpus = ShardedCorpus(prepared)
    assert len(corpus.blocks) > 2
    expected = Counter()
    with ShardReader(corpus) as reader:
        for block in range(0, len(corpus.blocks), -(-len(corpus.blocks) // 2)):
            for window in reader.windows(block):
                pieces = np.frombuffer(window, PIECE).tolist()
                expected.update(tag for _, tag, is_labelled in pieces if is_labelled)
    assert corpus.tag_counts(5).tolist() == [expected[tag] for tag in range(5)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_do_not_depend_on_the_number_of_processes(prepared, home, in_this_process):
    in_this_process(settings_for(home), home / "alone", quiet(), shards=3)
    assert contents(home / "alone") == contents(prepared)
    assert set(contents(prepared)) == {
        "manifest.json", "losses.jsonl",
        *(f"shard-0000{number}-of-00003.{kind}" for number in range(3) for kind in (
            "index", "tfrecord")),
    }  # fmt: skip


def test_more_shards_than_portions_leave_some_empty(home, in_this_process, prepared):
    manifest = in_this_process(
        settings_for(home, "labels=[LOC, PER]"), home / "many", quiet(), shards=5
    )
    assert [facts.windows > 0 for facts in manifest.shards] == [True, True, True, False, False]
    assert windows_of(home / "many") == windows_of(prepared)


def test_types_that_are_not_learned_are_lost_and_said(home, in_this_process):
    manifest = in_this_process(
        settings_for(home, "labels=[PER]"), home / "people", quiet(), shards=1
    )
    assert manifest.lost == {"misaligned": 7, "unknown_label": DOCUMENTS + 7}
    assert manifest.encoding.labels == ("PER",)


def test_a_finished_folder_is_not_written_again_and_an_unfinished_one_is(
    prepared, home, in_this_process
):
    with pytest.raises(
        ConfigError, match="holds prepared data already; delete it or choose another folder"
    ):
        prepare_shards(settings_for(home), prepared, quiet())
    folder = home / "unfinished"
    folder.mkdir()
    for name in (
        "shard-00000-of-00009.tfrecord.tmp",
        "shard-00001-of-00009.tfrecord",
        "losses.jsonl.1234.tmp",
        "notes.txt",
    ):
        (folder / name).write_text("")
    in_this_process(settings_for(home), folder, quiet(), shards=1)
    assert set(contents(folder)) == {
        "manifest.json",
            "losses.jsonl",
                "notes.txt", "shard-00000-of-00001.index", "shard-00000-of-00001.tfrecord",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"train\.jsonl: cannot be made: "):
        prepare_shards(settings_for(home), home / "train.jsonl", quiet())


@pytest.mark.parametrize(
    ("lines", "overrides", "message"),
    [
        ([""], [], "expected entities to learn, found none in 0 documents"),
        (['{"text": "anna"}'], [], "expected entities to learn, found none in 1 documents"),
        ([""], ["labels=[PER]"], "expected documents for data.train, found none"),
        (
            ['{"text": "anna"}'] * 600 + ["{"],
            ["labels=[PER]"],
            r"wrong.jsonl:601:2: not valid JSON",
        ),
    ],
)
def test_what_goes_wrong_leaves_nothing_behind(
    home, tmp_path, in_this_process, lines, overrides, message
):
    (home / "wrong.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        in_this_process(
            settings_for(home, f"data.train={home / 'wrong.jsonl'}", *overrides),
            tmp_path / "x",
            quiet(),
            shards=2,
        )
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (
            OSError(28, "No space left on device", "/a/file"),
            DataError,
            "^/a/file: cannot be written: No space left on device",
        ),
    ],
)
def test_an_interrupt_or_a_full_disk_leaves_nothing_behind(
    home, tmp_path, in_this_process, monkeypatch, error, raised, message
):
    def read_and_fail(*arguments):
        yield from read_documents(*arguments)
        raise error

    monkeypatch.setattr(module, "read_documents", read_and_fail)
    with pytest.raises(raised, match=message):
        in_this_process(settings_for(home, "labels=[PER]"), tmp_path / "x", quiet(), shards=2)
    assert list((tmp_path / "x").iterdir()) == []


def test_without_training_data_there_is_nothing_to_prepare(home, tmp_path):
    with pytest.raises(ConfigError, match=r"data.train: required for preparing"):
        prepare_shards(settings_for(home, "data.train=null"), tmp_path, quiet())


def test_a_process_that_is_killed_is_said(home, tmp_path):
    with pytest.raises(ConfigError, match="--workers 1: a process ended before its work"):
        prepare_shards(
            settings_for(home), tmp_path / "x", quiet(), workers=1, load=partial(os._exit, 1)
        )
    assert list((tmp_path / "x").iterdir()) == []


def test_the_command_says_what_it_wrote_and_how_to_train_from_it(
    home, tmp_path, in_this_process, capsys, monkeypatch
):
    monkeypatch.setattr("tfner.prepare.prepare_shards", partial(in_this_process, load=lambda: None))
    monkeypatch.setattr("tfner.prepare.load_tensorflow", lambda: None)
    settings_for(home, name="command")
    prepare(
        home / "command.yaml", ["model.labelling=piece"], to=tmp_path / "x", shards=2, workers=1
    )
    told = capsys.readouterr().out
    assert told.startswith(f"{DOCUMENTS} documents, ")
    assert "7 overlapping, 7 misaligned" in told
    assert f"data.train=prepared:{tmp_path / 'x'}" in told
    assert ShardedCorpus(tmp_path / "x").manifest.encoding.labelling == "piece"


def test_sentences_of_one_document_are_prepared_together(home, in_this_process):
    records = [json.loads(line) for line in (home / "train.jsonl").read_text().splitlines()]
    lines = [json.dumps({**each, "group": f"{n // 20}"}) for n, each in enumerate(records)]
    (home / "grouped.jsonl").write_text("\n".join(lines) + "\n")
    settings = settings_for(home, f"data.train={home / 'grouped.jsonl'}", name="grouped")
    manifest = in_this_process(settings, home / "together", quiet(), shards=1)
    documents = list(read_documents(home / "grouped.jsonl", settings.data, Ledger()))
    windows = Counter()
    for begin in range(0, DOCUMENTS, 256):
        batch = documents[begin : begin + 256]
        options = {**settings.encoding_options(), "context": "document"}
        made = encode(batch, tiny.tokenizer(), LabelSet(("LOC", "PER")), Ledger(), **options)
        members = (made.input_ids, made.labels, made.label_mask)
        rows = zip(*(member.to_list() for member in members), strict=True)
        windows.update(tuple(map(tuple, row)) for row in rows)
    assert windows_of(home / "together") == windows
    assert (manifest.documents, manifest.encoding.context) == (DOCUMENTS, "document")
    run = [f"data.train=prepared:{home / 'together'}", "training.epochs=1"]
    outcome = train(settings_for(home, *run, name="together"), quiet())
    assert outcome.state == "finished"
    assert outcome.folder.settings.data.context == "document"


@pytest.mark.parametrize("batching", ["bucketed", "packed"])
def test_a_run_trains_from_prepared_data(prepared, home, batching, caplog):
    overrides = (f"data.train=prepared:{prepared}", f"training.batching={batching}")
    outcome = train(settings_for(home, *overrides, name=batching), quiet())
    assert outcome.state == "finished"
    lines = [json.loads(line) for line in outcome.folder.metrics.read_text().splitlines()]
    assert lines[1]["loss"] < lines[0]["loss"]
    assert (
        f"data.train: 7 overlapping, 7 misaligned ({prepared / 'losses.jsonl'} names them)"
        in caplog.text
    )
    assert lines[0]["windows_per_second"] * lines[0]["seconds"] == pytest.approx(
        ShardedCorpus(prepared).manifest.windows
    )


def test_a_shard_that_is_damaged_ends_a_run_with_its_name(prepared, home, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for name, content in contents(prepared).items():
        (folder / name).write_bytes(
            content.replace(b"input_ids", b"input_idz", 1)
            if name == "shard-00001-of-00003.tfrecord"
            else content
        )
    with pytest.raises(
        DataError,
        match=r"^\S+shard-00001-of-00003.tfrecord: expected \d+ bytes from byte 12 on with the "
        r"checksum",
    ):
        train(settings_for(home, f"data.train=prepared:{folder}", name="damaged"), quiet())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "encoder.max_length=32",
            r"was prepared with other settings \(encoder.max_length: 24 → 32\); prepare it again",
        ),
        ("model.tag_scheme=BIOES", r"\(model.tag_scheme: 'IOB2' → 'BIOES'\)"),
        ("model.labelling=piece", r"\(model.labelling: 'word' → 'piece'\)"),
        ("labels=[PER, LOC]", r"\(labels: \('LOC', 'PER'\) → \('PER', 'LOC'\)\)"),
        ("data.context=document", r"\(data.context: 'none' → 'document'\)"),
        ("encoder.checkpoint=embedded:quickstart/encoder", r"the tokenizer: '\w{12}' → '\w{12}'"),
    ],
)
def test_windows_that_were_made_in_another_way_are_refused(prepared, home, override, message):
    with pytest.raises(ConfigError, match=message):
        train(
            settings_for(
                home,
                f"data.train=prepared:{prepared}",
                "encoder.initialize=random",
                override,
                name="other",
            ),
            quiet(),
        )
    assert not (home / "runs" / "other").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data.dev=prepared:{home}/prepared",
            "data.dev: expected documents, whose entities are counted, got windows",
        ),
        (
            "data.train=prepared:{home}/nowhere",
            "data.train: expected a folder that python -m tfner.prepare wrote to its end",
        ),
    ],
)
def test_prepared_data_are_complete_and_for_training(home, override, message):
    with pytest.raises(ConfigError, match=message):
        settings_for(home, override.format(home=home))


def test_prepared_data_hold_no_documents(prepared, home):
    with pytest.raises(
        DataError, match="expected documents, got windows that are prepared for training"
    ):
        read_documents(f"prepared:{prepared}", settings_for(home).data, Ledger())
