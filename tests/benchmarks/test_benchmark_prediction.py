"""The benchmark of prediction runs on our side and says what it did not run.

The peers get the weights that we have.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import tiny

from benchmarks.prediction import compare, weights
from tfner.documents import Document

# side, words/s thrice, words for a second of the cores, start-up, peak memory, F1, ratio
ROW = re.compile(r"^tfner((?: +[\d.]+){8})$", re.MULTILINE)
SENTENCES = (
    "Anna\tB-PER\nmet\tO\nBoris\tB-PER\nSvensson\tI-PER\n\nold\tO\nOslo\tB-LOC\n.\tO\n\n" * 30
)


@pytest.mark.slow
def test_a_smoke_run_measures_our_side_and_names_every_peer_that_it_did_not_run(tmp_path, capsys):
    (tmp_path / "in.conll").write_text(SENTENCES)
    compare.main(
        [
            str(tiny.exported().parent),
            str(tmp_path / "in.conll"),
            "--smoke",
            "--keep",
            str(tmp_path / "kept"),
        ]
    )
    printed = capsys.readouterr().out
    assert "40 sentences, 140 words; rounds: 1" in printed
    rows = [list(map(float, row.split())) for row in ROW.findall(printed)]
    assert len(rows) == 2, printed
    for median, least, most, of_processor, start_up, peak, f1, ratio in rows:
        assert median == least == most > 0
        assert of_processor > 0
        assert start_up > 0
        assert peak > 100
        assert 0 <= f1 <= 100
        assert ratio == 1
    for side in ("pipeline", "torch-bf16", "onnx-fp32", "onnx-int8"):
        assert len(re.findall(rf"^{side} +not run: --smoke$", printed, re.MULTILINE)) == 2
    for kind in ("lines", "words"):
        lines = (
            (tmp_path / "kept" / "outputs" / "tfner" / f"{kind}.jsonl")
            .read_text(encoding="utf-8")
            .splitlines()
        )
        assert [json.loads(line)["text"] for line in lines[:2]] == [
            "Anna met Boris Svensson",
            "old Oslo .",
        ]
        assert len(lines) == 40


def test_the_peers_get_the_weights_under_the_names_that_they_came_with():
    model = tiny.classifier()
    found = weights.named_weights(model)
    kernel, bias = model.head.get_weights()
    expected = {f"bert.{name}": value for name, value in tiny.tensors().items()}
    expected |= {"classifier.weight": kernel.T, "classifier.bias": bias}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_checkpoint_says_which_tag_is_which(tmp_path):
    weights.write_checkpoint(tiny.classifier(), tiny.LABELS, tiny.checkpoint(), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert [config["id2label"][str(number)] for number in range(len(tiny.LABELS.tags))] == list(
        tiny.LABELS.tags
    )
    assert config["hidden_size"] == tiny.CONFIG["hidden_size"]
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {
        "model.safetensors",
        "config.json",
        "vocab.txt",
    }


def test_f1_is_of_entities_in_places_of_joined_words(tmp_path):
    gold = [
        Document.from_words(["New", "York", "is"], [(0, 2, "LOC")]),
        Document.from_words(["Bo"], [(0, 1, "PER")]),
    ]
    rows = [[{"start": 0, "end": 8, "label": "LOC"}], [{"start": 0, "end": 2, "label": "LOC"}]]
    (tmp_path / "out").write_text("".join(json.dumps({"entities": row}) + "\n" for row in rows))
    assert compare.entity_f1(tmp_path / "out", gold) == 0.5


def test_who_begins_moves_on_with_the_round(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(compare, "run_side", lambda command, output, gold: asked.append(command[0]))
    for number in range(3):
        compare.run_round({side: [side] for side in "abc"}, tmp_path, [], number)
    assert "".join(asked) == "abcbcacab"
