"""Draws learning curves: training sentences that `tfner.select` chooses, beside random ones.

usage: python -m benchmarks.data.select RESULTS --data FOLDER --encoder FOLDER --work FOLDER

Both begin with the same random sentences. At each step a model is trained on what there is, scored
on dev, and asked which sentences to add; at random any are added. RESULTS gets a line of JSON for
each training, and what it has is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from benchmarks.data.arguments import corpus_parser
from benchmarks.data.suspects import CONSOLE
from benchmarks.recipes.corpora import columns, lay_out, micro_f1, read
from tfner.annotation.selection import POOL, Pool, choose_texts
from tfner.config import RunSettings
from tfner.documents import Document
from tfner.safeio.validation import validate

STEPS = [100, 200, 400, 700, 1000, 1300, 2000]
WAYS = ("random", "select")


def main() -> None:
    """Train what RESULTS does not have yet."""
    parser = corpus_parser(__doc__)
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS)
    options = parser.parse_args()
    for corpus in options.corpora:
        for seed in options.seeds:
            for way in WAYS:
                draw_curve(options, corpus, seed, way)


def draw_curve(options: argparse.Namespace, corpus: str, seed: int, way: str) -> None:
    """Train on more and more sentences."""
    files = lay_out(corpus, options.data, options.work / "corpora")
    sentences = read(files.train)
    dev = read(files.texts[corpus])
    order = list(range(len(sentences)))
    random.Random(seed).shuffle(order)
    chosen: list[int] = order[: options.steps[0]]
    done = finished(options.results)
    for step, following in zip(options.steps, [*options.steps[1:], None], strict=True):
        key = f"{corpus} {seed} {way} {step}"
        if key not in done:
            name = f"{corpus}-{seed}-{way}-{step}"
            learned = [sentences[number] for number in chosen]
            settings = write_data(options, name, learned, seed)
            f1 = train(settings, dev)
            more = following - step if following and way == "select" else 0
            added = choose(settings.run_dir, sentences, chosen, more, seed) if more else []
            shutil.rmtree(settings.run_dir)  # a gigabyte, with the optimizer's state
            words = sum(len(each.words or ()) for each in learned)
            row = {"key": key, "dev F1": f1, "words": words, "added": added}
            with options.results.open("a", encoding="utf-8") as file:
                line = json.dumps(row)
                file.write(f"{line}\n")
            done[key] = row
            print(key, f1)
        if following is not None:
            chosen = order[:following] if way == "random" else [*chosen, *done[key]["added"]]


def finished(results: Path) -> dict[str, Any]:
    """Read what a file of results has, by key."""
    if not results.exists():
        return {}
    rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {row["key"]: row for row in rows}


def write_data(
    options: argparse.Namespace, name: str, documents: Sequence[Document], seed: int
) -> RunSettings:
    """Write training data, and make the settings of a run on them: `epochs: auto`, no dev."""
    path = options.work / f"{name}.conll"
    path.write_text(columns(documents), encoding="utf-8")
    values: dict[str, Any] = {"name": name, "seed": seed, "runs_dir": str(options.work)}
    values["data"] = {"train": str(path)}
    values["encoder"] = {"checkpoint": str(options.encoder), "max_length": 128}
    values["export"] = {"enabled": False}
    values["training"] = {"epochs": "auto", "batch_size": 32, "precision": "mixed_bfloat16"}
    return validate(values, RunSettings, name)


def train(settings: RunSettings, dev: Sequence[Document]) -> float:
    """Train a run, and score it on dev: micro F1 in percent."""
    from tfner.training.restore import open_model
    from tfner.training.run import train

    train(settings, CONSOLE, overwrite=True)
    recognizer = open_model(settings.run_dir)
    return micro_f1(dev, recognizer.documents(dev), all_types=True)


def choose(
    run: Path, sentences: Sequence[Document], chosen: Sequence[int], count: int, seed: int
) -> list[int]:
    """Choose sentences that are not yet learned, as `tfner.select` does; give their numbers."""
    from tfner.training.teachers import open_teacher
    from tfner.training.unit_answers import ask_units, open_any_tokenizer

    known = set(chosen)
    left = [number for number in range(len(sentences)) if number not in known]
    documents = [sentences[number] for number in left]
    answers = ask_units(open_teacher(str(run)), open_any_tokenizer(), documents)
    pool = Pool(POOL * count, seed)
    for document, (units, probabilities) in zip(documents, answers, strict=True):
        pool.add(document, units, probabilities)
    return [left[choice.candidate.number] for choice in choose_texts(pool.candidates(), count)]


if __name__ == "__main__":
    main()
