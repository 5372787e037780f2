"""Points links of Markdown that leave the documentation at the project's repository.

On GitHub `../deploy/README.md` works from a page and `docs/beam.md` from the README. In the built
site, and in the description that a package index shows, neither file is there. The address of the
repository stands in pyproject.toml and nowhere else. mkdocs.yml names this module as a hook, and
setup.py calls it for the description.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)")


def repository(root: Path = ROOT) -> str:
    """Read the repository's address from pyproject.toml, without a slash at its end."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    urls = tomllib.loads(text)["project"]["urls"]
    return urls["Repository"].rstrip("/")


def point_outside(markdown: str, folder: str, site: str | None, address: str) -> str:
    """Make absolute the links that a page in `folder` has to files outside of `site`.

    Paths are the repository's. Without a `site`, all relative links become absolute.

    >>> point_outside("[a](../b.md#c) [d](e.md)", "docs", "docs", "https://example.org/x")
    '[a](https://example.org/x/blob/main/b.md#c) [d](e.md)'
    """

    def absolute(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        stays = site is not None and path.startswith(f"{site}/")
        return link[1] if stays else f"{address}/blob/main/{path}"

    return LINK.sub(absolute, markdown)


def on_config(config: Any) -> Any:
    """Give the site's header the repository's address; mkdocs calls this first."""
    config.repo_url = repository()
    return config


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Point the links of a page that leave the documentation at the repository."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")
    return point_outside(markdown, folder, "docs", config.repo_url)
