"""Training: tfner in its variants against Hugging Face Trainer; same encoder, data, epochs, batch size, learning rate, precision.

usage: python benchmarks/training.py CONFIG.yaml [--sides packed-fused … trainer trainer-by-length] [--seeds 1 2 3]
                                     [--precision bf16|fp32] [--base-shaped] [--sentences N] [--peer-python PYTHON]
                                     [--set KEY=VALUE …] [--keep FOLDER] [--smoke]

A side is tfner's `batching-implementation`, or the peer: Hugging Face Trainer (PyTorch) with dynamic padding, or with group_by_length. A
run is a process of its own; the sides take turns, and who begins changes with the seed. Seconds are those of training alone, the first
step's compilation included, reading and evaluation excluded. All train for all epochs; tfner keeps its best by dev F1, the peer its last.
CONFIG names a training and a dev file in columns. --base-shaped takes an encoder of BERT-base's shape with random weights, --sentences the
first N of the training file. Without --peer-python the peer's environment is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from machine import describe_machine, describe_versions

from tfner.config import RunSettings, load_settings

HERE = Path(__file__).parent
PEER_PACKAGES = ("torch", "transformers", "accelerate", "seqeval")
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
Figures = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        overrides = [*options.set, *chosen_overrides(options, folder)]
        needs_peer = any(side in PEERS for side in options.sides)
        python = (options.peer_python or make_environment(folder / "peer")) if needs_peer else ""
        rows = []
        for seed in options.seeds:
            settings = load_settings(options.config, [*overrides, f"seed={seed}"])
            rows.append(
                run_seed(options, settings, overrides, python, options.keep or folder / "runs")
            )
    report(options, rows)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="one epoch of a few sentences without the peer: does it run, not how fast",
    )
    options = parser.parse_args(arguments)
    if options.smoke:
        options.sides, options.seeds, options.sentences = (
            ["packed-fused", "bucketed-reference"],
            [1],
            40,
        )
        options.set += ["training.epochs=1"]
    return options


def chosen_overrides(options: argparse.Namespace, folder: Path) -> list[str]:
    """Settings that follow from the options; what they name is written to `folder`."""
    overrides = [f"training.precision={PRECISIONS[options.precision]}", "export.enabled=false"]
    settings = load_settings(options.config, options.set)
    if options.sentences is not None:
        train = folder / "train.conll"
        train.write_text(
            "\n\n".join(first_sentences(Path(settings.data.train or ""), options.sentences)) + "\n",
            encoding="utf-8",
        )
        overrides.append(f"data.train={train}")
    if options.base_shaped:
        checkpoint = write_base_shaped(Path(settings.encoder.checkpoint), folder / "base")
        overrides += [f"encoder.checkpoint={checkpoint}", "encoder.initialize=random"]
    return overrides


def first_sentences(path: Path, count: int) -> list[str]:
    """Blocks of lines; lines of white space alone part them."""
    lines = path.read_text(encoding="utf-8").split("\n")
    text = "\n".join(line if line.strip() else "" for line in lines)
    return [block for block in text.strip("\n").split("\n\n") if block.strip()][:count]


def write_base_shaped(source: Path, folder: Path) -> Path:
    """A checkpoint's tokenizer with a configuration of BERT-base's shape, without weights."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.h5", "*.bin"))
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **BASE}), encoding="utf-8")
    return folder


def make_environment(folder: Path) -> str:
    """A virtual environment with the peer's packages; its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
    return str(python)


def run_seed(
    options: argparse.Namespace,
    settings: RunSettings,
    overrides: list[str],
    python: str,
    runs: Path,
) -> dict[str, Figures]:
    """Every side once; who begins moves on with the seed."""
    begin = settings.seed % len(options.sides)
    results = {}
    for side in (*options.sides[begin:], *options.sides[:begin]):
        if side in PEERS:
            results[side] = run_peer(settings, python, by_length=PEERS[side])
        else:
            results[side] = run_ours(
                options.config, [*overrides, f"seed={settings.seed}"], side, runs / side
            )
        print(
            f"seed {settings.seed}, {side}: F1 {100 * results[side]['f1']:.2f} in {results[side]['seconds']:.0f} s",
            flush=True,
        )
    return results


def run_ours(config: str, overrides: list[str], side: str, runs: Path) -> Figures:
    batching, implementation = side.split("-")
    placed = [
        f"training.batching={batching}",
        f"encoder.implementation={implementation}",
        f"runs_dir={runs}",
    ]
    seed = next(
        override.partition("=")[2] for override in overrides if override.startswith("seed=")
    )
    return last_line(
        [
            sys.executable,
            str(HERE / "training_run.py"),
            config,
            *overrides,
            *placed,
            f"name=seed-{seed}",
        ]
    )


def run_peer(settings: RunSettings, python: str, *, by_length: bool) -> Figures:
    recipe = {
        "epochs": settings.training.epochs,
        "learning_rate": settings.training.learning_rate,
        "batch_size": settings.training.batch_size,
        "max_length": settings.encoder.max_length,
        "seed": settings.seed,
        "bf16": settings.training.precision == "mixed_bfloat16",
        "by_length": by_length,
    }
    files = [settings.encoder.checkpoint, str(settings.data.train), str(settings.data.dev)]
    return last_line([python, str(HERE / "peers" / "trainer.py"), *files, json.dumps(recipe)])


def last_line(command: list[str]) -> Figures:
    """The JSON on the last line that a command prints."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(
            f"{' '.join(command)} ended with {finished.returncode}:\n{finished.stderr[-2000:]}"
        )
    return json.loads(finished.stdout.splitlines()[-1])


def report(options: argparse.Namespace, rows: list[dict[str, Figures]]) -> None:
    """Where, what and how fast."""
    print(
        f"\nmachine: {describe_machine()}\nversions: {describe_versions(('tensorflow', 'tf-keras', 'transformers'))}"
    )
    shape = "BERT-base's shape, random" if options.base_shaped else "as configured"
    print(
        f"{options.config}, {options.precision}, seeds {options.seeds}, encoder: {shape}, sentences: {options.sentences or 'all'}"
    )
    print(f"settings: {' '.join(options.set) or 'none of their own'}")
    titles = (
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
    print(f"{'':20}{''.join(f'{title:>12}' for title in titles)}")
    for side in options.sides:
        print(
            f"{side:20}{''.join(f'{column:>12}' for column in columns([row[side] for row in rows]))}"
        )
    for peer in (side for side in options.sides if side in PEERS):
        for side in (side for side in options.sides if side not in PEERS):
            ratios = [row[peer]["seconds"] / row[side]["seconds"] for row in rows]
            print(
                f"{side} is {statistics.median(ratios):.2f} times as fast as {peer}, seed by seed {min(ratios):.2f} to {max(ratios):.2f}"
            )


def columns(runs: Sequence[Figures]) -> list[str]:
    """The mean of F1, medians of the rest."""
    f1, seconds = [100 * run["f1"] for run in runs], [run["seconds"] for run in runs]
    rates = [
        statistics.median(run["epochs"] * run[what] / run["seconds"] for run in runs)
        for what in ("sentences", "pieces")
    ]
    padding = statistics.median(1 - run["pieces"] / run["positions"] for run in runs)
    return [
        *(f"{value:.2f}" for value in (statistics.mean(f1), min(f1), max(f1))),
        *(
            f"{value:.1f}"
            for value in (statistics.median(seconds), min(seconds), max(seconds), *rates)
        ),
        f"{padding:.1%}",
        f"{statistics.median(run['peak_mib'] for run in runs):.0f}",
    ]


if __name__ == "__main__":
    main()
