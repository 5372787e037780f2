"""The Makefile and pre-commit run what the continuous integration runs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STEP = re.compile(r"^\t?((?:ruff|pyright|lint-imports|mkdocs|python -m pytest)\b.*)$", re.MULTILINE)


def steps_of(name: str) -> list[str]:
    return STEP.findall((ROOT / name).read_text(encoding="utf-8"))


def test_the_makefile_has_each_step_of_the_continuous_integration():
    steps = steps_of(".ci/run")
    assert len(steps) == 10
    assert "mkdocs build --strict" in steps  # with --quiet it would pass over warnings
    assert steps_of("Makefile") == steps


def test_pre_commit_runs_the_checks_of_code():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (repository,) = yaml.safe_load(text)["repos"]
    assert repository["repo"] == "local"
    hooks = repository["hooks"]
    code = [step for step in steps_of(".ci/run") if not step.startswith(("mkdocs", "python"))]
    assert [hook["entry"] for hook in hooks] == code
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks} == {("system", False)}


def test_forms_for_issues_can_be_read():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields = [field["id"] for field in form.get("body", ())]
        assert len(set(fields)) == len(fields)
