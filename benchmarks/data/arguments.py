"""Hold what the measurements of annotation are asked for alike."""

from __future__ import annotations

import argparse
from pathlib import Path


def corpus_parser(about: str | None) -> argparse.ArgumentParser:
    """Make a parser of where results, data and encoder are, and of corpora and seeds."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("results", type=Path)
    for name in ("data", "encoder", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--corpora", nargs="+", default=["wnut17", "ncbi"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    return parser
