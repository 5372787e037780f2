"""tfner's side of `prediction.py` in a process of its own, as `python -m tfner.predict` works.

usage: python benchmarks/prediction_run.py MODEL FOLDER OUTPUT BEGIN

FOLDER holds `lines.txt` and `words.conll`; OUTPUT receives `lines.jsonl` and `words.jsonl`. BEGIN is the time at which the process was
started. Prints one line of JSON: start_up, lines, words, lines_processor, words_processor (seconds; of all cores) and peak_mib.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path


def main(model: str, folder: str, output: str, begin: str) -> None:
    from tfner.commands import open_model
    from tfner.config import ReadSettings
    from tfner.formats.resume import Nothing
    from tfner.formats.writers import open_writer
    from tfner.predict import mark, read_input

    recognizer = open_model(Path(model))
    recognizer("One short sentence.")
    recognizer.tag(["One", "short", "sentence"])
    figures = {"start_up": time.time() - float(begin)}
    for kind, file, read_as in (
        ("lines", "lines.txt", "lines"),
        ("words", "words.conll", "columns"),
    ):
        start, processor = time.perf_counter(), time.process_time()
        with open_writer("jsonl", Path(output) / f"{kind}.jsonl") as writer:
            mark(
                recognizer,
                read_input(str(Path(folder) / file), read_as, ReadSettings()),
                writer,
                Nothing(),
            )
        figures |= {
            kind: time.perf_counter() - start,
            f"{kind}_processor": time.process_time() - processor,
        }
    print(json.dumps({**figures, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """The most memory that this process has held, as Linux counts it; NaN elsewhere."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return float("nan")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
