"""Compares prediction with PyTorch and ONNX Runtime, which get the same fine-tuned weights.

usage: python -m benchmarks.prediction.compare RUN|MODEL INPUT
           [--sides tfner-bf16 tfner-fp32 pipeline torch-bf16 onnx-fp32 onnx-int8]
           [--rounds 3] [--batch 64] [--peer-python PYTHON] [--keep FOLDER] [--smoke]

RUN is the folder of a finished run: its weights are exported in float32 and bfloat16, and written
as a Hugging Face checkpoint for the peers, whose logits must equal ours. Of a MODEL that is
exported already only tfner's side is run. INPUT is a column file with tags, read once as lines of
text, once as words. tfner works as `python -m tfner.predict` does; `pipeline` is Hugging Face's
with batch_size=32; the other peers take INPUT sorted by length, --batch sentences at a time.

Each side reads files and writes JSON lines in a process of its own, --rounds times in turn, and who
begins moves on; the tables hold medians. Start-up is from the start of the process to the answers
to one short text and to its words. F1 is that of entities: on lines the borders of words are found,
with which the tags of INPUT do not always agree. Words per second of all cores' time (words/CPU s)
tell more than words/s where others use the machine. Without --peer-python the peers' environment is
made in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import print_machine
from benchmarks.processes import (
    make_environment,
    module_command,
    rotate,
    run_command,
    run_for_json,
)
from benchmarks.tables import table_row
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.evaluation.scores import score_entities
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.tagging.schemes import read_spans
from tfner.tagging.word_tags import tags_on_words

PEER_PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript")
OURS = {"tfner-bf16": "bfloat16", "tfner-fp32": "float32"}
PEERS = ("pipeline", "torch-bf16", "onnx-fp32", "onnx-int8")
KINDS = {"lines": "raw text lines", "words": "words as given"}
DIFFERENCE = 1e-3  # of logits, beyond which the weights are not the same
PACKAGES = ("tensorflow", "tensorflow-text", "numpy")
FIGURES = ("words/s", "(min", "max)", "words/CPU s", "start-up s", "peak MiB", "F1")
Figures = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every side in turn and print both tables."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        gold = write_inputs(options.input, folder / "inputs", options.sentences)
        commands = {**our_commands(options, folder), **peer_commands(options, folder)}
        rounds = [run_round(commands, folder, gold, number) for number in range(options.rounds)]
    report(options, gold, rounds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; `left_out` says which sides are not run, and why."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="RUN|MODEL")
    parser.add_argument("input", metavar="INPUT")
    parser.add_argument("--sides", nargs="+", choices=(*OURS, *PEERS), default=[*OURS, *PEERS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--batch", type=int, default=64, help="sentences at once, of the peers that sort"
    )
    parser.add_argument("--peer-python", help="of an environment that has the peers' packages")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="for exports, checkpoint and outputs; by default a temporary one",
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="one round of tfner's side on 40 sentences: does it run, not how fast",
    )
    options = parser.parse_args(arguments)
    options.sentences = None
    if options.smoke:
        options.rounds, options.sentences = 1, 40
    choose_sides(options)
    return options


def choose_sides(options: argparse.Namespace) -> None:
    """Leave out the sides that cannot run: peers need a run's weights, an export is what it is."""
    options.left_out = {}
    is_run = (options.model / "config.yaml").is_file()
    if options.smoke or not is_run:
        not_a_run = f"{options.model} is no run, whose weights they would need"
        reason = "--smoke" if options.smoke else not_a_run
        options.left_out = {side: reason for side in options.sides if side in PEERS}
    if not is_run:
        reason = "an export is run as it is"
        options.left_out |= {side: reason for side in options.sides if side in OURS}
        options.sides = ["tfner", *options.sides]
    options.sides = [side for side in options.sides if side not in options.left_out]


def write_inputs(source: str, folder: Path, sentences: int | None) -> list[Document]:
    """Write `lines.txt` and `words.conll`, both of words joined by one space.

    Returns:
        The documents, their gold entities in code points of the joined words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = read_documents(source, ReadSettings(), Ledger())
    gold = [joined(document) for document in documents][:sentences]
    lines = "".join(f"{document.text}\n" for document in gold)
    (folder / "lines.txt").write_text(lines, encoding="utf-8", newline="")
    with open_writer("columns", folder / "words.conll") as writer:
        for document in gold:
            writer.write(document, ())
    return gold


def joined(document: Document) -> Document:
    """Join a document's words by one space and move its entities along."""
    tags = tags_on_words(document, document.entities)
    spans, _ = read_spans(tags, "IOB2")
    return Document.from_words(document.word_texts(), spans, id=document.id)


def our_commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """Make exports and checkpoint of a run, and the command of each of our sides.

    `run_side` adds the last two arguments.
    """
    sides = [side for side in options.sides if side not in PEERS]
    if sides != ["tfner"]:
        run_command(module_command(sys.executable, "prediction.weights", options.model, folder))
    models = {side: folder / OURS[side] if side in OURS else options.model for side in sides}
    inputs = folder / "inputs"
    return {
        side: module_command(sys.executable, "prediction.run", model, inputs)
        for side, model in models.items()
    }


def peer_commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """Compare the peers' logits with ours, and give the command of each."""
    sides = [side for side in options.sides if side in PEERS]
    if not sides:
        return {}
    python = options.peer_python or make_environment(folder / "peer", PEER_PACKAGES)
    prepared = run_for_json(module_command(python, "peers.tagger", "prepare", folder))
    options.prepared = prepared
    if max(prepared["difference"], prepared["onnx_difference"]) > DIFFERENCE:
        sys.exit(f"the peers' logits differ from ours: {prepared}")
    arguments = (folder, folder / "inputs", options.batch)
    return {side: module_command(python, "peers.tagger", side, *arguments) for side in sides}


def run_round(
    commands: Mapping[str, list[str]], folder: Path, gold: Sequence[Document], number: int
) -> dict[str, Figures]:
    """Run every side once; who begins moves on with the round."""
    found = {}
    for side in rotate(list(commands), number):
        output = folder / "outputs" / side
        output.mkdir(parents=True, exist_ok=True)
        found[side] = run_side(commands[side], output, gold)
    return found


def run_side(command: list[str], output: Path, gold: Sequence[Document]) -> Figures:
    """Run one side; its own figures, and the F1 of both kinds of input."""
    figures = run_for_json([*command, str(output), str(time.time())])
    scores = {f"{kind}_f1": entity_f1(output / f"{kind}.jsonl", gold) for kind in KINDS}
    return {**figures, **scores}


def entity_f1(output: Path, gold: Sequence[Document]) -> float:
    """Score a file of JSON lines against gold entities; micro F1, a fraction."""
    lines = output.read_text(encoding="utf-8").split("\n")
    found = [read_entities(line) for line in lines if line]
    wanted = [document.entities for document in gold]
    scores = score_entities(zip(wanted, found, strict=True))
    return scores.micro.f1


def read_entities(line: str) -> list[Entity]:
    """Read the entities of one JSON line."""
    rows = json.loads(line)["entities"]
    return [Entity(row["start"], row["end"], row["label"]) for row in rows]


def report(
    options: argparse.Namespace, gold: Sequence[Document], rounds: Sequence[dict[str, Figures]]
) -> None:
    """Print where, what and how fast."""
    words = sum(len(document.words or ()) for document in gold)
    print_machine(PACKAGES)
    if hasattr(options, "prepared"):
        report_peers(options.prepared)
    size = f"{len(gold)} sentences, {words} words"
    print(f"model: {options.model}; input: {options.input}, {size}; rounds: {options.rounds}")
    print("settings: the pipeline's batches are of 32, those of peers that sort of "
          f"{options.batch}; threads as each library chooses")  # fmt: skip
    for kind, title in KINDS.items():
        print_table(kind, title, options, words, rounds)


def report_peers(prepared: dict) -> None:
    """Print the peers' versions and how far their logits are from ours."""
    versions = (f"{name} {version}" for name, version in prepared["versions"].items())
    print(f"peers: {', '.join(versions)}")
    torch, onnx = prepared["difference"], prepared["onnx_difference"]
    differences = f"{torch:.1e} (PyTorch) and {onnx:.1e} (ONNX Runtime)"
    print(f"logits differ from tfner's by at most {differences}, in float32")


def print_table(
    kind: str,
    title: str,
    options: argparse.Namespace,
    words: int,
    rounds: Sequence[dict[str, Figures]],
) -> None:
    """Print medians, the spread of words/s, and round by round how many times as fast tfner is."""
    ours = [side for side in options.sides if side not in PEERS]
    titles = [*FIGURES, *(f"{side} ×" for side in ours)]
    print("\n" + table_row(title, titles, first=14, width=14))
    for side in options.sides:
        runs = [row[side] for row in rounds]
        against = [[row[our][kind] for row in rounds] for our in ours]
        columns = side_columns(kind, words, runs, against)
        print(table_row(side, columns, first=14, width=14))
    for side, reason in options.left_out.items():
        print(f"{side:<14}  not run: {reason}")


def side_columns(
    kind: str, words: int, runs: Sequence[Figures], against: Sequence[Sequence[float]]
) -> list[str]:
    """Write one side's figures, and its time over that of each of our sides (seconds a round)."""
    rates = [words / run[kind] for run in runs]
    per_processor_second = [words / run[f"{kind}_processor"] for run in runs]
    start_up, peak, f1 = (
        statistics.median(run[name] for run in runs)
        for name in ("start_up", "peak_mib", f"{kind}_f1")
    )
    ratios = [
        statistics.median(run[kind] / our for run, our in zip(runs, seconds, strict=True))
        for seconds in against
    ]
    speeds = (statistics.median(rates), min(rates), max(rates))
    return [
        *(f"{speed:.0f}" for speed in speeds),
        f"{statistics.median(per_processor_second):.0f}",
        f"{start_up:.1f}",
        f"{peak:.0f}",
        f"{100 * f1:.2f}",
        *(f"{ratio:.2f}" for ratio in ratios),
    ]


if __name__ == "__main__":
    main()
