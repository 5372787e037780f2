"""Worked arrays in docstrings are true, and there is one wherever data changes shape."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMPT = ">>>"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
# What a module needs beyond the default installation -> the package that is asked for it.
EXTRAS = {
    "tfner.serving.beam": "apache_beam",
    "tfner.beam": "apache_beam",
    "tfner.serving.runtime.arrow_batches": "pyarrow",
}


def modules_with_examples(room):
    """Name the modules whose text holds a prompt; only these are imported."""
    names = []
    for path in sorted((ROOT / room).rglob("*.py")):
        if PROMPT in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            names.append(".".join(parts[:-1] if is_package else parts))
    return names


def functions_with_examples(room):
    """Name the functions and classes whose docstring holds an example."""
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                docstring = ast.get_docstring(node) or ""
                if PROMPT in docstring:
                    found.append(f"{path.relative_to(ROOT)}: {node.name}")
    return found


@pytest.mark.parametrize(
    "name", modules_with_examples("tfner") + modules_with_examples("benchmarks")
)
def test_the_examples_of_a_module_are_true(name):
    for module, extra in EXTRAS.items():
        if name.startswith(module):
            pytest.importorskip(extra, reason=f"{extra} is not installed")
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    said = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0, f"{name} holds {PROMPT} but no example that doctest finds"


def test_functions_that_change_the_shape_of_data_show_how():
    assert len(functions_with_examples("tfner")) >= 25
