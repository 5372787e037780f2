"""Describe a folder of prepared windows in `manifest.json`; without it the folder is incomplete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tfner.corpus.context import Context
from tfner.exceptions import DataError
from tfner.formats.settings import Settings
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.safeio.validation import validate
from tfner.safeio.whole_files import write_text_whole

MANIFEST = "manifest.json"  # written last
DROPPED = "losses.jsonl"  # a line for each entry of the ledger: [reason, where, detail]


def check_file_name(value: str) -> str:
    """Refuse a path: a shard lies in the folder of its manifest."""
    if value != Path(value).name:
        raise ValueError(f"expected the name of a file in this folder, got {show(value)}")
    return value


class ShardInfo(Settings):
    """Say what one shard holds; `bytes` of its file of records."""

    file: Annotated[str, AfterValidator(check_file_name)]
    documents: int
    windows: int
    pieces: int
    bytes: int
    sentences_per_document: float | None = None  # of its first; not in earlier versions


class Encoding(Settings):
    """Say what decides the windows besides the data; `tokenizer` is a fingerprint."""

    labels: tuple[str, ...]
    tag_scheme: Literal["IOB2", "BIOES"]
    labelling: Literal["word", "pretoken", "piece"]
    max_length: int
    overlap: int
    tokenizer: str
    context: Context = "none"  # in manifests of earlier versions too


class Manifest(Settings):
    """Describe a prepared corpus.

    `pieces` are counted before windows; `lost` counts what was dropped, by reason; `lengths` are
    windows by their length, as text.
    """

    format: Literal[1] = 1
    source: str
    encoding: Encoding
    documents: int
    entities: int | None = None  # as read; None in manifests of earlier versions
    windows: int
    pieces: int
    lost: dict[str, int]
    lengths: dict[int, int]
    shards: tuple[ShardInfo, ...] = Field(min_length=1)

    @property
    def sentences_per_document(self) -> float | None:
        """Tell how many sentences documents have in the mean; None where it is not known."""
        known = [shard.sentences_per_document for shard in self.shards]
        counted = [count for count in known if count is not None]
        return sum(counted) / len(counted) if counted else None

    def write(self, folder: Path) -> Path:
        """Write it into the folder, whole or not at all."""
        path = folder / MANIFEST
        values = self.model_dump(mode="json")
        write_text_whole(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        return path


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a folder.

    Raises:
        DataError: there is none, or it is no JSON object.
        ConfigError: a value is missing, unknown or of the wrong type.
    """
    path = folder / MANIFEST
    if not path.is_file():
        expected = "a folder that python -m tfner.prepare wrote to its end has this file"
        raise DataError(f"{path}: cannot be read: No such file; {expected}")
    return validate(read_json_object(path), Manifest, str(path))
