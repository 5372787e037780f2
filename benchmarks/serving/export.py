"""Measures an export: size, start, cost of the graph around the encoder, and memory.

usage (Linux): python -m benchmarks.serving.export RUN [--repeats 5]      RUN: a run's folder

Exports the finished run in float32 and bfloat16 to a temporary folder. Every time and every peak of
memory is that of a process of its own, but for the overhead, which is measured in this one: the
whole graph, and the bare encoder on the same batches, as many at once, in turn.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import run_for_json, seconds_of, show, starts_in_turn

if TYPE_CHECKING:
    from tfner.model.inference.tagger import Tagger

SENTENCE = (
    "Dr. Ilka Brandt of the Halvorsen Institute flew from Lisbon to Osaka on 3 May, "
    "e-mailing her notes to Petra. "
)
TEXTS = {
    "256 texts of 1 to 8 sentences": [SENTENCE * (1 + number % 8) for number in range(256)],
    "1 text of 100 kB": [SENTENCE * 900],
}
LOAD = "import sys, tfner; tfner.load(sys.argv[1])('Petra lives in Osaka.')"
MEMORY = r"""
import json, re, sys, tfner

def peak():  # getrusage would give that of the process that started this one
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

ner, text = tfner.load(sys.argv[1]), sys.argv[2] * int(sys.argv[3])
ner("Petra lives in Osaka.")
before = peak()
found = len(ner(text))
print(json.dumps([before, peak(), found]))
"""


def main() -> None:
    """Export in both precisions and print every figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    processor = platform.processor() or platform.machine()
    python = f"Python {platform.python_version()}"
    print(f"{processor}, {python}, {arguments.repeats} repeats, medians\n")
    with tempfile.TemporaryDirectory() as scratch:
        exports = export_both(arguments.run, Path(scratch))
        for report in (report_size, report_start, report_overhead, report_memory):
            report(arguments.run, exports, arguments.repeats)


def export_both(run: Path, scratch: Path) -> dict[str, Path]:
    """Export a run in float32 and bfloat16; give the folders by precision."""
    from tfner.training.restore import export_run

    return {
        precision: export_run(run, scratch / precision, [f"precision={precision}"])
        for precision in ("float32", "bfloat16")
    }


def report_size(run: Path, exports: dict[str, Path], _: int) -> None:
    """Print the sizes on disk."""
    from tfner.training.state.run_folder import RunFolder

    checkpoint = Path(RunFolder(run).settings.encoder.checkpoint) / "model.safetensors"
    original = checkpoint.stat().st_size
    print(f"size: checkpoint {original / 1e6:.1f} MB")
    for precision, folder in exports.items():
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        share = size / original
        print(f"  {precision:10}{size / 1e6:8.1f} MB, {share:.3f} of the checkpoint")


def report_start(_: Path, exports: dict[str, Path], repeats: int) -> None:
    """Print the time from the start of the interpreter to the first answer; in turn."""
    kinds = {"import tensorflow": [sys.executable, "import tensorflow"]}
    for name, path in exports.items():
        kinds[f"load and answer, {name}"] = [sys.executable, LOAD, str(path)]
    print("\nstart-up, seconds of a process")
    for name, starts in starts_in_turn(kinds, repeats).items():
        values = [start.seconds for start in starts]
        print(f"  {name:32}{show(values)}")


def report_overhead(run: Path, _: dict[str, Path], repeats: int) -> None:
    """Print what the graph around the encoder costs."""
    import tensorflow as tf

    from tfner.model.inference.encoder_batches import PARALLEL_PASSES
    from tfner.serving.export.signatures import Signatures
    from tfner.training.restore import restore_tagger
    from tfner.training.state.run_folder import RunFolder

    folder = RunFolder(run)
    tagger = restore_tagger(folder, folder.settings)
    signatures = Signatures(tagger)
    ids, lengths = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)
    encode = tf.function(tagger.encode, autograph=False, input_signature=[ids, lengths])
    print("\nthe whole graph of serving_default against the bare encoder in a graph,")
    print("on the same batches, as many of them at once")
    with ThreadPoolExecutor(PARALLEL_PASSES) as threads:
        for name, texts in TEXTS.items():
            inputs = list(zip(*encoder_inputs(tagger, texts), strict=True))

            def encode_all(inputs: list[tuple] = inputs) -> None:
                list(threads.map(encode, *inputs))

            whole, bare = in_turn(partial(signatures.text, texts), encode_all, repeats)
            ratios = [one / other - 1 for one, other in zip(whole, bare, strict=True)]
            overhead = 100 * statistics.median(ratios)
            times = f"whole {show(whole)}, encoder {show(bare)}"
            print(f"  {name:32}{times}, overhead {overhead:.1f} %")


def encoder_inputs(tagger: Tagger, texts: list[str]) -> list[tuple]:
    """Record what the encoder is given for these texts: padded ids and lengths, batch by batch."""
    from tfner.model.inference.encoder_batches import encode_windows

    batches = []

    def record(*inputs):
        batches.append(inputs)
        return tagger.encode(*inputs)

    tokens = tagger.tokenizer.tokenize_text(texts)
    windows = tagger.framed_windows(tokens)
    pad_id, tag_count = tagger.tokenizer.pad_id, len(tagger.labels.tags)
    encode_windows(record, tagger.plan, windows.ids, windows.wanted, pad_id, tag_count)
    return batches


def report_memory(_: Path, exports: dict[str, Path], __: int) -> None:
    """Print peaks of memory for a short and for a long text."""
    print(
        "\npeak memory of a process, MB: after a short text, after the text named, entities found"
    )
    for name, characters in {"10 kB": 10_000, "1 MB": 1_000_000}.items():
        count = str(characters // len(SENTENCE))
        command = [sys.executable, "-c", MEMORY, str(exports["float32"]), SENTENCE, count]
        before, after, found = run_for_json(command)
        print(f"  {name:8}{before / 1e6:8.0f}{after / 1e6:8.0f}{found:8}")


def in_turn(
    one: Callable[[], object], other: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    """Time two things alternating, after each has run once."""
    one()
    other()
    pairs = [(seconds_of(one), seconds_of(other)) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


if __name__ == "__main__":
    main()
