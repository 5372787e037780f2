"""Read the numbers of versions: the one rule for what is a version of a model and what is not."""

from __future__ import annotations

from pathlib import Path

MOST_DIGITS = 18  # a server counts in 64 bits


def version_number(name: str) -> int | None:
    """Read a version's number from a folder's name, a URL or an option; None if it is no version.

    The rule is tensorflow_model_server's: digits of ASCII alone, leading zeros allowed.

        >>> [version_number(name) for name in ("7", "007", "-7", "٣", "7a", "")]
        [7, 7, None, None, None, None]
    """
    if name.isascii() and name.isdecimal() and len(name) <= MOST_DIGITS:
        return int(name)
    return None


def numbered_folders(folder: Path) -> dict[int, Path]:
    """List what has a version's name in a folder, complete or not, by number from low to high.

    Empty where there is no such folder.
    """
    numbered = {}
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        number = version_number(path.name)
        if number is not None:
            numbered[number] = path
    return dict(sorted(numbered.items()))


def complete_versions(folder: Path) -> dict[int, Path]:
    """List the versions that hold a SavedModel, by number from low to high."""
    numbered = numbered_folders(folder).items()
    return {number: path for number, path in numbered if (path / "saved_model.pb").is_file()}
