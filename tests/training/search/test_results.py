"""What a search leaves: a configuration that runs, a page that trusts nothing, true lines."""

from __future__ import annotations

import io
import logging
import re

import pytest
import searches
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tfner.config import load_settings
from tfner.training.search import plots
from tfner.training.search.page import render
from tfner.training.search.progress import SearchProgress, describe_result, said_once
from tfner.training.search.records import TrialRecord, base_of, best_of, ranked
from tfner.training.search.results import (
    best_settings,
    print_results,
    print_under_way,
    write_results,
)

NASTY = "<script>alert(1)</script> {{ 7 * 7 }} & \x1b[31m"
STATES = st.sampled_from(["finished", "pruned", "failed"])


def record(number, f1, state="finished", *, rate=2e-4, dropout=0.1, **about):
    settings = {"training.learning_rate": rate, "model.dropout": dropout}
    return TrialRecord(number, state, f1, 60.0, settings, **about)


RECORDS = [
    record(1, 0.5, is_base=True),
    record(2, 0.75, rate=1e-4),
    record(3, 0.9, "pruned", rate=5e-5),
    record(4, None, "failed", reason=NASTY),
    record(5, 0.75, rate=3e-4),
    record(6, 0.75, rate=1e-4, twin=2),
]


def test_the_best_trial_is_the_first_of_the_highest_f1_that_has_finished():
    assert best_of(RECORDS).number == 2
    assert [each.number for each in ranked(RECORDS)] == [2, 5, 1]
    assert base_of(RECORDS).number == 1
    assert best_of([]) is None


@pytest.fixture
def written(tmp_path):
    (tmp_path / "t").write_text("a O\n")
    (tmp_path / "d").write_text("a O\n")
    space = searches.stub_space(tmp_path)
    data = {"train": str(tmp_path / "t"), "dev": str(tmp_path / "d")}
    base = space.base.model_copy(update={"data": space.base.data.model_copy(update=data)})
    object.__setattr__(space, "base", base)
    folder = searches.new_folder(space)
    for number in (1, 2, 5):
        for name in ("best/best-000001", "last/state-000001-00000000"):
            (folder.trials / f"{number:03d}" / "checkpoints" / name).mkdir(parents=True)
    write_results(folder, space, RECORDS, {"model.dropout": 0.75, "training.learning_rate": 0.25})
    return folder, space


def test_the_best_configuration_runs_as_it_is(written):
    folder, space = written
    loaded = load_settings(folder.best)
    assert loaded.model_dump() == best_settings(space, RECORDS[1]).model_dump()
    assert loaded.training.learning_rate == 1e-4
    assert loaded.name == "stub-best"
    assert loaded.data == space.base.data
    assert loaded.export == space.base.export
    head = folder.best.read_text().splitlines()[:5]
    assert head[0] == f"# python -m tfner.train {folder.best}"
    assert head[2] == "# Dev F1 75.00, trial 2 of 6; the configuration as it stood: 50.00."
    assert "luck" in head[3]
    assert "several seeds" in head[4]


def test_only_the_best_weights_are_kept(written):
    folder, _ = written
    kept = [path for path in folder.trials.rglob("*") if not list(path.iterdir())]
    names = sorted(str(path.relative_to(folder.trials)) for path in kept)
    assert names == ["001", "002/checkpoints/best/best-000001", "005"]


def test_the_page_needs_nothing_from_outside_and_trusts_nothing(written):
    folder, _ = written
    page = folder.page.read_text()
    assert page.count("<circle") == 3 * len(RECORDS) + 5  # two settings, and the legend
    assert not re.search(r"<script|https?://|src=|@import|url\(", page)
    assert "{{ 7 * 7 }}" in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "default-src 'none'" in page


def test_a_page_without_trials_is_a_page():
    assert "0 trials" in render("none", [], None)
    one = render("one", [record(1, None, "failed", reason="x")], None)
    assert "Too few finished trials to say" in one


@given(
    st.lists(st.tuples(STATES, st.floats(0, 1), st.floats(1e-6, 1.0)), max_size=12), st.booleans()
)
def test_every_trial_lies_within_the_drawing(drawn, is_log):
    records = []
    for number, (state, f1, rate) in enumerate(drawn, 1):
        score = None if state == "failed" else f1
        records.append(record(number, score, state, rate=rate))
    in_order = plots.plot_trials(records)
    by_rate = plots.plot_setting("training.learning_rate", records, is_log=is_log)
    for plot in (in_order, by_rate):
        assert len(plot.points) == len(records)
        inside = [plot.left <= point.x <= plot.right + 1e-6 for point in plot.points]
        assert all(inside)
        assert all(plots.TOP <= point.y <= plot.bottom for point in plot.points)
    best = best_of(records)
    if best is not None:
        (highest,) = (point for point in in_order.points if point.kind == "best")
        finished = [point.y for point in in_order.points if point.kind in ("finished", "best")]
        assert highest.y == min(finished)
    ordered = sorted(
        zip(
            (each.settings["training.learning_rate"] for each in records),
            (point.x for point in by_rate.points),
            strict=True,
        )
    )
    assert [x for _, x in ordered] == sorted(x for _, x in ordered)


def test_texts_and_few_numbers_have_a_column_each():
    position, ticks = plots.value_axis(["crf", None, "crf"], is_log=False)
    assert [tick.label for tick in ticks] == ["crf", "null"]
    assert position("crf") == ticks[0].position
    position, ticks = plots.value_axis([32, 8, 16, 8], is_log=True)
    assert [tick.label for tick in ticks] == ["8", "16", "32"]


def test_the_table_names_the_best_what_mattered_and_where_it_is(written):
    folder, _ = written
    stream = io.StringIO()
    print_results(Console(file=stream, width=200), folder, RECORDS, {"model.dropout": 0.75})
    head, first, _, third, *rest = stream.getvalue().splitlines()
    assert head.split() == ["trial", "dev", "F1", "seconds", *RECORDS[0].settings]
    assert first.split() == ["2", "75.00", "60", "0.0001", "0.1"]
    assert third.startswith("1 (as it stood)")
    assert "what mattered: model.dropout 75%" in rest
    assert "best: trial 2, dev F1 75.00, 50.00 as the configuration stood" in rest
    assert f"its configuration: {folder.best}" in rest
    assert f"all trials: {folder.page}" in rest


def test_a_search_that_learned_nothing_names_no_best(written):
    folder, space = written
    folder.best.unlink()
    stream = io.StringIO()
    records = [record(1, 0.0, is_base=True), record(2, 0.0), record(3, 0.0, "pruned")]
    write_results(folder, space, records, None)
    assert not folder.best.exists()
    assert folder.page.is_file()
    print_results(Console(file=stream, width=200), folder, records, {"model.dropout": 0.75})
    *_, said, advice, where = stream.getvalue().splitlines()
    assert said == "nothing was learned: no trial has a dev F1 above 0.00"
    assert advice.startswith("Try more epochs (training.epochs=20), more sentences")
    assert where == f"all trials: {folder.page}"
    for word in ("best", "mattered", "luck"):
        assert word not in stream.getvalue()


@pytest.mark.parametrize(
    ("numbers", "what", "end"),
    [([7], "trial 7 is", "it has ended"), ([7, 9], "trials 7, 9 are", "they have ended")],
)
@pytest.mark.parametrize("records", [RECORDS, [record(1, 0.0)], []])
def test_what_other_processes_still_train_is_said(written, records, numbers, what, end):
    folder, _ = written
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    print_results(console, folder, records, None)
    print_under_way(console, numbers)
    said = [line for line in stream.getvalue().splitlines() if "under way" in line]
    again = f"the same command shows all once {end}"
    assert said == [f"{what} under way in another process and not counted here: {again}"]


def test_lines_tell_the_best_the_rate_and_the_time_left():
    stream = io.StringIO()
    times = iter([0.0, 90.0, 150.0])
    progress = SearchProgress(Console(file=stream, width=200), clock=lambda: next(times))
    with progress.shown(RECORDS[:1], 5):
        progress.begin_trial(2, RECORDS[1].settings)
        progress.show_epoch(1, 3, 0.4)
        progress.end_trial(RECORDS[:2], 2)
        progress.end_trial(RECORDS[:3], 3)
    assert stream.getvalue().splitlines() == [
        "going on: 1 of 5 trials have ended, best 50.00 (trial 1)",
        "trial 2: training.learning_rate 0.0001, model.dropout 0.1",
        "trial 2  epoch 1/3  dev F1 40.00",
        "trial 2: dev F1 75.00; best 75.00 (trial 2); 2 of 5 done, 90 s a trial, 0:04:30 left",
        "trial 3: dev F1 90.00 when it was pruned; best 75.00 (trial 2); 3 of 5 done, "
        "75 s a trial, 0:02:30 left",
    ]


def test_a_terminal_shows_a_bar_instead_of_epochs():
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=True, color_system=None)
    progress = SearchProgress(console)
    with progress.shown([], 2):
        progress.begin_trial(1, RECORDS[0].settings)
        progress.show_epoch(1, 3, 0.4)
        progress.end_trial(RECORDS[:1], 1)
    assert "trial 1: dev F1 50.00; best 50.00 (trial 1); 1 of 2 done" in stream.getvalue()
    assert "trial 1  epoch 1/3" not in stream.getvalue()


def test_what_became_of_a_trial_is_said():
    assert describe_result(RECORDS[5]) == "dev F1 75.00, as trial 2, which had the same settings"
    assert describe_result(record(4, None, "failed", reason="why")) == "no result: why"


def test_what_every_trial_would_say_is_said_once(caplog):
    logger = logging.getLogger("tfner.test")
    root = logging.getLogger()
    root.addHandler(caplog.handler)
    try:
        with said_once():
            for _ in range(2):
                logger.warning("2 dropped")
        logger.warning("2 dropped")
    finally:
        root.removeHandler(caplog.handler)
    assert len(caplog.handler.filters) == 0
