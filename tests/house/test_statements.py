"""Statements do one thing, functions are short: figures that were reached and must stay."""

from __future__ import annotations

import ast
import doctest
from pathlib import Path

import pytest
import statements

LONGEST_FUNCTION = 60
LONGEST_MODULE = 300


@pytest.fixture(scope="module")
def sources(pytestconfig):
    return statements.read_sources(pytestconfig.rootpath / "tfner")


def test_simple_statements_are_simple(sources):
    count, median, p90 = statements.summarize(sources)
    assert count > 5000
    assert median <= 11  # `x = tf.cast(a, b)` has 12
    assert p90 <= 24


def test_functions_are_short(sources):
    assert statements.longest_functions(sources, LONGEST_FUNCTION) == []


def test_modules_are_short(sources):
    lengths = {str(source.path): statements.code_lines(source) for source in sources}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_what_is_counted_is_what_it_says():
    text = (
        '"""Docstring."""\n# comment\nx = 1\n\n\ndef f(a):\n    """Says."""\n'
        "    def g():\n        return a.b\n    return g\n"
    )
    source = statements.Source(Path("module.py"), text, ast.parse(text))
    # `return a.b` is Return, Attribute, Load, Name, Load, within f and within g;
    # `return g` is Return, Name, Load; the module's `x = 1` stands in no function
    assert sorted(statements.statement_sizes(source.tree)) == [3, 5, 5]
    assert statements.code_lines(source) == 5
    assert statements.longest_functions([source], 4) == [("module.py:6 f", 5)]
    assert doctest.testmod(statements).failed == 0
