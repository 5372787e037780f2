"""The quickstart's own corpus, vocabulary and encoder configuration, as files in the package. Imports no TensorFlow."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tfner.exceptions import DataError


def path(name: str) -> Path:
    """The packaged file or folder `name`, for example `train.jsonl` or `encoder`.

    Raises:
        DataError: the package holds no such file.
    """
    found = Path(str(files(__name__).joinpath(name)))
    if not found.exists():
        raise DataError(f"{found}: expected a file of the quickstart, for example train.jsonl or encoder/vocab.txt, got none")
    return found
