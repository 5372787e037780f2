"""Plants mistakes in the marks of corpora, and tells how many of them `tfner.suspects` lists first.

usage: python -m benchmarks.data.suspects RESULTS --data FOLDER --encoder FOLDER --work FOLDER

RESULTS gets a line of JSON for each corpus, share of mistakes and seed. It goes on where it was
stopped: what RESULTS has is not done again, and runs in WORK are gone on with. A suspect is right
if it touches a planted mistake that none before it has touched. Mistakes that a corpus had before
count as wrong, so that precision is higher than it is said here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
from rich.console import Console

from benchmarks.data.arguments import corpus_parser
from benchmarks.data.cleanlab_ranking import WordSuspect, rank_words
from benchmarks.data.planted import Planted, plant
from benchmarks.recipes.corpora import columns, lay_out, micro_f1, read
from tfner.annotation.suspects import Suspect, rank_suspects, reading_of
from tfner.config import RunSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.safeio.validation import validate
from tfner.suspects import ask_with_tensorflow
from tfner.tagging.schemes import LabelSet
from tfner.training.folds.cross_validation import HeldOut, cross_validate
from tfner.training.folds.folder import FoldsFolder
from tfner.training.folds.out_of_fold import OutOfFold, read_predictions

FOLDS = 3
FIRST = 100
TOP = 0.05  # corrected are so many suspects, as a share of the marks
DRAWS = 100
CONSOLE = Console(stderr=True)
AnySuspect = Suspect | WordSuspect


def main() -> None:
    """Measure what RESULTS does not have yet."""
    parser = corpus_parser(__doc__)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.1])
    parser.add_argument("--loss", action="store_true", help="compare with the training loss")
    parser.add_argument("--corrected", action="store_true", help="train on corrected data too")
    parser.add_argument("--cleanlab", action="store_true", help="compare with cleanlab's ranking")
    options = parser.parse_args()
    done = set(finished(options.results))
    for corpus in options.corpora:
        for share in options.shares:
            for seed in options.seeds:
                if (corpus, share, seed) not in done:
                    said = measure(options, corpus, share, seed)
                    about = {"corpus": corpus, "share": share, "seed": seed}
                    line = json.dumps({**about, **said})
                    with options.results.open("a", encoding="utf-8") as file:
                        file.write(f"{line}\n")
                    print(line)


def finished(results: Path) -> Iterator[tuple[str, float, int]]:
    """List what a file of results has."""
    if results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield row["corpus"], row["share"], row["seed"]


def measure(options: argparse.Namespace, corpus: str, share: float, seed: int) -> dict[str, Any]:
    """Plant mistakes, rank the marks, and score the ranking and what it is compared with."""
    files = lay_out(corpus, options.data, options.work / "corpora")
    sound = read(files.train)
    noisy, planted = plant(sound, share, seed)
    folder = options.work / f"{corpus}-{round(100 * share)}-{seed}"
    settings = write_data(folder, "noisy", noisy, options.encoder, seed)
    folds = FoldsFolder(folder / "folds")
    folds.path.mkdir(exist_ok=True)
    summary = cross_validate(settings, folds, FOLDS, CONSOLE, train_fold)
    labels = LabelSet(tuple(sorted({each.label for text in noisy for each in text.entities})))
    if labels.tags != summary.tags:
        raise ValueError(f"expected the tags {labels.tags}, got {summary.tags}")
    predictions = list(read_predictions(folds.predictions))
    alone = rank_suspects(predictions, labels, Ledger())
    asked = ask_with_tensorflow(folds, predictions)
    ranked = rank_suspects(asked, labels, Ledger())
    said: dict[str, Any] = {"planted": len(planted), "suspects": len(ranked)}
    said["kinds"] = dict(Counter(each.kind for each in planted))
    said["found by kind"] = found_by_kind(ranked[: len(planted)], planted)
    said["ranked"] = judge(ranked, planted)
    said["out of fold alone"] = judge(alone, planted)
    said["random"] = judge_random(ranked, planted)
    if options.cleanlab:
        said["cleanlab"] = judge(rank_words(asked, labels), planted)
        said["cleanlab, out of fold alone"] = judge(rank_words(predictions, labels), planted)
    dev = read(files.texts[corpus])
    if options.loss or options.corrected:
        in_sample = predict(settings, noisy)
        said["training loss"] = judge(by_loss(in_sample, labels), planted)
        said["ranked by the same model"] = judge(
            rank_suspects(in_sample, labels, Ledger()), planted
        )
        said["dev F1 noisy"] = score(settings, dev)
    if options.corrected:
        count = round(TOP * sum(len(each.entities) for each in noisy))
        corrected = correct(noisy, sound, ranked[:count])
        for name, documents in (("corrected", corrected), ("sound", sound)):
            own = write_data(folder, name, documents, options.encoder, seed)
            said[f"dev F1 {name}"] = score(own, dev)
    return said


def write_data(
    folder: Path, name: str, documents: Sequence[Document], encoder: Path, seed: int
) -> RunSettings:
    """Write training data, and make the settings of a run on them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("train.conll" if name == "noisy" else f"{name}.conll")
    path.write_text(columns(documents), encoding="utf-8")
    values: dict[str, Any] = {"name": name, "seed": seed, "runs_dir": str(folder)}
    values["data"] = {"train": str(path)}
    values["encoder"] = {"checkpoint": str(encoder), "max_length": 128}
    values["export"] = {"enabled": False}
    training = {"epochs": 3, "batch_size": 32, "precision": "mixed_bfloat16"}
    values["training"] = training
    return validate(values, RunSettings, name)


def train_fold(settings: RunSettings, held_out: HeldOut, folder: FoldsFolder) -> None:
    """Train a fold."""
    from tfner.training.folds.train_fold import train_fold

    train_fold(settings, held_out, folder, CONSOLE)


def tagger_of(settings: RunSettings) -> Any:
    """Train a run, or go on with it, and restore its model."""
    from tfner.training.restore import restore_tagger
    from tfner.training.run import train
    from tfner.training.state.run_folder import RunFolder

    folder = RunFolder(settings.run_dir)
    if folder.state() != "finished":
        train(settings, CONSOLE)
    return restore_tagger(folder, settings)


def predict(settings: RunSettings, documents: Sequence[Document]) -> list[OutOfFold]:
    """Let a model that has learned documents predict them."""
    from tfner.training.folds.train_fold import predict

    everything = HeldOut(1, list(range(len(documents))), list(documents))
    return predict(tagger_of(settings), settings, everything)


def score(settings: RunSettings, dev: Sequence[Document]) -> float:
    """Score the model of a run on dev: micro F1 in percent."""
    from tfner.training.card import recognizer_of_run

    recognizer = recognizer_of_run(settings, tagger_of(settings))
    return micro_f1(dev, recognizer.documents(dev), all_types=True)


def by_loss(predictions: Sequence[OutOfFold], labels: LabelSet) -> list[Suspect]:
    """Rank the same suspects by the largest loss of a word that they touch."""
    losses = {}
    for each in predictions:
        reading = reading_of(each, labels, Ledger())
        rows = np.arange(len(reading.tags))
        losses[each.number] = each.units, -reading.log_probs[rows, reading.tags]

    def loss(suspect: Suspect) -> float:
        units, own = losses[suspect.number]
        touched = [
            value
            for (start, end), value in zip(units, own, strict=True)
            if any(start < each.end and each.start < end for each in entities_of(suspect))
        ]
        return max(touched)

    return sorted(rank_suspects(predictions, labels, Ledger()), key=loss, reverse=True)


def entities_of(each: AnySuspect | Planted) -> list[Entity]:
    """List the two entities of a suspect or a mistake, without those that there are not."""
    both = each[2:] if isinstance(each, Planted) else (each.marked, each.proposed)
    return [entity for entity in both if entity is not None]


def hits(ranked: Sequence[AnySuspect], planted: Sequence[Planted]) -> Iterator[list[Planted]]:
    """Give for each suspect the mistakes that it touches first."""
    open_mistakes: dict[int, list[Planted]] = {}
    for mistake in planted:
        open_mistakes.setdefault(mistake.number, []).append(mistake)
    for suspect in ranked:
        left = open_mistakes.get(suspect.number, [])
        found = [mistake for mistake in left if touches(suspect, mistake)]
        for mistake in found:
            left.remove(mistake)
        yield found


def touches(suspect: AnySuspect, mistake: Planted) -> bool:
    """Tell whether a suspect shares a character with a mistake."""
    return any(
        one.start < other.end and other.start < one.end
        for one in entities_of(suspect)
        for other in entities_of(mistake)
    )


def judge(ranked: Sequence[AnySuspect], planted: Sequence[Planted]) -> dict[str, float]:
    """Compute precision among the first FIRST and as many as there are mistakes, and their area.

    The area under precision over recall is the average precision.
    """
    right = 0
    area = 0.0
    precisions = {}
    for rank, found in enumerate(hits(ranked, planted), 1):
        right += bool(found)
        area += len(found) * right / rank
        precisions[rank] = right / rank
    at = {f"precision at {FIRST}": precisions[FIRST], "precision at k": precisions[len(planted)]}
    values = {**at, "area": area / len(planted)}
    return {name: round(value, 4) for name, value in values.items()}


def judge_random(ranked: Sequence[Suspect], planted: Sequence[Planted]) -> dict[str, float]:
    """Average what the same suspects score in any order."""
    chooser = random.Random(1)
    drawn = [judge(chooser.sample(ranked, len(ranked)), planted) for _ in range(DRAWS)]
    return {name: round(float(np.mean([each[name] for each in drawn])), 4) for name in drawn[0]}


def found_by_kind(ranked: Sequence[Suspect], planted: Sequence[Planted]) -> dict[str, int]:
    """Count the mistakes that some suspects touch."""
    return dict(Counter(each.kind for found in hits(ranked, planted) for each in found))


def correct(
    noisy: Sequence[Document], sound: Sequence[Document], suspects: Sequence[Suspect]
) -> list[Document]:
    """Mark as they were before all entities that some suspects touch."""
    corrected = list(noisy)
    for suspect in suspects:
        number = suspect.number
        spots = entities_of(suspect)
        before = [each for each in sound[number].entities if is_touched(each, spots)]
        spots += before
        kept = [each for each in corrected[number].entities if not is_touched(each, spots)]
        marks = sorted({*kept, *before}, key=lambda each: each.key)
        corrected[number] = corrected[number].with_entities(marks)
    return corrected


def is_touched(entity: Entity, spots: Sequence[Entity]) -> bool:
    """Tell whether an entity shares a character with one of some others."""
    return any(entity.start < each.end and each.start < entity.end for each in spots)


if __name__ == "__main__":
    sys.exit(main())
