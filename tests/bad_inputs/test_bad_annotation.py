"""What `suspects` and `select` cannot use: options, folders, models and texts."""

from __future__ import annotations

import pytest
from command_line import refused

REPORT = "expected the folder of a finished cross-validation, with report.json"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "conlleval"], "--format: expected one of …"),
        (["--input-format", "pdf"], "--input-format: expected one of …"),
        (["--encoding", "utf-9"], "encoding: there is no encoding 'utf-9'"),
    ],
)
def test_select_refuses_options_before_a_model_is_opened(shop, line, options, message):
    shop.file("texts.txt", "Anna left\n")
    refused(line("select", "model", "texts.txt", *options), message)


def test_select_refuses_what_is_no_model_and_no_text(shop, line):
    shop.file("texts.txt", "Anna left\n")
    refused(line("select", "nowhere", "texts.txt"), "nowhere: …")
    refused(line("select", "nowhere", "none.txt"), "none.txt: …")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["folder"], f"folder: {REPORT}"),
        (["folder", "seed=2"], "folder: expected no settings beside a folder, got 'seed=2'"),
        (["folder", "--format", "conlleval"], "--format: expected one of …"),
        (["none.yaml"], "none.yaml: …"),
        (["run.yaml", "training.epochs=no"], "run.yaml: …"),
    ],
)
def test_suspects_refuses_what_it_cannot_read(shop, line, arguments, message):
    (shop.folder / "folder").mkdir()
    refused(line("suspects", *arguments), message)


def test_suspects_refuses_a_report_without_tags(shop, line):
    shop.file("folder/predictions.jsonl")
    shop.json("folder/report.json", {"tags": ["O", "X-PER"]})
    wrong = "expected O or a prefix of B, I, E, S, L, U with a type, such as B-PER, got 'X-PER'"
    expected = f"expected tags, got ['O', 'X-PER']: {wrong}"
    refused(line("suspects", "folder"), f"folder/report.json: {expected}")


def test_suspects_refuses_a_folder_whose_predictions_are_damaged(shop, line):
    shop.json("folder/report.json", {"tags": ["O", "B-PER", "I-PER"]})
    shop.json("folder/predictions.jsonl", {"id": "a", "text": "Mara", "entities": []})
    expected = "expected an out-of-fold prediction, got 'predicted'"
    refused(line("suspects", "folder"), f"folder/predictions.jsonl:1: {expected}")
