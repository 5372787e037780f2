"""Prediction: tfner against PyTorch and ONNX Runtime with the same fine-tuned weights; raw lines, and words as given.

usage: python benchmarks/prediction.py RUN|MODEL INPUT [--sides tfner-bf16 tfner-fp32 pipeline torch-bf16 onnx-fp32 onnx-int8] [--rounds 3]
                                       [--batch 64] [--peer-python PYTHON] [--keep FOLDER] [--smoke]

RUN is the folder of a finished run: its weights are exported in float32 and bfloat16, and written as a Hugging Face checkpoint for the
peers, whose logits must equal ours. Of a MODEL that is exported already only tfner's side is run. INPUT is a column file with tags, read
once as lines of text, once as words. tfner works as `python -m tfner.predict` does; `pipeline` is Hugging Face's with batch_size=32; the
other peers take INPUT sorted by length, --batch sentences at a time. Each side reads files and writes JSON lines in a process of its own,
--rounds times in turn, and who begins moves on; the tables hold medians. Start-up is from the start of the process to the answers to one
short text and to its words. F1 is that of entities: on lines the borders of words are found, with which the tags of INPUT do not always
agree. Words per second of all cores' time (words/CPU s) tell more than words/s where others use the machine. Without --peer-python the
peers' environment is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from machine import describe_machine, describe_versions

from tfner.config import ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.evaluation.scores import score_entities
from tfner.formats import read_documents
from tfner.formats.writers import open_writer
from tfner.tagging.schemes import read_spans
from tfner.tagging.word_tags import tags_on_words

HERE = Path(__file__).parent
PEER = HERE / "peers" / "tagger.py"
PEER_PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript")
OURS = {"tfner-bf16": "bfloat16", "tfner-fp32": "float32"}
PEERS = ("pipeline", "torch-bf16", "onnx-fp32", "onnx-int8")
KINDS = {"lines": "raw text lines", "words": "words as given"}
DIFFERENCE = 1e-3  # of logits, beyond which the weights are not the same
Figures = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        gold = write_inputs(options.input, folder / "inputs", options.sentences)
        commands = {**our_commands(options, folder), **peer_commands(options, folder)}
        rounds = [run_round(commands, folder, gold, number) for number in range(options.rounds)]
    report(options, gold, rounds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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
    options.sentences, options.left_out = None, {}
    is_run = (options.model / "config.yaml").is_file()
    if options.smoke:
        options.rounds, options.sentences = 1, 40
    if options.smoke or not is_run:
        reason = (
            "--smoke"
            if options.smoke
            else f"{options.model} is no run, whose weights they would need"
        )
        options.left_out = {side: reason for side in options.sides if side in PEERS}
    if not is_run:
        options.left_out |= {
            side: "an export is run as it is" for side in options.sides if side in OURS
        }
        options.sides = ["tfner", *options.sides]
    options.sides = [side for side in options.sides if side not in options.left_out]
    return options


def write_inputs(source: str, folder: Path, sentences: int | None) -> list[Document]:
    """`lines.txt` and `words.conll`, and the documents with their gold entities in places of words joined by one space."""
    folder.mkdir(parents=True, exist_ok=True)
    gold = [joined(document) for document in read_documents(source, ReadSettings(), Ledger())][
        :sentences
    ]
    (folder / "lines.txt").write_text(
        "".join(f"{document.text}\n" for document in gold), encoding="utf-8", newline=""
    )
    with open_writer("columns", folder / "words.conll") as writer:
        for document in gold:
            writer.write(document, ())
    return gold


def joined(document: Document) -> Document:
    spans, _ = read_spans(tags_on_words(document, document.entities), "IOB2")
    return Document.from_words(document.word_texts(), spans, id=document.id)


def our_commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The command of each of our sides, but for what `run_round` adds; makes exports and checkpoint of a run."""
    sides = [side for side in options.sides if side not in PEERS]
    if sides != ["tfner"]:
        run_python(
            [sys.executable, str(HERE / "prediction_weights.py"), str(options.model), str(folder)]
        )
    models = {side: folder / OURS[side] if side in OURS else options.model for side in sides}
    return {
        side: [sys.executable, str(HERE / "prediction_run.py"), str(model), str(folder / "inputs")]
        for side, model in models.items()
    }


def peer_commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The same of the peers, whose logits are compared with ours first."""
    sides = [side for side in options.sides if side in PEERS]
    if not sides:
        return {}
    python = options.peer_python or make_environment(folder / "peer")
    prepared = json.loads(run_python([python, str(PEER), "prepare", str(folder)]))
    options.prepared = prepared
    if max(prepared["difference"], prepared["onnx_difference"]) > DIFFERENCE:
        sys.exit(f"the peers' logits differ from ours: {prepared}")
    return {
        side: [python, str(PEER), side, str(folder), str(folder / "inputs"), str(options.batch)]
        for side in sides
    }


def make_environment(folder: Path) -> str:
    """A virtual environment with the peers' packages; its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
    return python


def run_python(command: list[str]) -> str:
    """The last line that a process prints; what it says of a failure ends this one."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return (result.stdout.splitlines() or [""])[-1]


def run_round(
    commands: Mapping[str, list[str]], folder: Path, gold: Sequence[Document], number: int
) -> dict[str, Figures]:
    """Every side once; who begins moves on with the round."""
    begin = number % len(commands)
    found = {}
    for side in [*commands, *commands][begin : begin + len(commands)]:
        output = folder / "outputs" / side
        output.mkdir(parents=True, exist_ok=True)
        found[side] = run_side(commands[side], output, gold)
    return found


def run_side(command: list[str], output: Path, gold: Sequence[Document]) -> Figures:
    """What the process says of itself, and the F1 of both kinds."""
    figures = json.loads(run_python([*command, str(output), str(time.time())]))
    return {
        **figures,
        **{f"{kind}_f1": entity_f1(output / f"{kind}.jsonl", gold) for kind in KINDS},
    }


def entity_f1(output: Path, gold: Sequence[Document]) -> float:
    rows = [
        json.loads(line)["entities"]
        for line in output.read_text(encoding="utf-8").split("\n")
        if line
    ]
    found = (
        [Entity(entity["start"], entity["end"], entity["label"]) for entity in row] for row in rows
    )
    return score_entities(
        zip((document.entities for document in gold), found, strict=True)
    ).micro.f1


def report(
    options: argparse.Namespace, gold: Sequence[Document], rounds: Sequence[dict[str, Figures]]
) -> None:
    """Where, what and how fast."""
    words = sum(len(document.words or ()) for document in gold)
    print(f"machine: {describe_machine()}")
    print(f"versions: {describe_versions(('tensorflow', 'tensorflow-text', 'numpy'))}")
    if hasattr(options, "prepared"):
        print(
            f"peers: {', '.join(f'{name} {version}' for name, version in options.prepared['versions'].items())}"
        )
        differences = (options.prepared[name] for name in ("difference", "onnx_difference"))
        print(
            "logits differ from tfner's by at most {:.1e} (PyTorch) and {:.1e} (ONNX Runtime), in float32".format(
                *differences
            )
        )
    print(
        f"model: {options.model}; input: {options.input}, {len(gold)} sentences, {words} words; rounds: {options.rounds}"
    )
    print(
        f"settings: the pipeline's batches are of 32, those of peers that sort of {options.batch}; threads as each library chooses"
    )
    for kind, title in KINDS.items():
        print_table(kind, title, options, words, rounds)


def print_table(
    kind: str,
    title: str,
    options: argparse.Namespace,
    words: int,
    rounds: Sequence[dict[str, Figures]],
) -> None:
    """Medians, with the spread of words/s, and how many times as fast as a side tfner is, round by round."""
    ours = [side for side in options.sides if side not in PEERS]
    titles = (
        "words/s",
        "(min",
        "max)",
        "words/CPU s",
        "start-up s",
        "peak MiB",
        "F1",
        *(f"{side} ×" for side in ours),
    )
    print(f"\n{title:<14}{''.join(f'{name:>14}' for name in titles)}")
    for side in options.sides:
        rates = [words / row[side][kind] for row in rounds]
        start_up, peak, f1 = (
            statistics.median(row[side][name] for row in rounds)
            for name in ("start_up", "peak_mib", f"{kind}_f1")
        )
        ratios = [
            f"{statistics.median(row[side][kind] / row[our][kind] for row in rounds):.2f}"
            for our in ours
        ]
        speeds = [f"{rate:.0f}" for rate in (statistics.median(rates), min(rates), max(rates))]
        of_processor = statistics.median(words / row[side][f"{kind}_processor"] for row in rounds)
        columns = [
            *speeds,
            f"{of_processor:.0f}",
            f"{start_up:.1f}",
            f"{peak:.0f}",
            f"{100 * f1:.2f}",
            *ratios,
        ]
        print(f"{side:<14}{''.join(f'{column:>14}' for column in columns)}")
    for side, reason in options.left_out.items():
        print(f"{side:<14}  not run: {reason}")


if __name__ == "__main__":
    main()
