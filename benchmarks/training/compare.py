"""Compares training in tfner's variants with Hugging Face Trainer: same encoder, data and settings.

usage: python -m benchmarks.training.compare CONFIG.yaml
           [--sides packed-fused … trainer trainer-by-length] [--seeds 1 2 3]
           [--precision bf16|fp32] [--base-shaped] [--sentences N] [--peer-python PYTHON]
           [--set KEY=VALUE …] [--keep FOLDER] [--smoke]

Epochs, batch size, learning rate and precision are the same for all. A side is tfner's
`batching-implementation`, or the peer: Hugging Face Trainer (PyTorch) with dynamic padding, or with
group_by_length. A run is a process of its own; the sides take turns, and who begins changes with
the seed. Seconds are those of training alone, the first step's compilation included, reading and
evaluation excluded. All train for all epochs; tfner keeps its best by dev F1, the peer its last.
CONFIG names a training and a dev file in columns. --base-shaped takes an encoder of BERT-base's
shape with random weights, --sentences the first N of the training file. Without --peer-python the
peer's environment is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import print_machine
from benchmarks.peers import TRAINER_PACKAGES
from benchmarks.processes import make_environment, module_command, rotate, run_for_json
from benchmarks.tables import table_row
from tfner.config import RunSettings, load_settings
from tfner.model.encoders.bert_config import read_bert_config

DEFAULT_SIDES = ("packed-fused", "bucketed-reference", "trainer", "trainer-by-length")
PEERS = {"trainer": False, "trainer-by-length": True}  # name -> grouped by length
OURS = (
    "packed-fused",
    "packed-reference",
    "bucketed-fused",
    "bucketed-reference",
    "padded-fused",
    "padded-reference",
)
PRECISIONS = {"bf16": "mixed_bfloat16", "fp32": "float32"}
BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}
TITLES = (
    "dev F1",
    "(min",
    "max)",
    "seconds",
    "(min",
    "max)",
    "sentences/s",
    "pieces/s",
    "padding",
    "peak MiB",
)
Figures = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every side with every seed and print the table."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        overrides = [*options.set, *chosen_overrides(options, folder)]
        python = options.peer_python or ""
        if not python and any(side in PEERS for side in options.sides):
            python = make_environment(folder / "peer", TRAINER_PACKAGES)
        runs = options.keep or folder / "runs"
        rows = [run_seed(options, overrides, seed, python, runs) for seed in options.seeds]
    report(options, rows)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("--sides", nargs="+", choices=(*OURS, *PEERS), default=DEFAULT_SIDES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--base-shaped", action="store_true")
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--peer-python")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep tfner's run folders here")
    about_smoke = "one epoch of a few sentences without the peer: does it run, not how fast"
    parser.add_argument("--smoke", action="store_true", help=about_smoke)
    options = parser.parse_args(arguments)
    if options.smoke:
        options.sides = ["packed-fused", "bucketed-reference"]
        options.seeds = [1]
        options.sentences = 40
        options.set += ["training.epochs=1"]
    return options


def chosen_overrides(options: argparse.Namespace, folder: Path) -> list[str]:
    """List the settings that follow from the options; files that they name go to `folder`."""
    overrides = [f"training.precision={PRECISIONS[options.precision]}", "export.enabled=false"]
    settings = load_settings(options.config, options.set)
    if options.sentences is not None:
        train = folder / "train.conll"
        sentences = first_sentences(Path(settings.data.train or ""), options.sentences)
        train.write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
        overrides.append(f"data.train={train}")
    if options.base_shaped:
        checkpoint = write_base_shaped(Path(settings.encoder.checkpoint), folder / "base")
        overrides += [f"encoder.checkpoint={checkpoint}", "encoder.initialize=random"]
    return overrides


def first_sentences(path: Path, count: int) -> list[str]:
    """Read the first blocks of lines of a column file; lines of white space alone part them."""
    lines = path.read_text(encoding="utf-8").split("\n")
    text = "\n".join(line if line.strip() else "" for line in lines)
    blocks = text.strip("\n").split("\n\n")
    return [block for block in blocks if block.strip()][:count]


def write_base_shaped(source: Path, folder: Path) -> Path:
    """Copy a checkpoint's tokenizer beside a configuration of BERT-base's shape, no weights."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.h5", "*.bin"))
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **BASE}), encoding="utf-8")
    return folder


def run_seed(
    options: argparse.Namespace, overrides: list[str], seed: int, python: str, runs: Path
) -> dict[str, Figures]:
    """Train every side once; who begins moves on with the seed."""
    settings = load_settings(options.config, [*overrides, f"seed={seed}"])
    results = {}
    for side in rotate(options.sides, seed):
        if side in PEERS:
            found = run_peer(settings, python, by_length=PEERS[side])
        else:
            found = run_ours(options.config, overrides, seed, side, runs / side)
        results[side] = found
        f1, seconds = 100 * found["f1"], found["seconds"]
        print(f"seed {seed}, {side}: F1 {f1:.2f} in {seconds:.0f} s", flush=True)
    return results


def run_ours(config: str, overrides: list[str], seed: int, side: str, runs: Path) -> Figures:
    """Train one of tfner's variants in a process of its own."""
    batching, implementation = side.split("-")
    chosen = [
        f"seed={seed}",
        f"training.batching={batching}",
        f"encoder.implementation={implementation}",
        f"runs_dir={runs}",
        f"name=seed-{seed}",
    ]
    command = module_command(sys.executable, "training.run", config, *overrides, *chosen)
    return run_for_json(command)


def run_peer(settings: RunSettings, python: str, *, by_length: bool) -> Figures:
    """Train with Hugging Face Trainer in its own environment."""
    width = read_bert_config(Path(settings.encoder.checkpoint) / "config.json")["hidden_size"]
    recipe = {
        "epochs": settings.training.epochs,
        "learning_rate": settings.training.optimizer_options(width)["learning_rate"],
        "batch_size": settings.training.batch_size,
        "max_length": settings.encoder.max_length,
        "seed": settings.seed,
        "bf16": settings.training.precision == "mixed_bfloat16",
        "by_length": by_length,
    }
    files = [settings.encoder.checkpoint, settings.data.train, settings.data.dev]
    return run_for_json(module_command(python, "peers.trainer", *files, json.dumps(recipe)))


def report(options: argparse.Namespace, rows: list[dict[str, Figures]]) -> None:
    """Print where, what and how fast."""
    print()
    print_machine(("tensorflow", "tf-keras", "transformers"))
    shape = "BERT-base's shape, random" if options.base_shaped else "as configured"
    chosen = f"{options.precision}, seeds {options.seeds}, encoder: {shape}"
    print(f"{options.config}, {chosen}, sentences: {options.sentences or 'all'}")
    print(f"settings: {' '.join(options.set) or 'none of their own'}")
    print(table_row("", TITLES, first=20))
    for side in options.sides:
        runs = [row[side] for row in rows]
        print(table_row(side, columns(runs), first=20))
    for peer in (side for side in options.sides if side in PEERS):
        for side in (side for side in options.sides if side not in PEERS):
            print(compare_speed(side, peer, rows))


def compare_speed(side: str, peer: str, rows: list[dict[str, Figures]]) -> str:
    """Say how many times as fast as the peer a side is, seed by seed."""
    ratios = [row[peer]["seconds"] / row[side]["seconds"] for row in rows]
    median, spread = statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{side} is {median:.2f} times as fast as {peer}, seed by seed {spread}"


def columns(runs: Sequence[Figures]) -> list[str]:
    """Give the mean of F1 and medians of the rest, as `TITLES` names them."""
    f1 = [100 * run["f1"] for run in runs]
    seconds = [run["seconds"] for run in runs]
    sentences = [run["epochs"] * run["sentences"] / run["seconds"] for run in runs]
    pieces = [run["epochs"] * run["pieces"] / run["seconds"] for run in runs]
    padding = [1 - run["pieces"] / run["positions"] for run in runs]
    peak = [run["peak_mib"] for run in runs]
    scores = (statistics.mean(f1), min(f1), max(f1))
    times = (statistics.median(seconds), min(seconds), max(seconds))
    rates = (statistics.median(sentences), statistics.median(pieces))
    return [
        *(f"{score:.2f}" for score in scores),
        *(f"{each:.1f}" for each in (*times, *rates)),
        f"{statistics.median(padding):.1%}",
        f"{statistics.median(peak):.0f}",
    ]


if __name__ == "__main__":
    main()
