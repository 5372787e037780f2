"""Gives the package its description: README.md with links that work away from the repository.

All else stands in pyproject.toml.
"""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "docs"))

from links import point_outside, repository  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
DESCRIPTION = point_outside(README, "", None, repository(ROOT))

setup(long_description=DESCRIPTION, long_description_content_type="text/markdown")
