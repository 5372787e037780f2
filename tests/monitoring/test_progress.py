"""Progress: what is said, and when."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from terminal import draw, terminal

from tfner.formats.counts import count_documents
from tfner.monitoring import progress
from tfner.monitoring.progress import Meter, PlainLines, meter, track


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def silent(meter: Meter) -> None:
    """Show nothing."""


def test_the_rate_is_in_words_and_the_time_left_in_documents(clock):
    shown = Meter("documents", 50, silent, clock)
    assert shown.speed == "0/s"
    clock.now += 2
    shown.advance(10, 4000)
    assert shown.speed == "2,000 words/s, 0:00:08 left"


def test_without_words_what_is_counted_takes_their_place(clock):
    shown = Meter("documents", None, silent, clock)
    clock.now += 2
    shown.advance(3000)
    assert shown.speed == "1,500/s"


def test_what_an_earlier_run_did_makes_no_speed(clock):
    shown = Meter("documents", 1000, silent, clock)
    shown.skip(900)
    clock.now += 5
    shown.advance(50, 500)
    assert (shown.done, shown.speed) == (950, "100 words/s, 0:00:05 left")


def test_more_than_was_expected_leaves_no_time(clock):
    shown = Meter("documents", 2, silent, clock)
    clock.now += 1
    shown.advance(3, 3)
    assert shown.speed == "3 words/s, 0:00:00 left"


def test_plain_lines_come_now_and_then(clock):
    stream = io.StringIO()
    shown = Meter("documents", 1234, PlainLines(Console(file=stream), clock), clock)
    for _ in range(12):
        clock.now += 2.5
        shown.advance(100, 1000)
    assert stream.getvalue().splitlines() == [
        "documents: 400 of 1,234, 400 words/s, 0:00:21 left",
        "documents: 800 of 1,234, 400 words/s, 0:00:11 left",
        "documents: 1,200 of 1,234, 400 words/s, 0:00:01 left",
    ]


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    with meter(Console(file=stream, force_terminal=True, width=100), "documents", 4) as shown:
        shown.advance(3, 30)
    assert "3/4" in stream.getvalue()
    assert "words/s" in stream.getvalue()


def test_items_pass_through(monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    stream = io.StringIO()
    assert list(track(iter("ab"), Console(file=stream), "letters", 2)) == ["a", "b"]
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        "letters: 1 of 2",
        "letters: 2 of 2",
    ]


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("lines", b"a\n\nb", 3),
        ("lines", b"", 0),
        ("jsonl", b"{}\n\n {}\n", 2),
        ("columns", b"\na\tO\nb\tO\n \t\n\nc\n", 2),
        ("document", b"a\nb\n", 1),
        ("json", b"[1]", None),
    ],
)
def test_documents_of_a_file_are_counted_by_its_lines(tmp_path, kind, content, expected):
    (tmp_path / "in").write_bytes(content)
    assert count_documents(tmp_path / "in", kind, "utf-8") == expected


def test_documents_that_cannot_be_told_are_not_guessed(tmp_path):
    (tmp_path / "in").write_text("a\nb\n", encoding="utf-16")
    assert count_documents(tmp_path / "in", "lines", "utf-16") is None
    assert count_documents(tmp_path / "none", "lines", "utf-8") is None


def test_documents_of_a_folder_are_its_texts(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "b.txt", "b.ann", "sub/c.txt"):
        (tmp_path / name).touch()
    assert count_documents(tmp_path, "document", "utf-8") == 2
    assert count_documents(tmp_path, "brat", "utf-8") == 3


BARS = """
from rich.console import Console
from tfner.monitoring.progress import meter
console = Console(stderr=True)
for what in ("documents", "looking for labels", "documents asked about"):
    with meter(console, what, 12_345_678) as shown:
        for _ in range(3):
            shown.advance(1_234_567, 98_765_432)
    console.print(f"{what} done")
"""


def test_a_bar_is_one_line_of_a_terminal_of_80_columns_and_gone_at_the_end():
    with terminal(80) as shown, Path(shown.name).open("wb") as end:
        environment = {**os.environ, "TERM": "xterm"}
        run = partial(subprocess.run, check=True, timeout=60, env=environment)
        run([sys.executable, "-c", BARS], stdin=end, stdout=end, stderr=end)
    lines, widest = draw(shown.text)
    assert "left" in shown.text
    assert widest <= 80
    assert lines == ["documents done", "looking for labels done", "documents asked about done"]


@pytest.mark.parametrize("width", [20, 40, 60, 79])
def test_a_narrower_terminal_cuts_the_ends_of_texts(monkeypatch, width):
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    with meter(Console(file=stream, force_terminal=True, width=width), "documents", 9_999) as shown:
        shown.advance(1_234, 98_765_432)
    lines, widest = draw(stream.getvalue())
    assert widest <= width
    assert lines == []
