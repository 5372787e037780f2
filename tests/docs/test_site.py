"""The pages stand in the site's menu, and lead somewhere wherever they are read."""

from __future__ import annotations

import email
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", *map(str, DOCS.rglob("*.md")))
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINKS = runpy.run_path(str(DOCS / "links.py"))
point_outside = LINKS["point_outside"]
ADDRESS = "https://example.org/x"


def pages_of(menu: Any) -> Iterator[str]:
    if isinstance(menu, str):
        yield menu
    for each in menu.values() if isinstance(menu, dict) else ():
        yield from pages_of(each)
    for each in menu if isinstance(menu, list) else ():
        yield from pages_of(each)


def test_each_page_stands_in_the_menu_once():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = [page for page in pages_of(settings["nav"]) if page.endswith(".md")]
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(listed) == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: Path(page).name)
def test_a_link_leads_to_a_file_of_the_repository(page):
    path = ROOT / page
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        file = link.partition("#")[0]
        if file and "://" not in file:
            assert (path.parent / file).exists(), f"{page}: {link}"


@pytest.mark.parametrize(
    ("folder", "site", "link", "expected"),
    [
        ("docs", "docs", "../a/README.md", f"{ADDRESS}/blob/main/a/README.md"),
        ("docs/decisions", "docs", "../../a.md#b", f"{ADDRESS}/blob/main/a.md#b"),
        ("docs/decisions", "docs", "../a.md", "../a.md"),
        ("docs", "docs", "a.md#b", "a.md#b"),
        ("docs", "docs", "#b", "#b"),
        ("", None, "docs/a.md", f"{ADDRESS}/blob/main/docs/a.md"),
        ("", None, "https://example.com/a", "https://example.com/a"),
        ("", None, "mailto:a", "mailto:a"),
    ],
)
def test_only_links_that_leave_the_site_become_absolute(folder, site, link, expected):
    assert point_outside(f"[x]({link})", folder, site, ADDRESS) == f"[x]({expected})"


def test_the_package_describes_itself_with_links_that_work_anywhere(tmp_path):
    if int(importlib.metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("setuptools is older than the build needs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "tfner").mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "docs/links.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    build = "from setuptools.build_meta import prepare_metadata_for_build_wheel as build\n"
    code = f"{build}build('.')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    (path,) = tmp_path.glob("*.dist-info/METADATA")
    message = email.message_from_string(path.read_text(encoding="utf-8"))
    assert message["Description-Content-Type"] == "text/markdown"
    links = LINK.findall(str(message.get_payload()))
    assert f"{LINKS['repository']()}/blob/main/docs/formats.md" in links
    assert [link for link in links if "://" not in link] == []


def test_the_page_on_installing_has_each_extra():
    page = (DOCS / "installing.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    assert sorted(listed) == sorted(re.findall(r"^(\w+) = ", section, re.MULTILINE))


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{citation["version"]}"\n' in text
