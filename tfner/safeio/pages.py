"""Make pages of values of unknown origin: each is made printable and escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tfner.safeio.printable import printable

FOLDER = Path(__file__).parent


def make_environment(*folders: Path) -> Environment:
    """Read templates in which every value is escaped, and one that is not there is an error.

    Beside those of the folders there is `page_head.html`, with which each page begins.
    """
    return Environment(
        loader=FileSystemLoader([*folders, FOLDER]),
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def harmless(value: Any) -> Any:
    """Replace control characters in a text before Jinja2 escapes it; markup of ours passes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value
