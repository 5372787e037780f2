"""Every folder says what lives in it: a line for each of its modules."""

from __future__ import annotations

import pytest


def folders_of(root):
    return sorted({path.parent for path in root.rglob("*.py") if path.stem != "__init__"})


@pytest.mark.parametrize("room", ["tfner", "benchmarks"])
def test_a_folder_names_each_of_its_modules_in_a_line(pytestconfig, room):
    unnamed = []
    for folder in folders_of(pytestconfig.rootpath / room):
        readme = folder / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
        modules = sorted(path.name for path in folder.glob("*.py") if path.stem != "__init__")
        for module in modules:
            if not any(f"`{module}`" in line for line in text.splitlines()):
                unnamed.append(f"{readme.relative_to(pytestconfig.rootpath)}: {module}")
    assert unnamed == []


@pytest.mark.parametrize("room", ["tfner", "benchmarks"])
def test_a_readme_names_no_module_that_has_gone(pytestconfig, room):
    for readme in (pytestconfig.rootpath / room).rglob("README.md"):
        for line in readme.read_text(encoding="utf-8").splitlines():
            if line.startswith("- `") and "` — " in line:
                name = line[3:].partition("`")[0]
                if name.endswith(".py"):
                    assert (readme.parent / name).is_file(), f"{readme}: {name}"
