"""Docstrings open with a verb: what a thing does, before why."""

from __future__ import annotations

import ast
import re

import pytest

# Words that a sentence without a verb opens with. A word that is not here may still be no verb:
# a reader sees that, a test cannot.
WORDS = """
A Again All Also An And Another Any As At Because Before Both But By Each Either Every Everything
For From Given How If In Instead Into It Its Like More Most Neither Never No None Nothing Now Of On
Once One Only Or Others Over Same Several Since So Some Somebody Such That The Their Them There
These They This Those Through To Two Under Until What Whatever When Where Whether Which While Who
Whoever Whose Why With Within Without
Accuracy Apostrophes Arguments Attention Bytes Children Classes Code Documents Entities Entries
Epochs Figures Fractions Gold Hidden Ids Layer Libraries Logits Loss Losses Milliseconds Mistakes
Nearest Objects Paths Pieces Precision Pretokens Recall Requests Rows Seconds Settings Statistics
Tensors Text Texts Tokens Totals Units Versions Words
"""
NO_VERBS = set(WORDS.split())
DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
OPENING = re.compile(r"[A-Z][a-z]+(-[a-z]+)?\b(?!')")


def first_word(docstring):
    match = OPENING.match(docstring.strip())
    return match[0] if match else docstring.split()[0]


def public_docstrings(folder):
    """Give where, and the docstring of each public function and class."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and not node.name.startswith("_"):
                docstring = ast.get_docstring(node)
                if docstring:
                    yield f"{path.relative_to(folder.parent)}:{node.lineno} {node.name}", docstring


def opens_with_a_verb(docstring):
    word = first_word(docstring)
    return OPENING.fullmatch(word) is not None and word not in NO_VERBS


@pytest.mark.parametrize("room", ["tfner", "benchmarks"])
def test_public_docstrings_open_with_a_verb(pytestconfig, room):
    found = []
    for where, docstring in public_docstrings(pytestconfig.rootpath / room):
        if not opens_with_a_verb(docstring):
            found.append(f"{where}: {docstring.splitlines()[0]}")
    assert found == []


@pytest.mark.parametrize(
    ("docstring", "is_verb"),
    [
        ("Split text into windows.", True),
        ("Re-raise I/O errors as a DataError.", True),
        ("Whether two spans meet.", False),
        ("(B, T) -> (B, U).", False),
        ("`path` where it is a file.", False),
        ("Keras's optimizer.", False),
        ("ids of a text.", False),
    ],
)
def test_what_counts_as_a_verb(docstring, is_verb):
    assert opens_with_a_verb(docstring) is is_verb
