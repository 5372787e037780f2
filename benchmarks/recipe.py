"""tfner against the usual PyTorch recipe: the same encoder, data, epochs, batch size, learning rate, precision; in turn, on this machine.

usage: python benchmarks/recipe.py CONFIG.yaml [--seeds 1 2 3] [--peer-python PYTHON] [--set KEY=VALUE …] [--keep FOLDER]

Without --peer-python the peer's environment is made in a temporary folder (PyTorch, transformers, accelerate, seqeval).
Prints dev F1 and seconds of training per seed, then means, spread and the ratio of the medians. Both train for all epochs; neither
counts evaluation, start-up or reading as training.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tfner.config import RunSettings, load_settings

PEER = Path(__file__).parent / "peers" / "trainer.py"
PEER_PACKAGES = ("torch", "transformers", "accelerate", "seqeval")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--peer-python")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", metavar="FOLDER", help="keep tfner's run folders here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        peer_python = arguments.peer_python or make_peer_environment(Path(scratch) / "peer")
        rows = [compare(arguments.config, arguments.set, seed, peer_python, arguments.keep or scratch) for seed in arguments.seeds]
    print_table(arguments, rows)


def make_peer_environment(folder: Path) -> str:
    """A virtual environment with the peer's packages; its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
    return str(python)


def compare(config: str, overrides: list[str], seed: int, peer_python: str, runs: str) -> dict[str, dict[str, float]]:
    """One seed on both sides; which goes first alternates."""
    settings = load_settings(config, [*overrides, f"seed={seed}"])
    sides = {"tfner": lambda: run_tfner(config, overrides, seed, runs), "peer": lambda: run_peer(settings, peer_python)}
    order = list(sides) if seed % 2 else list(reversed(sides))
    results = {name: sides[name]() for name in order}
    print(f"seed {seed}: " + ", ".join(f"{name} F1 {100 * r['f1']:.2f} in {r['seconds']:.0f} s" for name, r in results.items()), flush=True)
    return results


def run_tfner(config: str, overrides: list[str], seed: int, runs: str) -> dict[str, float]:
    """A run in a process of its own."""
    name = f"seed-{seed}"
    placed = [f"seed={seed}", f"name={name}", f"runs_dir={runs}", "export.enabled=false"]
    subprocess.run([sys.executable, "-m", "tfner.train", config, *overrides, *placed], check=True, capture_output=True)
    report = json.loads((Path(runs) / name / "report.json").read_text(encoding="utf-8"))
    return {"f1": report["entity"]["micro"]["f1"], "seconds": report["seconds"]["training"]}


def run_peer(settings: RunSettings, python: str) -> dict[str, float]:
    """The peer in a process of its own."""
    recipe = {
        "epochs": settings.training.epochs,
        "learning_rate": settings.training.learning_rate,
        "batch_size": settings.training.batch_size,
        "max_length": settings.encoder.max_length,
        "seed": settings.seed,
        "bf16": settings.training.precision == "mixed_bfloat16",
    }
    command = [python, str(PEER), settings.encoder.checkpoint, str(settings.data.train), str(settings.data.dev), json.dumps(recipe)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def print_table(arguments: argparse.Namespace, rows: list[dict[str, dict[str, float]]]) -> None:
    print(f"\n{arguments.config}, seeds {arguments.seeds}, {platform.processor() or platform.machine()}, {platform.python_version()}")
    print(f"{'':8}{'dev F1 mean':>12}{'min':>8}{'max':>8}{'median s':>10}{'min':>8}{'max':>8}")
    for name in ("tfner", "peer"):
        f1, seconds = ([row[name][key] for row in rows] for key in ("f1", "seconds"))
        scores = f"{100 * statistics.mean(f1):12.2f}{100 * min(f1):8.2f}{100 * max(f1):8.2f}"
        print(f"{name:8}{scores}{statistics.median(seconds):10.1f}{min(seconds):8.1f}{max(seconds):8.1f}")
    ratios = [row["peer"]["seconds"] / row["tfner"]["seconds"] for row in rows]
    print(f"training, peer / tfner, pair by pair: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
