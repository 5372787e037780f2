"""Jobs of `tfner.beam` over the tiny model, and what `predict` writes of the same input."""

from __future__ import annotations

import json
import random
from pathlib import Path

import tiny

from tfner.formats.resume import Nothing
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.predict import mark, read_input
from tfner.serving.beam.entries import Reading
from tfner.serving.beam.pipeline import Job, run_job

THREADS = ["--direct_num_workers=2", "--direct_running_mode=multi_threading"]


def lines_of_all_lengths(count: int = 90) -> list[str]:
    draw = random.Random(5)
    strange = [
        "",
        " ",
        "\t\u00a0",
        "東京 anna\u2028boris\x0b\x1c",
        "e\u0301A\u0301 👩🏽‍🚀 Åse",
        "[SEP] <b>acme</b>",
        "\x85lund\x00",
    ]
    strange.append("x" * 900)
    texts = [
        " ".join(draw.choices(tiny.WORDS, k=draw.choice([1, 2, 5, 9, 30, 200])))
        for _ in range(count - len(strange))
    ]
    return [*texts[:20], *strange, *texts[20:]]


def run(source: str | Path, folder: Path, flags: list[str] | None = None, **options) -> dict:
    reading = Reading(options.pop("input_format", "auto"))
    return run_job(
        Job(str(tiny.exported()), str(source), str(folder), reading, **options), flags or []
    )


def written(folder: Path, kind: str = "part") -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{kind}-*")))


def records(folder: Path, kind: str = "part") -> list[dict]:
    return [json.loads(line) for line in written(folder, kind).split(b"\n")[:-1]]


def predicted(source: Path, to: Path, format: str = "jsonl") -> bytes:
    """Give what `predict` writes to a file."""
    with open_writer(format, to) as writer:
        mark(
            tiny.loaded(),
            read_input(str(source), "auto", ReadSettings()),
            writer,
            Nothing(),
        )
    return to.read_bytes()
