"""The pages of reports in a real browser: curves, filters, and what is there without script."""

from __future__ import annotations

from dataclasses import replace

import pytest
from browsers import headless

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.changes import find_changes
from tfner.evaluation.comparison import compare_predictions
from tfner.evaluation.errors import analyse_errors
from tfner.evaluation.learning_curve import Epoch, LearningCurve
from tfner.evaluation.report.comparison_report import ComparisonReport
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import score_entities

EVIL = "</li><script>document.title='Owned'</script>"
TEXT = f"Anna met Bo in Rome {EVIL}"
ANNA, BO, ROME = (
    entity_at(TEXT, *each) for each in ((0, 4, "PER"), (9, 11, "PER"), (15, 19, EVIL))
)
CURVE = LearningCurve(
    (Epoch(1, 0.5, 0.25, 60.0), Epoch(2, 0.25, 0.75, 61.0), Epoch(3, None, 0.5, 59.0))
)


@pytest.fixture(scope="module")
def browser():
    with headless() as browser:
        yield browser


@pytest.fixture
def open_file(browser):
    """Open a page of the disk; the test fails if it complains or asks for anything else."""
    complaints, contexts = [], []

    def open_one(path, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda each: each.type == "error" and complaints.append(each.text))
        page.on("request", lambda each: each.url == path.as_uri() or complaints.append(each.url))
        page.goto(path.as_uri())
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def report(tmp_path):
    gold = Document(TEXT, (ANNA, BO, ROME), id="first")
    other = Document("Oslo", (), id="second")
    pairs = [(gold, [replace(ANNA, label="LOC")]), (other, [Entity(0, 4, "LOC", text="Oslo")])]
    scores = score_entities((document.entities, found) for document, found in pairs)
    report = Report(scores=scores, name="mine", errors=analyse_errors(pairs), curve=CURVE)
    report.write_html(tmp_path / "report.html")
    return tmp_path / "report.html"


@pytest.fixture
def comparison(tmp_path):
    documents = [Document(TEXT, (ANNA, ROME), id=f"d{number}") for number in range(3)]
    found_a, found_b = [[ANNA], [ANNA], [ANNA, ROME]], [[ANNA, ROME], [ANNA], [BO]]
    found = (documents, found_a, found_b)
    compared, changes = compare_predictions(*found, draws=50), find_changes(*found, most=5)
    about = {"a": "runs/a", "b": "runs/b", "curve_a": CURVE, "curve_b": CURVE}
    ComparisonReport(comparison=compared, changes=changes, **about).write_html(
        tmp_path / "comparison.html"
    )
    return tmp_path / "comparison.html"


def choose(page, name):
    return page.get_by_role("combobox", name=name)


def shown(page):
    items = page.locator("li[data-kind]")
    return [item.get_attribute("data-kind") for item in items.all() if item.is_visible()]


def test_errors_are_filtered_by_kind_by_type_and_by_text(open_file, report):
    page = open_file(report)
    form = page.locator("form.filter")
    total = page.locator("li[data-kind]").count()
    assert form.locator("output").inner_text() == f"{total} of {total} shown"
    choose(page, "Kind").select_option("missed")
    assert shown(page) == ["missed", "missed"]
    choose(page, "Type").select_option(EVIL)
    assert shown(page) == ["missed"]
    choose(page, "Type").select_option("")
    choose(page, "Kind").select_option("")
    page.get_by_label("Text").fill("oSLo")
    assert shown(page) == ["spurious"]
    assert page.locator("details:visible").count() == 1
    page.get_by_label("Text").fill("nowhere")
    assert form.locator("output").inner_text() == f"0 of {total} shown"
    assert page.title() == "mine – entity F1"


def test_without_script_all_errors_can_be_read_and_there_is_no_form(open_file, report):
    page = open_file(report, java_script_enabled=False)
    assert not page.locator("form.filter").is_visible()
    assert page.locator("li[data-kind]").count() == 4
    assert page.locator("details").first.get_attribute("open") is not None


def test_the_learning_curve_has_a_point_an_epoch_and_marks_the_best(open_file, report):
    page = open_file(report, viewport={"width": 390, "height": 800})
    assert page.locator("svg.plot").count() == 2
    loss, dev_f1 = page.locator("svg.plot").all()
    assert loss.get_attribute("aria-label") == "Loss by epoch"
    assert (loss.locator("circle").count(), dev_f1.locator("circle").count()) == (2, 3)
    titles = [each.text_content() for each in dev_f1.locator("title").all()]
    assert titles == [
        "epoch 1: dev F1 25.0%",
        "epoch 2: dev F1 75.0%, the best epoch",
        "epoch 3: dev F1 50.0%",
    ]
    assert "Best epoch: 2 of 3" in page.locator("main").inner_text()
    assert "3 min 00 s" in page.locator("main").inner_text()
    widths = page.locator("svg.plot").evaluate_all("all => all.map(each => each.clientWidth)")
    assert all(200 < width < 390 for width in widths)


def test_two_runs_stand_side_by_side(open_file, comparison):
    page = open_file(comparison)
    text = page.locator("main").inner_text()
    assert page.locator("svg.plot").first.locator("polyline").count() == 2
    assert "best epoch 2 of 3; the steps took 3 min 00 s" in text
    choose(page, "Kind").select_option("worse")
    assert shown(page) == ["worse"]
    cells = page.locator("tfoot td small")
    assert cells.count() == 2
    assert all(" to " in cell.inner_text() for cell in cells.all())
