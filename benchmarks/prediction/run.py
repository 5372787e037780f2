"""Predicts on tfner's side, in a process of its own, as `python -m tfner.predict` works.

usage: python -m benchmarks.prediction.run MODEL FOLDER OUTPUT BEGIN

FOLDER holds `lines.txt` and `words.conll`; OUTPUT receives `lines.jsonl` and `words.jsonl`. BEGIN
is the time at which the process was started. Prints one line of JSON: start_up, lines, words,
lines_processor, words_processor (seconds; of all cores) and peak_mib.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.machine import peak_mib

INPUTS = (("lines", "lines.txt", "lines"), ("words", "words.conll", "columns"))


def main(model: str, folder: str, output: str, begin: str) -> None:
    """Load, answer once, then mark both files and print what it took."""
    from tfner.commands import open_recognizer
    from tfner.formats.resume import Nothing
    from tfner.formats.settings import ReadSettings
    from tfner.formats.writers import open_writer
    from tfner.predict import mark, read_input

    recognizer = open_recognizer(Path(model))
    recognizer("One short sentence.")
    recognizer.tag(["One", "short", "sentence"])
    figures = {"start_up": time.time() - float(begin)}
    for kind, file, read_as in INPUTS:
        start, processor = time.perf_counter(), time.process_time()
        with open_writer("jsonl", Path(output) / f"{kind}.jsonl") as writer:
            mark(
                recognizer,
                read_input(str(Path(folder) / file), read_as, ReadSettings()),
                writer,
                Nothing(),
            )
        figures[kind] = time.perf_counter() - start
        figures[f"{kind}_processor"] = time.process_time() - processor
    print(json.dumps({**figures, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
