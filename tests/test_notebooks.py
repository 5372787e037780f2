"""Notebooks run from their first cell to their last, and hold no output of somebody's machine."""

from __future__ import annotations

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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_of_dataframes_trains_scores_and_finds(tmp_path):
    pytest.importorskip("pandas", reason="pandas is not installed")
    (path,) = [each for each in NOTEBOOKS if each.name == "dataframe.ipynb"]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(sources_of(path)),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    dev, again = re.findall(r"Score\(precision=\S+ recall=\S+ f1=([\d.]+)", done.stdout)
    assert float(dev) == pytest.approx(float(again))
    assert float(dev) > 0.3
    assert re.search(r"\[4\] (.*)", done.stdout)[1].split() == ["text", "label", "score"]
    assert (tmp_path / "saved_models" / "notebook" / "1").is_dir()
