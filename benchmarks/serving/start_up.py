"""Times a process from its start to its first answer, and shows what of it is whose.

usage: python -m benchmarks.serving.start_up MODEL [--repeats 5] [--smoke]
           [--peer-python PYTHON --peer-model FOLDER [--onnx FILE]]

MODEL is an export, as `tfner.load` takes it. Each line of the table is a process of its own that
does what the line says and nothing else; all run in turn, --repeats times, after a round that is
not counted. The interpreter's start counts, its end does not. The peer is transformers'
token-classification pipeline in PyTorch, in the environment of --peer-python, over a fine-tuned
checkpoint in --peer-model; --onnx is the same model as a file for ONNX Runtime, which is asked in
that environment too. Beside seconds stand the MiB that are resident in the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import print_machine
from benchmarks.processes import show, starts_in_turn

TEXT = "Petra Halvorsen lives in Osaka."
OURS = {
    "python alone": "",
    "import numpy": "import numpy",
    "import tensorflow": "import tensorflow",
    "import tfner": "import tfner",
    "tfner.load": "import sys, tfner; tfner.load(sys.argv[1])",
    "tfner.load and the first answer": "import sys, tfner; tfner.load(sys.argv[1])(sys.argv[2])",
    "the same in TensorFlow's Python": """
import sys, tfner; tfner.load(sys.argv[1], runtime='tensorflow')(sys.argv[2])
""",
}
OPEN_PIPELINE = """import sys; from transformers import pipeline
answer = pipeline('token-classification', sys.argv[1], aggregation_strategy='first')
"""
PEERS = {
    "import torch": "import torch",
    "pipeline(...)": OPEN_PIPELINE,
    "pipeline(...) and the first answer": OPEN_PIPELINE + "answer(sys.argv[2])",
}
ANSWER_WITH_ONNX = """import sys, numpy as np, onnxruntime; from tokenizers import Tokenizer
session = onnxruntime.InferenceSession(sys.argv[3])
cut = Tokenizer.from_file(sys.argv[1] + '/tokenizer.json').encode(sys.argv[2])
values = {'input': cut.ids, 'attention': cut.attention_mask, 'token': cut.type_ids}
given = {each.name: np.array([values[each.name.split('_')[0]]]) for each in session.get_inputs()}
session.run(None, given)[0].argmax(-1)
"""
SMOKE = ("python alone", "import tfner", "tfner.load and the first answer")


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every line in turn and print the table."""
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    ours = {
        name: [sys.executable, code, str(options.model), TEXT]
        for name, code in OURS.items()
        if not options.smoke or name in SMOKE
    }
    peers = {
        name: [options.peer_python, code, str(options.peer_model), TEXT]
        for name, code in PEERS.items()
        if options.peer_python
    }
    if options.onnx:
        inputs = [str(options.peer_model), TEXT, str(options.onnx)]
        peers["ONNX Runtime's first answer"] = [options.peer_python, ANSWER_WITH_ONNX, *inputs]
    starts = starts_in_turn({**ours, **peers}, options.repeats, warm=not options.smoke)
    print_machine(("tensorflow", "tensorflow-text", "numpy"))
    peer = f"{options.peer_python or 'none'}, {options.peer_model or 'no model'}"
    print(f"model: {options.model}; repeats: {options.repeats}; peer: {peer}")
    print("seconds from the start of a process, and MiB in the end: median (least to most)")
    for name, each in starts.items():
        seconds = show([start.seconds for start in each])
        mib = statistics.median(start.mib for start in each)
        print(f"  {name:36}{seconds}  {mib:.0f}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", help="a Python with transformers and PyTorch")
    about_model = "a folder with a token classifier's checkpoint and tokenizer"
    parser.add_argument("--peer-model", type=Path, help=about_model)
    parser.add_argument("--onnx", type=Path, help="the same checkpoint as an ONNX file")
    parser.add_argument("--smoke", action="store_true", help="three lines, once: does it run")
    options = parser.parse_args(arguments)
    if bool(options.peer_python) != bool(options.peer_model):
        parser.error("--peer-python and --peer-model go together")
    if options.smoke:
        options.repeats = 1
    return options


if __name__ == "__main__":
    main()
