"""Trains one recipe once, scores it with both decoders, and prints a line of JSON.

usage: python -m benchmarks.recipes.run CORPUS ENCODER DATA FOLDER SEED [KEY=VALUE …]

DATA is the folder of the corpora as published, FOLDER keeps the files as they are laid out. The run
is given no dev split: its last epoch is scored, so that no recipe chooses its best by what it is
judged by. Scores are micro F1 in percent by corpus, and under ` greedy` those of the best tag of
each unit by itself; of a corpus abroad the shared types count. Under ` ECE raw`, ` ECE calibrated`
and ` ECE by chance` are the calibration errors of the scores of entities at home, in percent:
calibrated by a fit on the other half of the documents, and what perfect scores would show.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from rich.console import Console

from benchmarks.recipes.corpora import lay_out, micro_f1, read
from tfner.config import RunSettings, apply_override
from tfner.safeio.validation import validate

if TYPE_CHECKING:
    from tfner.documents import Document, Entity
    from tfner.serving.runtime.recognizer import Recognizer

DECODERS = {"viterbi": "", "greedy": " greedy"}  # and what they add to the name of a score


def main(corpus: str, encoder: str, data: str, folder: str, seed: str, *overrides: str) -> None:
    """Train, score and print."""
    files = lay_out(corpus, Path(data), Path(folder))
    with tempfile.TemporaryDirectory() as scratch:
        settings = settings_of(corpus, encoder, files.train, seed, scratch, overrides)
        seconds = train(settings)
        scores = dict(score(settings, corpus, files.texts))
    print(json.dumps({"scores": scores, "seconds": seconds}))


def settings_of(
    corpus: str, encoder: str, train: Path, seed: str, scratch: str, overrides: Sequence[str]
) -> RunSettings:
    """Make the settings of a run without dev split and export, in a folder that is thrown away."""
    values = {
        "name": corpus,
        "seed": int(seed),
        "data": {"train": str(train)},
        "encoder": {"checkpoint": encoder},
        "export": {"enabled": False},
        "runs_dir": scratch,
    }
    for override in overrides:
        apply_override(values, override)
    return validate(values, RunSettings, corpus)


def train(settings: RunSettings) -> float:
    """Train; give the seconds of the training alone."""
    from tfner.training.run import train

    outcome = train(settings, Console(stderr=True), overwrite=True)
    report = json.loads(outcome.folder.report.read_text(encoding="utf-8"))
    return report["seconds"]["training"]


def score(settings: RunSettings, home: str, texts: dict[str, Path]) -> Iterator[tuple[str, float]]:
    """Score the weights of the run on each text, with each decoder."""
    documents = {name: read(path) for name, path in texts.items()}
    for ending, recognizer in recognizers(settings):
        for name, gold in documents.items():
            found = list(recognizer.documents(gold))
            yield name + ending, micro_f1(gold, found, all_types=name == home)
            if name == home and not ending:
                yield from calibration_errors(home, gold, found)


def calibration_errors(
    corpus: str, gold: list[Document], found: list[list[Entity]]
) -> Iterator[tuple[str, float]]:
    """Measure how far scores lie from chances; nothing where no calibration can be fitted."""
    from tfner.evaluation.calibration import CalibrationError, fit_calibration

    try:
        fit = fit_calibration(gold, found)
    except CalibrationError as error:
        print(f"{corpus}: no calibration: {error}", file=sys.stderr)
        return
    yield f"{corpus} ECE raw", round(100 * fit.before.ece, 3)
    yield f"{corpus} ECE calibrated", round(100 * fit.after.ece, 3)
    yield f"{corpus} ECE by chance", round(100 * fit.after.by_chance, 3)


def recognizers(settings: RunSettings) -> Iterator[tuple[str, Recognizer]]:
    """Restore the model of a run with each decoder; and what that adds to a score's name."""
    from tfner.serving.export.bundle import live_recognizer
    from tfner.training.restore import restore_card, restore_tagger
    from tfner.training.state.run_folder import RunFolder

    folder = RunFolder(settings.run_dir)
    for decoder, ending in DECODERS.items():
        model = settings.model.model_copy(update={"decoder": decoder})
        decoding = settings.model_copy(update={"model": model})
        tagger = restore_tagger(folder, decoding)
        yield ending, live_recognizer(tagger, restore_card(folder, decoding, tagger))


if __name__ == "__main__":
    main(*sys.argv[1:])
