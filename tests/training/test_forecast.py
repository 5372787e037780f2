"""The updates that are worked out before a run are those that it makes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import tiny
from rich.console import Console

from tfner.config import load_settings
from tfner.setting_groups import TrainingSettings
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.registry import open_tokenizer
from tfner.training.batches import make_batches
from tfner.training.forecast import forecast_schedule, judge_schedule
from tfner.training.run_inputs import load_run_inputs
from tfner.training.schedule import FEW_UPDATES, Schedule, choose_schedule
from tfner.training.state.run_folder import RunFolder

LABELS = LabelSet(("LOC", "PER"))


def write(shop):
    """Sentences of one to sixty words, in documents of seven."""
    sentences = []
    for number in range(43):
        begin = "-DOCSTART- O\n\n" if number % 7 == 0 else ""
        words = "".join(f"{word} O\n" for word in ["anna", *["met"] * (number * 3 % 60)])
        sentences.append(f"{begin}{words}oslo B-LOC\n")
    shop.file("train.conll", "\n".join(sentences))
    shop.checkpoint()


@pytest.mark.parametrize("batching", ["packed", "bucketed", "padded"])
@pytest.mark.parametrize("context", ["none", "document", "auto"])
def test_the_forecast_is_what_a_run_does(shop, batching, context):
    write(shop)
    overrides = [f"training.batching={batching}", f"data.context={context}", "training.epochs=auto"]
    settings = load_settings("run.yaml", overrides)
    quiet = Console(file=io.StringIO(), quiet=True)
    inputs = load_run_inputs(settings, RunFolder(Path("none")), quiet, writes=False)
    steps = make_batches(inputs).steps_per_epoch
    assert steps > 3
    tokenizer = open_tokenizer(tiny.checkpoint())
    documents = inputs.splits.documents["train"]
    found = forecast_schedule(settings, documents, tokenizer, LABELS)
    assert found == choose_schedule(settings.training, steps)
    assert not Path("runs").exists()


def test_text_that_teachers_label_is_not_guessed_at(shop):
    write(shop)
    settings = load_settings("run.yaml")
    data = settings.data.model_copy(update={"unlabelled": "more.txt"})
    taught = settings.model_copy(update={"data": data})
    assert forecast_schedule(taught, [], open_tokenizer(tiny.checkpoint()), LABELS) is None


def test_too_few_updates_are_an_error_and_enough_are_none():
    settings = TrainingSettings(epochs=3)
    (found,) = judge_schedule(settings, Schedule(3, 1, 4))
    assert found.severity == "error"
    assert found.sentence.startswith(f"The settings make 12 updates, fewer than {FEW_UPDATES}")
    assert found.advice == "Set training.epochs to auto, or to at least 25."
    assert list(judge_schedule(settings, Schedule(25, 1, 4))) == []
