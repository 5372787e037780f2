"""Which format an unmarked input looks like, from its name alone."""

from __future__ import annotations

from pathlib import Path

COLUMN_SUFFIXES = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".tsv")


def guess(path: Path) -> str:
    """The input format that a path looks like; a folder is one of documents."""
    return "document" if path.is_dir() else guess_by_name(path.name)


def guess_by_name(name: str) -> str:
    """The input format that a file's name looks like; lines of text where it says nothing."""
    suffix = Path(name).suffix.lower()
    if suffix in COLUMN_SUFFIXES:
        return "columns"
    return {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}.get(suffix, "lines")
