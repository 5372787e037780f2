"""One training run in this process; its last line is JSON: f1, seconds, epochs, sentences, pieces, positions (of an epoch), peak_mib.

usage: python benchmarks/training_run.py CONFIG.yaml [KEY=VALUE …]
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
    print(json.dumps({**figures, "peak_mib": peak, **count_epoch(settings)}))


def count_epoch(settings: RunSettings) -> dict[str, int]:
    """Documents, pieces and positions of the first epoch, counted in its batches."""
    from tfner.training.batches import make_batches
    from tfner.training.run_inputs import load_run_inputs
    from tfner.training.state.run_folder import RunFolder

    with tempfile.TemporaryDirectory() as scratch:
        elsewhere = settings.model_copy(update={"runs_dir": scratch})
        prepared = load_run_inputs(elsewhere, RunFolder(elsewhere.run_dir), Console(stderr=True))
        pieces = positions = 0
        for x, _, _ in make_batches(prepared).training(1):
            mask = x["segment_ids"] if "segment_ids" in x else x["attention_mask"]
            pieces += int((mask.numpy() > 0).sum())
            positions += mask.numpy().size
    return {
        "sentences": len(prepared.splits.documents["train"]),
        "pieces": pieces,
        "positions": positions,
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
