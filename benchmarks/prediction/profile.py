"""Shows where the time of marking lines of text goes, and how near products are to their limit.

usage: python -m benchmarks.prediction.profile RUN INPUT [--precision bfloat16] [--texts 1500]
           [--peer-python PYTHON] [--smoke]

RUN is the folder of a finished run of a BERT, INPUT a column file, whose first --texts sentences
are marked as raw text, one operation after the other on one processor. Times are TensorFlow's
profiler's, each node's own. The limit is a plain product of the encoder's own shapes, 4,096 rows
at a time, on one processor, by `tf.matmul` and, with --peer-python, by PyTorch's `linear`. Products
of rows that only fill up count as none, so that the rate of the encoder's products is said a
little too low.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from benchmarks.machine import print_machine
from benchmarks.processes import run_command, seconds_of
from benchmarks.step.trace import node_times
from tfner.corpus.ledger import Ledger
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

PRODUCTS = "products of layers, biases and gelu fused"
# The first that is found in an operation's type says what it is for.
PARTS = {
    "attention: products, softmax, transposes": r"BatchMatMul|(?<!Log)Softmax|Transpose",
    PRODUCTS: r"MatMul",
    "layer norms": r"LayerNorm",
    "text to pieces": r"Tokenize|Unicode|Regex|String",
    "gathers and copies": r"Gather|Scatter|Concat|Slice|Pad|Cast|Pack|Select",
}
REST = "heads, decoding, windows and the rest"
ROWS = 4096
REPEATS = 20  # of a plain product, the fastest of which counts
PRODUCTS_BY_TORCH = """
import sys, time, torch
rows, repeats, precision, *shapes = sys.argv[1:]
torch.set_num_threads(1); torch.set_grad_enabled(False)
for shape in shapes:
    size, width = map(int, shape.split('x'))
    layer = torch.nn.Linear(size, width, bias=False).to(getattr(torch, precision))
    given = torch.randn(int(rows), size).to(layer.weight.dtype)
    times = []
    for _ in range(int(repeats) + 1):
        begin = time.perf_counter(); layer(given); times.append(time.perf_counter() - begin)
    print(min(times[1:]))
"""
Shapes = Sequence[tuple[int, int]]  # of the matrices that rows are multiplied by


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the run, mark the sentences under the profiler, and print both tables."""
    options = parse(arguments)
    import tfner
    from benchmarks.prediction.weights import restore
    from tfner.training.restore import export_run

    documents = list(read_documents(options.input, ReadSettings(), Ledger()))[: options.texts]
    texts = [document.text for document in documents]
    model, _, encoder = restore(options.run)
    shapes = shapes_of_layer(model.encoder.config)
    pieces, units = count_pieces(encoder, texts)
    done = floating_point_operations(shapes, model.encoder.config, pieces, units)
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"precision={options.precision}"]
        export = export_run(options.run, Path(folder) / "export", overrides=overrides)
        ner = tfner.load(export, runtime="tensorflow", intra_op_threads=1, inter_op_threads=1)
        ner.batch(texts)
        seconds = [seconds_of(lambda: ner.batch(texts)) for _ in range(options.repeats)]
        nodes = node_times(lambda: ner.batch(texts), 1, average=statistics.mean)
    print_machine(("tensorflow", "tensorflow-text"))
    print(f"{options.run}, {options.precision}, {len(texts)} texts, {pieces} pieces, {units} units")
    print(f"one processor: {statistics.median(seconds):.2f} s without the profiler")
    report_parts(parts_of(nodes), done)
    report_limit("tf.matmul", shapes, products_by_tensorflow(shapes, options.precision))
    if options.peer_python:
        times = products_by_torch(options.peer_python, shapes, options.precision)
        report_limit("PyTorch", shapes, times)


def report_parts(parts: Counter[str], done: float) -> None:
    """Print the share of each part, and the rate at which products did their operations."""
    total = sum(parts.values())
    for part, milliseconds in parts.most_common():
        print(f"  {part:44}{milliseconds:9.0f} ms {100 * milliseconds / total:5.1f} %")
    rate = done / parts[PRODUCTS] / 1e6
    print(f"{PRODUCTS}: {done / 1e12:.2f} TFLOP, {rate:.0f} GFLOP/s")


def report_limit(name: str, shapes: Shapes, times: Sequence[float]) -> None:
    """Print the rate of plain products, of all and of each shape."""
    done = [2 * ROWS * size * width / 1e9 for size, width in shapes]
    rates = [f"{each / seconds:.0f}" for each, seconds in zip(done, times, strict=True)]
    print(f"plain products by {name}: {sum(done) / sum(times):.0f} GFLOP/s, {', '.join(rates)}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("input", type=Path)
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-python", help="a Python with PyTorch")
    parser.add_argument("--smoke", action="store_true", help="few texts, once: does it run")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.texts, options.repeats = 20, 1
    return options


def shapes_of_layer(config: Any) -> Shapes:
    """List the matrices of a layer: for queries, keys and values, for what they give, up, down."""
    hidden, inner = config.hidden_size, config.intermediate_size
    return [(hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)]


def count_pieces(encoder: Path, texts: Sequence[str]) -> tuple[int, int]:
    """Count the pieces of texts with the two around each, and the units that tags are asked of."""
    import tensorflow as tf

    from tfner.tokenizers.registry import open_tokenizer

    tokens = open_tokenizer(encoder).tokenize_text(tf.constant([text.encode() for text in texts]))
    units = int(tf.reduce_sum(tf.cast(tokens.first_of_unit.values, tf.int32)))
    return int(tf.size(tokens.ids.values)) + 2 * len(texts), units


def floating_point_operations(shapes: Shapes, config: Any, pieces: int, units: int) -> float:
    """Count those of all layers' products; behind the last attention only units have any."""
    first, *others = (2 * one * other for one, other in shapes)
    layers = config.num_hidden_layers
    return float(layers * first * pieces + sum(others) * ((layers - 1) * pieces + units))


def parts_of(nodes: Mapping[tuple[str, str], float]) -> Counter[str]:
    """Sum the nodes' milliseconds up by what they are for."""
    parts: Counter[str] = Counter()
    for (_, type_), milliseconds in nodes.items():
        part = next((part for part, types in PARTS.items() if re.search(types, type_)), REST)
        parts[part] += milliseconds  # type: ignore[assignment]
    return parts


def products_by_tensorflow(shapes: Shapes, precision: str) -> list[float]:
    """Time a plain product of each shape, in seconds; the threads are those of the process."""
    import tensorflow as tf

    found = []
    for size, width in shapes:
        weights = tf.cast(tf.random.normal([size, width]), precision)
        given = tf.cast(tf.random.normal([ROWS, size]), precision)
        multiply = tf.function(lambda given, weights=weights: tf.matmul(given, weights))
        multiply(given)
        times = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            multiply(given)[0, 0].numpy()
            times.append(time.perf_counter() - begin)
        found.append(min(times))
    return found


def products_by_torch(python: str, shapes: Shapes, precision: str) -> list[float]:
    """Time the same in a process of PyTorch."""
    named = [f"{size}x{width}" for size, width in shapes]
    code = [python, "-c", PRODUCTS_BY_TORCH, str(ROWS), str(REPEATS), precision, *named]
    return [float(line) for line in run_command(code).split()]


if __name__ == "__main__":
    sys.exit(main())
