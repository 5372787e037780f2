"""An export on disk: whole or not at all, numbered upwards, each weight once."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfner.serving.export import bundle
from tfner.serving.export.bundle import export_model, make_card
from tfner.serving.export.layout import CARD
from tfner.serving.export.version_numbers import numbered_folders
from tfner.serving.export.versions import claim_version
from tfner.serving.schema import SIGNATURES

CARD_OF_TINY = {"format": 1, "tag_scheme": "IOB2"}


@pytest.fixture
def quick(monkeypatch):
    """Exports that write a small file where the graph would be."""
    monkeypatch.setattr(
        bundle,
        "save_graph",
        lambda tagger, folder: (folder / "saved_model.pb").write_bytes(b"graph"),
    )
    monkeypatch.setattr(bundle, "add_warm_up", lambda tagger, card, folder: None)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def weight_bytes(tagger) -> int:
    return sum(int(np.prod(weight.shape)) * weight.dtype.size for weight in tagger.weights)


def constants(graph) -> list[int]:
    """Bytes of every constant in a SavedModel's graph and functions."""
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    return [node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const"]


def test_versions_count_upwards_beside_whatever_else_is_there(quick, tmp_path):
    folder = tmp_path / "saved" / "model"
    assert export_model(tiny.tagger(), CARD_OF_TINY, folder) == folder / "1"
    (folder / "README.md").touch()
    (folder / "7").mkdir()
    assert export_model(tiny.tagger(), CARD_OF_TINY, folder) == folder / "8"
    assert list(numbered_folders(folder)) == [1, 7, 8]
    assert sorted(path.name for path in folder.iterdir()) == ["1", "7", "8", "README.md"]
    card = json.loads((folder / "8" / CARD).read_text())
    assert list(card.pop("signatures")) == list(SIGNATURES)
    assert card == CARD_OF_TINY


def test_others_may_read_it(quick, tmp_path):
    assert (
        stat.S_IMODE(export_model(tiny.tagger(), CARD_OF_TINY, tmp_path).stat().st_mode) & 0o055
        == 0o055
    )


@pytest.mark.parametrize("error", [RuntimeError("disk full"), KeyboardInterrupt()])
def test_a_failed_export_leaves_nothing(monkeypatch, tmp_path, error):
    def fail(tagger, folder):
        (folder / "variables").mkdir()
        (folder / "variables" / "half").write_bytes(b"...")
        raise error

    monkeypatch.setattr(bundle, "save_graph", fail)
    (tmp_path / "3").mkdir()
    with pytest.raises(type(error)):
        export_model(tiny.tagger(), CARD_OF_TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["3"]
    with pytest.raises(type(error)):
        export_model(tiny.tagger(), CARD_OF_TINY, tmp_path / "new" / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_a_card_that_is_no_json_fails_before_a_version_appears(quick, tmp_path):
    with pytest.raises(TypeError):
        export_model(tiny.tagger(), {"bad": object()}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_exporters_at_the_same_moment_get_versions_of_their_own(tmp_path):
    def claim(number):
        building = tmp_path / f".building-{number}"
        building.mkdir()
        (building / "who").write_text(str(number))
        claim_version(building, tmp_path)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(numbered_folders(tmp_path)) == list(range(1, 9))
    assert sorted((tmp_path / str(version) / "who").read_text() for version in range(1, 9)) == [
        str(number) for number in range(8)
    ]


def test_a_folder_that_cannot_be_written_is_an_error_not_a_loop(quick, tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, "no", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        export_model(tiny.tagger(), CARD_OF_TINY, tmp_path)


def test_the_card_says_what_the_model_is():
    card = make_card(tiny.tagger(), name="tiny", scores={"dev": 0.5})
    assert card["labels"] == ["LOC", "ORG", "PER"]
    assert (card["tag_scheme"], card["tags"][:3], card["max_length"], card["overlap"]) == (
        "IOB2",
        ["O", "B-LOC", "I-LOC"],
        32,
        8,
    )
    assert (card["decoder"], card["name"], card["scores"]) == ("viterbi", "tiny", {"dev": 0.5})
    assert card["tokenizer"] == tiny.tokenizer().fingerprint()
    assert json.loads(json.dumps(card)) == card


def test_weights_are_stored_once_and_in_float32():
    folder, tagger = tiny.exported(), tiny.tagger()
    assert size_of(folder / "variables") <= 1.05 * weight_bytes(tagger) + 8192
    stored = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    kept = {
        name: dtype
        for name, dtype in stored.get_variable_to_dtype_map().items()
        if dtype.is_floating
    }
    assert set(kept.values()) == {tf.float32}
    assert sum(
        int(np.prod(stored.get_variable_to_shape_map()[name])) * 4 for name in kept
    ) == weight_bytes(tagger)


def test_no_table_or_weight_stands_twice_in_the_graph():
    graph = (
        SavedModel.FromString((tiny.exported() / "saved_model.pb").read_bytes())
        .meta_graphs[0]
        .graph_def
    )
    large = sorted(size for size in constants(graph) if size > 10_000)
    assert len(large) == len(set(large)) <= 4


def test_only_what_a_server_reads_is_written():
    files = {
        str(path.relative_to(tiny.exported()))
        for path in tiny.exported().rglob("*")
        if path.is_file()
    }
    assert files == {
        "saved_model.pb",
        "fingerprint.pb",
        f"assets.extra{os.sep}tfner.json",
        f"assets.extra{os.sep}README.md",
        f"assets.extra{os.sep}tf_serving_warmup_requests",
        f"variables{os.sep}variables.index",
        f"variables{os.sep}variables.data-00000-of-00001",
    }


@pytest.mark.long
@pytest.mark.encoder
def test_an_export_of_a_published_encoder_is_little_more_than_its_weights(encoder_dir, tmp_path):
    from tfner.model.classifier import TokenClassifier
    from tfner.model.encoders.families import build_encoder
    from tfner.model.heads.softmax import SoftmaxHead
    from tfner.model.inference.frozen import FrozenClassifier
    from tfner.model.inference.tagger import Tagger
    from tfner.tokenizers.wordpiece import WordPieceTokenizer

    head = SoftmaxHead(tiny.LABELS)
    model = TokenClassifier(build_encoder(encoder_dir), head).build_for_any_shape()
    tokenizer = WordPieceTokenizer.from_checkpoint(encoder_dir)
    checkpoint = (encoder_dir / "model.safetensors").stat().st_size
    for dtype, share in ((tf.float32, 1.03), (tf.bfloat16, 0.55)):
        frozen = FrozenClassifier(model, dtype)
        tagger = Tagger(frozen, tokenizer, tiny.LABELS, max_length=128, overlap=32)
        assert size_of(export_model(tagger, make_card(tagger), tmp_path)) <= share * checkpoint
