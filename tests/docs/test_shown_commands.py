"""Commands and code on the pages: options exist, and code is well formed."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import shlex

import pytest
import typer
from pages import PAGES, blocks, commands


@functools.cache
def options_of(module: str) -> frozenset[str]:
    app = typer.Typer(add_completion=False)
    app.command()(getattr(importlib.import_module(f"tfner.{module}"), module))
    parameters = typer.main.get_command(app).params
    options = [[*each.opts, *each.secondary_opts] for each in parameters]
    return frozenset({"--help"}.union(*options))


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_a_page_exist_with_their_options(page):
    for command in commands(page):
        ours, _, _ = command.arguments.partition(" -- ")  # flags of another program's are behind
        words = shlex.split(ours, posix=False)
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert used <= options_of(command.module), command


def test_there_are_commands_on_many_pages():
    assert sum(bool(commands(page)) for page in PAGES) > 20


@pytest.mark.parametrize("page", PAGES)
def test_code_on_a_page_is_well_formed(page):
    for language, content in blocks(page):
        if language == "python":
            ast.parse(content)
        if language == "json":
            json.loads(content)
