"""The commands of the page of the first hour work, in their order, from an empty folder."""

from __future__ import annotations

import csv
import os
import re
import sys
from pathlib import Path

import pytest
from subprocesses import environment

from docs.first_hour import PAGE, pattern_of, run_page, steps_of

PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))


def test_the_page_has_six_steps_and_shows_what_each_prints():
    page = PAGE.read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", page, re.MULTILINE)]
    assert numbers == list(range(1, 7))
    for section in page.split("\n## ")[1:]:
        assert any(step.shown for step in steps_of(section)), section[:40]


def test_an_ellipsis_stands_for_anything_and_nothing_else_does():
    assert re.search(pattern_of("run … (1.5 s)"), "run of 3 epochs (1.5 s)")
    assert not re.search(pattern_of("run … (1.5 s)"), "run of 3 epochs (1x5 s)")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_step_of_the_first_hour_succeeds_and_prints_what_is_shown(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    steps = list(run_page(page, tmp_path, environment(PATH=PATH)))
    assert len(steps) == len(steps_of(page))
    assert (tmp_path / "runs" / "hour" / "report.html").is_file()
    comparison = (tmp_path / "fifty-hour.html").read_text(encoding="utf-8")
    assert "Learning curves" in comparison


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.timeout(3600)
def test_each_step_succeeds_on_a_published_corpus(tmp_path):
    if "TFNER_DATA" not in os.environ:
        pytest.skip("TFNER_DATA names no folder of published corpora")
    (source, *_) = sorted(Path(os.environ["TFNER_DATA"]).glob("wnut17/*train*"))
    write_kaggle(source, tmp_path / "ner.csv", sentences=1500)
    page = PAGE.read_text(encoding="utf-8")
    list(run_page(page, tmp_path, environment(PATH=PATH), compares=False))


def write_kaggle(source: Path, path: Path, sentences: int) -> None:
    """Write the first sentences of a column file in the layout of Kaggle's `ner_dataset.csv`."""
    blocks = re.split(r"\n\s*\n", source.read_text(encoding="utf-8"))  # blank lines hold a tab
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Sentence #", "Word", "Tag"])
        for number, block in enumerate(blocks[:sentences], start=1):
            name = f"Sentence: {number}"
            for line in filter(str.strip, block.split("\n")):
                word, *_, tag = line.split()
                rows.writerow([name, word, tag])
                name = ""
