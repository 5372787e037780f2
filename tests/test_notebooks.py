"""Notebooks run from their first cell to their last, and hold no output of somebody's machine."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from subprocesses import environment

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
# Shows the value of a cell's last expression, as a notebook does.
RUNNER = """
import ast, json, sys

names = {}
for number, source in enumerate(json.load(sys.stdin)):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        print(f"[{number}]", value)
"""


def cells_of(path: Path, kind: str) -> list[dict]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def sources_of(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells_of(path, "code")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_code_that_parses_and_no_output(path):
    assert len(sources_of(path)) > 2
    for source in sources_of(path):
        compile(source, path.name, "exec")
    for cell in cells_of(path, "code"):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)


def run(name: str, folder: Path) -> str:
    """Run the cells of a notebook in a folder; give what they print and show."""
    (path,) = [each for each in NOTEBOOKS if each.name == name]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(sources_of(path)),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def f1_of(shown: str) -> list[float]:
    found = re.findall(r"Score\(precision=\S+ recall=\S+ f1=([\d.]+)", shown)
    return [float(value) for value in found]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_notebook_of_dataframes_trains_scores_and_finds(tmp_path):
    pytest.importorskip("pandas", reason="pandas is not installed")
    shown = run("dataframe.ipynb", tmp_path)
    dev, again = f1_of(shown)
    assert dev == pytest.approx(again)
    assert dev > 0.3
    assert re.search(r"\[4\] (.*)", shown)[1].split() == ["text", "label", "score"]
    assert (tmp_path / "saved_models" / "notebook" / "1").is_dir()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_notebook_of_the_quickstart_trains_and_finds(tmp_path):
    shown = run("quickstart.ipynb", tmp_path)
    (test,) = f1_of(shown)
    assert test > 0.5
    entities, tags = (ast.literal_eval(re.search(rf"\[{cell}\] (.*)", shown)[1]) for cell in (2, 3))
    text = "Mara Dulvane left Port Ellmar to work for Hasken & Sons."
    assert all(text[each["start"] : each["end"]] == each["text"] for each in entities["entities"])
    assert [word for word, _ in tags] == ["Mara", "Dulvane", "left", "Port", "Ellmar", "."]
    assert tags[2][1] == "O"
    assert shown.strip().endswith("saved_models/quickstart/1")
