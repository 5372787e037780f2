"""Archives of files that tests need."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack_archive(path: Path, folder: Path) -> None:
    """Unpack a tar file with Python's filter for data, which 3.10 and 3.11 have had since 2023."""
    with tarfile.open(path) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
