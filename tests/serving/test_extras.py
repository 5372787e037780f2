"""Errors about a missing package name an extra that installs it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tfner

PACKAGE = Path(tfner.__file__).parent


def extras() -> dict[str, set[str]]:
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    table = text.split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    found = {}
    for name, packages in re.findall(r"^(\w+) = (\[.*\])$", table, re.MULTILINE):
        found[name] = {re.match(r"[\w-]+", one)[0] for one in ast.literal_eval(packages)}
    return found


def test_the_extra_holds_the_package():
    known, seen = extras(), 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MissingExtraError":
                package, extra = node.args[:2]
                if isinstance(package, ast.Constant) and isinstance(extra, ast.Constant):
                    seen += 1
                    assert package.value in known[extra.value], path
    assert seen >= 2
