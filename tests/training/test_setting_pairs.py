"""Each pair of values of two settings trains, exports and answers as its report says.

A fault often takes two settings: a head that is right by itself, and batches that are. These are
some twenty trainings in which every pair of values comes once, so they run only when asked for.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny
from allpairspy import AllPairs
from rich.console import Console

import tfner
from tfner.config import resolve_settings
from tfner.training.run import train

VALUES: dict[str, list[Any]] = {
    "training.batching": ["bucketed", "packed", "padded"],
    "training.gradient_accumulation": [1, 3],
    "training.batch_size": [5, 64, 2],
    "model.head": ["crf", "softmax"],
    "model.tag_scheme": ["IOB2", "BIOES"],
    "model.labelling": ["word", "pretoken", "piece"],
    "model.decoder": ["viterbi", "greedy"],
    "encoder.implementation": ["fused", "reference"],
    "encoder.max_length": [128, 16, 8],
    "data.context": ["none", "document", "auto"],
    "data.dev": ["dev.conll", None, "30%"],
    "training.precision": ["float32", "mixed_bfloat16", "mixed_float16"],
    "training.clip_norm": [1.0, None],
    "training.label_smoothing": [0.0, 0.1],
    "training.class_weights": [None, {"O": 0.3}],
    "training.teachers": [[], ["tiny"]],
    "export.precision": ["float32", "bfloat16"],
    "export.calibrate": [True, False],
    "export.threshold": [0.0, {"PER": 0.5}],
}
NAMES = list(VALUES)
# Where a report and an export say the same to the last digit.
EXACT = {"training.precision": "float32", "export.precision": "float32", "export.threshold": 0.0}


def goes_together(row: Sequence[Any]) -> bool:
    """Tell whether the values of a row, or of the first settings of one, are no contradiction."""
    chosen = dict(zip(NAMES, row, strict=False))
    is_smoothed = bool(chosen.get("training.label_smoothing"))
    is_plain = not is_smoothed and not chosen.get("training.class_weights")
    if chosen.get("training.teachers"):
        return is_plain and chosen["model.tag_scheme"] == "IOB2"
    return is_plain or chosen["model.head"] == "softmax"


COMBINATIONS = AllPairs(list(VALUES.values()), filter_func=goes_together)
ROWS = [dict(zip(NAMES, row, strict=True)) for row in COMBINATIONS]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    draw = random.Random(1)

    def sentence(words: int) -> str:
        tags = draw.choices(["O", "B-PER", "B-LOC"], [2, 1, 1], k=words)
        rows = zip(draw.choices(tiny.WORDS, k=words), tags, strict=True)
        return "".join(f"{word} {tag}\n" for word, tag in rows) + "\n"

    def corpus(documents: int) -> str:
        lengths = [draw.choices([1, 2, 5, 60], k=3) for _ in range(documents)]
        return "".join("-DOCSTART- O\n\n" + "".join(map(sentence, each)) for each in lengths)

    (folder / "train.conll").write_text(corpus(9))
    (folder / "dev.conll").write_text(corpus(3))
    (folder / "more.txt").write_text("anna met clara, in paris\n\nboris saw the U.S. bank\n")
    return folder


def settings_of(row: dict[str, Any], home: Path) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": "pairs",
        "data": {"train": str(home / "train.conll")},
        "encoder": {"checkpoint": str(tiny.checkpoint())},
        "training": {"epochs": 1, "learning_rate": 1e-3},
        "runs_dir": str(home / "runs"),
        "exports_dir": str(home / "exports"),
    }
    for key, value in row.items():
        group, _, name = key.partition(".")
        values.setdefault(group, {})[name] = value
    if row["data.dev"] == "dev.conll":
        values["data"]["dev"] = str(home / "dev.conll")
    if row["training.teachers"]:
        values["training"]["teachers"] = [str(tiny.exported())]
        values["data"]["unlabelled"] = str(home / "more.txt")
    return values


def test_pairs_come_that_go_together_and_no_others():
    texts = [{key: str(value) for key, value in row.items()} for row in ROWS]
    pairs = {(*one, *other) for row in texts for one in row.items() for other in row.items()}
    assert ("training.batching", "bucketed", "training.gradient_accumulation", "3") in pairs
    assert ("model.head", "softmax", "training.label_smoothing", "0.1") in pairs
    assert ("model.head", "crf", "training.label_smoothing", "0.1") not in pairs


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_it_trains_is_exported_and_answers_as_the_report_says(row, home):
    settings, _ = resolve_settings(settings_of(row, home))
    outcome = train(settings, Console(file=io.StringIO()), overwrite=True)
    assert outcome.state == "finished"
    answered = tfner.load(outcome.export)("anna met boris in oslo . " * 20)
    assert all(0 <= entity.score <= 1 for entity in answered)
    if settings.data.dev and EXACT.items() <= row.items():
        is_file = row["data.dev"] == "dev.conll"
        dev = home / "dev.conll" if is_file else f"run:{outcome.folder.path}:dev"
        report = tfner.evaluate(outcome.export, dev)
        assert report.scores.micro == outcome.reports["dev"].scores.micro
