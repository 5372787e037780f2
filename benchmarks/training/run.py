"""Trains once in this process and prints its figures as JSON on the last line.

usage: python -m benchmarks.training.run CONFIG.yaml [KEY=VALUE …]

Figures: f1 (fraction), seconds of training, epochs; sentences, pieces and positions of an epoch;
peak_mib.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from rich.console import Console

from tfner.config import RunSettings, load_settings


def main(config: str, overrides: list[str]) -> None:
    """Train, count an epoch and print."""
    from tfner.training.run import train

    settings = load_settings(config, overrides)
    outcome = train(settings, Console(stderr=True), overwrite=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    report = outcome.reports["dev"].to_dict()
    figures = {
        "f1": report["entity"]["micro"]["f1"],
        "seconds": report["seconds"]["training"],
        "epochs": settings.training.epochs,
    }
    counts = count_epoch(settings)
    print(json.dumps({**figures, "peak_mib": peak, **counts}))


def count_epoch(settings: RunSettings) -> dict[str, int]:
    """Count sentences, pieces and positions of the first epoch in its batches."""
    from tfner.training.batches import make_batches
    from tfner.training.run_inputs import load_run_inputs
    from tfner.training.state.run_folder import RunFolder

    with tempfile.TemporaryDirectory() as scratch:
        elsewhere = settings.model_copy(update={"runs_dir": scratch})
        prepared = load_run_inputs(elsewhere, RunFolder(elsewhere.run_dir), Console(stderr=True))
        pieces = positions = 0
        for x, _, _ in make_batches(prepared).training(1):
            mask = x["segment_ids"] if "segment_ids" in x else x["attention_mask"]
            is_piece = mask.numpy() > 0
            pieces += int(is_piece.sum())
            positions += is_piece.size
    return {
        "sentences": len(prepared.splits.documents["train"]),
        "pieces": pieces,
        "positions": positions,
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
