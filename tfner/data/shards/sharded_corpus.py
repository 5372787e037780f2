"""Encoded windows on disk, for corpora beyond memory: TFRecord files, read block by block in any order.

A shard is two files. `shard-00000-of-00016.tfrecord` holds a tf.train.Example a block of up to BLOCK windows, with four bytes features,
little-endian and without anything between windows: `lengths` int32 [N], `input_ids` int32, `labels` int16 and `label_mask` uint8 [sum of
lengths]. `shard-00000-of-00016.index` says where the blocks are, with a checksum of each, and how long the windows are.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfner.corpus.ledger import Entry, Ledger
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.shards.manifest import DROPPED, MANIFEST, Manifest, ShardFacts, read_manifest
from tfner.exceptions import DataError
from tfner.safeio.whole_files import read_arrays, write_arrays
from tfner.tagging.schemes import LabelSet

BLOCK = 256  # windows in a record: enough that reading costs little for each, few enough that blocks from everywhere fit a shuffle buffer
PIECE = np.dtype([("id", "<i4"), ("label", "<i2"), ("labelled", "u1")])
FRAME = {
    "before": 12,
    "after": 4,
}  # bytes of a TFRecord around its data: its length and two checksums
UNFINISHED = ".tmp"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What goes wrong, in Python or in TensorFlow, is one kind of error, which other processes can read."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"{path}: cannot be written: {error}") from None


class ShardWriter:
    """Writes one shard; it has its name once `finish` has been called.

    Raises:
        DataError: it cannot be written.
    """

    def __init__(self, folder: Path, number: int, of: int):
        self.path = folder / f"shard-{number:05d}-of-{of:05d}.tfrecord"
        self._temporary = self.path.with_name(f"{self.path.name}{UNFINISHED}")
        with writing(self.path):
            self._file = tf.io.TFRecordWriter(str(self._temporary))
        self._blocks: list[tuple[int, int, int, int]] = []  # offset, size, checksum, windows
        self._lengths: list[np.ndarray] = []
        self._end = self._documents = self._pieces = 0

    def add(self, corpus: EncodedCorpus) -> None:
        """Append the windows of some documents."""
        self._documents += len(corpus.pieces)
        self._pieces += int(corpus.pieces.sum())
        lengths = corpus.lengths.astype("<i4")
        splits = corpus.input_ids.row_splits.numpy()
        flat = {
            "input_ids": corpus.input_ids.values.numpy().astype("<i4"),
            "labels": corpus.labels.values.numpy().astype("<i2"),
            "label_mask": corpus.label_mask.values.numpy().astype("u1"),
        }
        for begin in range(0, len(lengths), BLOCK):
            own = lengths[begin : begin + BLOCK]
            pieces = slice(splits[begin], splits[begin + len(own)])
            self._write({"lengths": own, **{name: values[pieces] for name, values in flat.items()}})
            self._lengths.append(own.astype(np.uint16))

    def _write(self, members: dict[str, np.ndarray]) -> None:
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))
            for name, array in members.items()
        }
        record = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(
            deterministic=True
        )
        with writing(self.path):
            self._file.write(record)
        self._blocks.append(
            (self._end + FRAME["before"], len(record), zlib.crc32(record), len(members["lengths"]))
        )
        self._end += FRAME["before"] + len(record) + FRAME["after"]

    def finish(self) -> tuple[ShardFacts, Counter[int]]:
        """Give the shard its name; -> (what it holds, windows by length)."""
        lengths = np.concatenate([np.zeros(0, np.uint16), *self._lengths])
        offset, size, checksum, windows = (
            np.array([block[i] for block in self._blocks], np.int64) for i in range(4)
        )
        index = {
            "offset": offset,
            "size": size,
            "checksum": checksum,
            "windows": windows,
            "lengths": lengths,
        }
        with writing(self.path):
            self._file.close()
            write_arrays(self.path.with_suffix(".index"), {"shard": self.path.name}, index)
            with self._temporary.open("rb") as file:
                os.fsync(file.fileno())
            self._temporary.replace(self.path)
        facts = ShardFacts(
            file=self.path.name,
            documents=self._documents,
            windows=len(lengths),
            pieces=self._pieces,
            bytes=self._end,
        )
        return facts, Counter(lengths.tolist())


class Blocks(NamedTuple):
    """Where the blocks of all shards are; `shard`, `offset`, `size`, `checksum` int64 [B], `lengths` uint16 [N], `begin` int64 [B + 1]."""

    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    checksum: np.ndarray
    lengths: np.ndarray  # of every window, in the order of blocks
    begin: np.ndarray  # the first window of each block

    def __len__(self) -> int:
        return len(self.shard)

    def lengths_of(self, block: int) -> list[int]:
        return self.lengths[self.begin[block] : self.begin[block + 1]].tolist()


class ShardedCorpus:
    """A folder that `python -m tfner.prepare` wrote; in memory are only the lengths of windows and the places of blocks.

    Raises:
        DataError, ConfigError: a file is missing, cut off or damaged, as far as can be seen without reading the shards.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        self.blocks = read_blocks(folder, self.manifest)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many windows there are of each length; int64 [L + 1]."""
        return np.bincount(self.blocks.lengths)

    @property
    def labels(self) -> LabelSet:
        return LabelSet(self.manifest.encoding.labels, self.manifest.encoding.tag_scheme)

    @property
    def ledger(self) -> Ledger:
        """What was lost while preparing, by reason; losses.jsonl has the details of each entry."""
        where = str(self.folder / DROPPED)
        return Ledger(
            [
                entry
                for reason, count in self.manifest.lost.items()
                for entry in [Entry(reason, where, "")] * count
            ]
        )


def read_blocks(folder: Path, manifest: Manifest) -> Blocks:
    """The indexes of all shards as one."""
    indexes = [read_index(folder, facts) for facts in manifest.shards]
    shard = np.repeat(np.arange(len(indexes)), [len(index["offset"]) for index in indexes])
    joined = {
        name: np.concatenate([index[name] for index in indexes])
        for name in ("offset", "size", "checksum", "windows", "lengths")
    }
    begin = np.concatenate([[0], np.cumsum(joined.pop("windows"))])
    return Blocks(shard=shard, begin=begin, **joined)


def read_index(folder: Path, facts: ShardFacts) -> dict[str, np.ndarray]:
    """The index of one shard, checked against the manifest and the size of the shard's file."""
    path = folder / facts.file
    header, index = read_arrays(path.with_suffix(".index"))
    found = (header.get("shard"), len(index.get("lengths", ())))
    if found != (facts.file, facts.windows):
        expected = (
            f"expected the index of {facts.file} with {facts.windows} windows, as {MANIFEST} says"
        )
        raise DataError(
            f"{path.with_suffix('.index')}: {expected}, got that of {found[0]} with {found[1]}"
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None
    if size != facts.bytes:
        raise DataError(f"{path}: expected {facts.bytes} bytes, got {size}: prepare the data again")
    return index


class ShardReader:
    """Reads blocks in any order; a context that closes the files."""

    def __init__(self, corpus: ShardedCorpus):
        self._corpus = corpus
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def windows(self, block: int) -> list[bytes]:
        """The windows of a block, each the bytes of an array of PIECE.

        Raises:
            DataError: the shard cannot be read, or is not as it was written.
        """
        corpus = self._corpus
        shard, offset, size = (int(member[block]) for member in corpus.blocks[:3])
        path = corpus.folder / corpus.manifest.shards[shard].file
        try:
            if shard not in self._files:
                self._files[shard] = path.open("rb")
            self._files[shard].seek(offset)
            record = self._files[shard].read(size)
        except OSError as error:
            raise unreadable(path, error) from None
        found, wanted = zlib.crc32(record), int(corpus.blocks.checksum[block])
        if found != wanted:
            where = f"{size} bytes from byte {offset} on with the checksum {wanted:08x}"
            raise DataError(
                f"{path}: expected {where}, got {len(record)} with {found:08x}: the file is damaged, prepare the data again"
            )
        try:
            return list(split_record(record))
        except (ValueError, IndexError, DecodeError) as error:  # a checksum is no signature
            raise DataError(
                f"{path}: expected a record of windows from byte {offset} on, got another: {error}"
            ) from None


def split_record(record: bytes) -> Iterator[bytes]:
    """The windows of a record that is as it was written."""
    features = tf.train.Example.FromString(record).features.feature

    def member(name: str, dtype: str) -> np.ndarray:
        return np.frombuffer(features[name].bytes_list.value[0], dtype)

    pieces = np.empty(len(member("label_mask", "u1")), PIECE)
    pieces["id"], pieces["label"], pieces["labelled"] = (
        member("input_ids", "<i4"),
        member("labels", "<i2"),
        member("label_mask", "u1"),
    )
    content, ends = pieces.tobytes(), np.cumsum(member("lengths", "<i4")) * PIECE.itemsize
    for begin, end in pairwise([0, *ends.tolist()]):
        yield content[begin:end]


def unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read: {error.strerror or error}")
