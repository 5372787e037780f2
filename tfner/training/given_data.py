"""Keep the data that a program gives to a training in files, so that its run can go on.

A run that goes on, and whoever asks later what was learned, reads them as any other data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError, DataError, StorageError
from tfner.formats.in_memory import given_items
from tfner.formats.record_documents import Item, RecordReader
from tfner.safeio.whole_files import write_text_whole

FORMATS = ("auto", "jsonl")  # by which the files can be read
HASH_LENGTH = 12


def keep_given(settings: RunSettings, given: Mapping[str, Any]) -> RunSettings:
    """Write data into `runs/NAME-data`, and name the files in the settings.

    A file is named by its content: a run of other data is a run with other settings.

    Args:
        given: by split what `tfner.formats.in_memory` reads.

    Raises:
        DataError: it cannot be read; the message names split, row and key.
        ConfigError: `data.format` is that of other files.
        StorageError: the files cannot be written.
    """
    if not given:
        return settings
    data: dict[str, Any] = {}
    shares = settings.data.shares()
    others = [split for split in settings.data.sources() if split not in {*given, *shares}]
    if settings.data.format not in FORMATS:
        if others:
            expected = f"expected {' or '.join(FORMATS)} beside data that a program gives"
            raise ConfigError(f"data.format: {expected}, got {settings.data.format}")
        data["format"] = "auto"
    run = settings.run_dir
    name = f"{run.name}-data"
    folder = run.with_name(name)
    for split, content in given.items():
        items = list(given_items(content, split, settings.data))
        check_items(items, split, settings)
        path = write_items(items, split, folder)
        data[split] = str(path)
    before = settings.data
    changed = before.model_copy(update=data)
    return settings.model_copy(update={"data": changed})


def check_items(items: Sequence[Item], split: str, settings: RunSettings) -> None:
    """Read records once, so that what is wrong is said with its row; the run counts the rest."""
    documents = RecordReader(lambda: items, settings.data, Ledger()).documents()
    count = sum(1 for _ in documents)
    if not count:
        raise DataError(f"{split}: expected documents, got none")


def write_items(items: Sequence[Item], split: str, folder: Path) -> Path:
    """Write records as lines of JSON, into a file that is named by their hash."""
    lines = [json.dumps(item.value) for item in items]
    lines.append("")
    text = "\n".join(lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = folder / f"{split}-{digest[:HASH_LENGTH]}.jsonl"
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text_whole(path, text)
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"{error.filename or path}: cannot be written: {reason}") from None
    return path
