"""Write what was marked as files, each whole or absent; their names sort in the input's order."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics

from tfner.exceptions import ConfigError
from tfner.formats.registry import output_suffix
from tfner.serving.beam.entries import READ_COUNTS
from tfner.serving.beam.sources import is_remote

SUMMARY = "summary.json"
COUNTED = (*READ_COUNTS, "marked", "written", "words", "entities")


def check_folder(folder: str) -> None:
    """Refuse an output's folder that is not empty.

    Raises:
        ConfigError: something is, or it cannot be looked into.
    """
    try:
        (found,) = FileSystems.match([f"{folder}/*"], limits=[1])
    except ValueError as error:
        raise ConfigError(f"{folder}: {error}") from None
    if found.metadata_list:
        path = found.metadata_list[0].path
        expected = "expected a new or empty folder for the output"
        raise ConfigError(f"{folder}: {expected}, got one with {path} in it")


class WriteFiles(beam.DoFn):
    """Write the blocks of ((group, index), blocks), and give their tally once the files stand.

    They are `part-GROUP-INDEX` and, where anything was refused, `refused-GROUP-INDEX.jsonl`. Done
    twice, as runners do after a failure, it leaves the same files.
    """

    def __init__(self, folder: str, format: str):
        self._folder = folder
        self._suffix = output_suffix(format)
        self._written = Metrics.counter("tfner", "documents_written")
        self._refused = Metrics.counter("tfner", "entries_refused")

    def process(self, keyed: Any) -> Iterator[dict[str, int]]:
        (group, index), values = keyed
        blocks = sorted(values, key=lambda block: block.number)
        number = f"{group:06}-{index:06}"
        predictions = b"".join(block.predictions for block in blocks)
        refused = b"".join(block.refused for block in blocks)
        self._put(f"part-{number}{self._suffix}", predictions)
        self._put(f"refused-{number}.jsonl", refused)
        tally = add_tallies(block.tally for block in blocks)
        tally["written"] = tally["marked"]
        self._written.inc(tally["written"])
        self._refused.inc(tally.get("refused", 0))
        yield tally

    def _put(self, name: str, content: bytes) -> None:
        if content:
            write_whole(self._folder, name, content)


def add_tallies(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add counts up by their names."""
    total = Counter[str]()
    for tally in tallies:
        total.update(tally)
    return dict(total)


def write_whole(folder: str, name: str, content: bytes) -> None:
    """Write a file that nobody sees before it is whole; one of the same name is replaced."""
    building = f"{folder}/.{name}.{uuid.uuid4().hex}"
    try:
        with FileSystems.create(building, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(content)
        target = f"{folder}/{name}"
        FileSystems.rename([building], [target])
    except BaseException:
        if not is_remote(building):  # elsewhere a file that was not closed is none
            FileSystems.delete([building])
        raise


def write_summary(tally: Mapping[str, int], folder: str, job: Mapping[str, str]) -> None:
    """Write the last file: its presence says that all others are there.

    Counts are of the data, so a bundle that was done twice counts once.
    """
    counts = {name: tally.get(name, 0) for name in COUNTED}
    others = {name: count for name, count in sorted(tally.items()) if name not in counts}
    text = json.dumps({**job, **counts, **others}, indent=2)
    write_whole(folder, SUMMARY, f"{text}\n".encode())


def read_summary(folder: str) -> dict[str, Any]:
    """Read the summary of an output that is complete."""
    with FileSystems.open(f"{folder}/{SUMMARY}") as file:
        return json.loads(file.read())
