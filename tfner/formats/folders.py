"""List the files of a folder that no format reads as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tfner.formats.registry import Format, find_format, recognized
from tfner.formats.text_files import unreadable
from tfner.safeio.sources import exists


def list_files(sources: Iterable[str], name: str, formats: Iterable[Format]) -> list[str]:
    """Put in the place of each folder its files, in the order of their names.

    A folder stays where a format reads it as a whole, as that of BRAT or of a saved dataset, and
    where it holds nothing that can be read. Left out are hidden files, and where the format is not
    named those whose ending is no format's.

    Args:
        name: of the format, or `auto`.
        formats: those that will do.
    """
    known = list(formats)
    found: list[str] = []
    for source in sources:
        folder = Path(source)
        if not (exists(folder) and folder.is_dir()) or is_whole(folder, name):
            found.append(source)
        else:
            found += [str(file) for file in readable_files(folder, name, known)] or [source]
    return found


def is_whole(folder: Path, name: str) -> bool:
    """Tell whether a format reads a folder as a whole."""
    named = find_format(name)
    if named is not None:
        return named.folder
    return recognized(folder) is not None


def readable_files(folder: Path, name: str, formats: Iterable[Format]) -> list[Path]:
    """List the files of a folder that can be read.

    Raises:
        DataError: the folder cannot.
    """
    suffixes = {suffix for format in formats for suffix in format.suffixes}
    try:
        files = [file for file in folder.iterdir() if file.is_file() and file.name[0] != "."]
    except OSError as error:
        raise unreadable(folder, error) from None
    return sorted(file for file in files if name != "auto" or file.suffix.lower() in suffixes)
