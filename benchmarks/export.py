"""An export in figures: size, time to the first answer, what the graph around the encoder costs, and memory for short and long texts.

usage (Linux): python benchmarks/export.py RUN [--repeats 5]      RUN: a finished run's folder

Exports the run in float32 and bfloat16 to a temporary folder. Every time and every peak of memory is that of a process of its own, but
for the overhead, which is measured in this one: the whole graph, and the bare encoder on the same slices, as many at once, in turn.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from processes import seconds_in_turn, show

if TYPE_CHECKING:
    from tfner.model.inference.tagger import Tagger

SENTENCE = "Dr. Ilka Brandt of the Halvorsen Institute flew from Lisbon to Osaka on 3 May, e-mailing her notes to Petra. "
TEXTS = {
    "256 texts of 1 to 8 sentences": [SENTENCE * (1 + number % 8) for number in range(256)],
    "1 text of 100 kB": [SENTENCE * 900],
}
LOAD = "import sys, tfner; tfner.load(sys.argv[1])('Petra lives in Osaka.')"
MEMORY = r"""
import json, re, sys, tfner

def peak():  # getrusage would tell that of the process that started this one
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) * 1024

ner, text = tfner.load(sys.argv[1]), sys.argv[2] * int(sys.argv[3])
ner("Petra lives in Osaka.")
before = peak()
found = len(ner(text))
print(json.dumps([before, peak(), found]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {arguments.repeats} repeats, medians\n"
    )
    with tempfile.TemporaryDirectory() as scratch:
        exports = export_both(arguments.run, Path(scratch))
        for report in (report_size, report_start, report_overhead, report_memory):
            report(arguments.run, exports, arguments.repeats)


def export_both(run: Path, scratch: Path) -> dict[str, Path]:
    from tfner.training.restore import export_run

    return {
        precision: export_run(run, scratch / precision, [f"precision={precision}"])
        for precision in ("float32", "bfloat16")
    }


def report_size(run: Path, exports: dict[str, Path], _: int) -> None:
    from tfner.training.state.run_folder import RunFolder

    checkpoint = Path(RunFolder(run).settings.encoder.checkpoint) / "model.safetensors"
    print(f"size: checkpoint {checkpoint.stat().st_size / 1e6:.1f} MB")
    for precision, folder in exports.items():
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(
            f"  {precision:10}{size / 1e6:8.1f} MB, {size / checkpoint.stat().st_size:.3f} of the checkpoint"
        )


def report_start(_: Path, exports: dict[str, Path], repeats: int) -> None:
    """From the start of the interpreter; in turn."""
    loads = {
        f"load and answer, {name}": [sys.executable, LOAD, str(path)]
        for name, path in exports.items()
    }
    print("\nstart-up, seconds of a process")
    for name, values in seconds_in_turn(
        {"import tensorflow": [sys.executable, "import tensorflow"], **loads}, repeats
    ).items():
        print(f"  {name:32}{show(values)}")


def report_overhead(run: Path, _: dict[str, Path], repeats: int) -> None:
    import tensorflow as tf

    from tfner.model.inference.encoder_batches import SLICES_AT_ONCE
    from tfner.serving.export.signatures import Signatures
    from tfner.training.restore import restore_tagger
    from tfner.training.state.run_folder import RunFolder

    folder = RunFolder(run)
    tagger = restore_tagger(folder, folder.settings)
    signatures = Signatures(tagger)
    ids, lengths = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)
    encode = tf.function(tagger.encode, autograph=False, input_signature=[ids, lengths])
    print(
        "\nthe whole graph of serving_default against the bare encoder in a graph, on the same slices, as many of them at once"
    )
    with ThreadPoolExecutor(SLICES_AT_ONCE) as threads:
        for name, texts in TEXTS.items():
            slices = slices_of(tagger, texts)
            whole, bare = in_turn(
                partial(signatures.text, texts),
                lambda slices=slices: list(threads.map(encode, *zip(*slices, strict=True))),
                repeats,
            )
            ratios = [one / other - 1 for one, other in zip(whole, bare, strict=True)]
            print(
                f"  {name:32}whole {show(whole)}, encoder {show(bare)}, overhead {100 * statistics.median(ratios):.1f} %"
            )


def slices_of(tagger: Tagger, texts: list[str]) -> list[tuple]:
    """What the encoder is given for these texts: padded ids and lengths, slice by slice."""
    from tfner.model.inference.encoder_batches import encode_windows

    slices = []

    def record(*inputs):
        slices.append(inputs)
        return tagger.encode(*inputs)

    ids, wanted, _ = tagger.framed_windows(tagger.tokenizer.tokenize_text(texts))
    encode_windows(
        record, tagger.plan, ids, wanted, tagger.tokenizer.pad_id, len(tagger.labels.tags)
    )
    return slices


def report_memory(_: Path, exports: dict[str, Path], __: int) -> None:
    print(
        "\npeak memory of a process, MB: after a short text, after the text named, entities found"
    )
    for name, count in {
        "10 kB": 10_000 // len(SENTENCE),
        "1 MB": 1_000_000 // len(SENTENCE),
    }.items():
        command = [sys.executable, "-c", MEMORY, str(exports["float32"]), SENTENCE, str(count)]
        before, after, found = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )
        print(f"  {name:8}{before / 1e6:8.0f}{after / 1e6:8.0f}{found:8}")


def in_turn(
    one: Callable[[], object], other: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds of two things, alternating, each run once before."""
    one(), other()
    pairs = [(seconds(one), seconds(other)) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
