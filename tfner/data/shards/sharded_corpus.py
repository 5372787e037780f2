"""Keep encoded windows on disk, for corpora beyond memory, and read them block by block.

A shard is two files. `shard-00000-of-00016.tfrecord` holds a tf.train.Example a block of up to
BLOCK windows, with four bytes features, little-endian and without anything between windows:
`lengths` int32 [N], `input_ids` int32, `labels` int16 and `label_mask` uint8 [sum of lengths].
`shard-00000-of-00016.index` says where the blocks are, with a checksum of each, and how long the
windows are.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise, repeat
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfner.corpus.ledger import Entry, Ledger
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.shards.manifest import DROPPED, MANIFEST, Manifest, ShardInfo, read_manifest
from tfner.exceptions import DataError
from tfner.safeio.whole_files import name_file, read_arrays, write_arrays
from tfner.tagging.schemes import LabelSet

# windows in a record: enough that reading costs little for each, few enough that blocks from
# everywhere fit a shuffle buffer
BLOCK = 256
SAMPLE = 400  # blocks at most that tags are counted in, some 100,000 windows
DTYPES = {"input_ids": "<i4", "labels": "<i2", "label_mask": "u1"}
PIECE = np.dtype([("id", "<i4"), ("label", "<i2"), ("labelled", "u1")])
# bytes of a TFRecord around its data: its length and two checksums
BEFORE_RECORD, AFTER_RECORD = 12, 4


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Re-raise I/O errors, Python's or TensorFlow's, as a DataError, which can be pickled."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"{path}: cannot be written: {error}") from None


class ShardWriter:
    """Write one shard; it has its name once `finish` has been called.

    Args:
        sentences_per_document: of its documents, in the mean.

    Raises:
        DataError: it cannot be written.
    """

    def __init__(
        self, folder: Path, number: int, of: int, sentences_per_document: float | None = None
    ):
        self.path = folder / f"shard-{number:05d}-of-{of:05d}.tfrecord"
        self._temporary = self.path.with_name(f"{self.path.name}.tmp")
        with writing(self.path):
            self._file = tf.io.TFRecordWriter(str(self._temporary))
        # of each block
        self._index = {name: [] for name in ("offset", "size", "checksum", "windows")}
        self._lengths = [np.zeros(0, np.uint16)]
        self._end = 0
        self._sentences_per_document = sentences_per_document
        self._documents = 0
        self._pieces = 0

    def add(self, corpus: EncodedCorpus) -> None:
        """Append the windows of some documents."""
        self._documents += len(corpus.pieces)
        self._pieces += int(corpus.pieces.sum())
        lengths = corpus.lengths.astype("<i4")
        splits = corpus.input_ids.row_splits.numpy()
        flat = {}
        for name, dtype in DTYPES.items():
            flat[name] = getattr(corpus, name).values.numpy().astype(dtype)
        for begin in range(0, len(lengths), BLOCK):
            end = min(begin + BLOCK, len(lengths))
            pieces = slice(splits[begin], splits[end])
            own = {name: values[pieces] for name, values in flat.items()}
            own["lengths"] = lengths[begin:end]
            self._write(own)
            self._lengths.append(own["lengths"].astype(np.uint16))

    def _write(self, members: dict[str, np.ndarray]) -> None:
        """Write one block and note where it is."""
        example = tf.train.Example()
        for name, array in members.items():
            example.features.feature[name].bytes_list.value.append(array.tobytes())
        record = example.SerializeToString(deterministic=True)
        with writing(self.path):
            self._file.write(record)
        offset = self._end + BEFORE_RECORD
        self._index["offset"].append(offset)
        self._index["size"].append(len(record))
        self._index["checksum"].append(zlib.crc32(record))
        self._index["windows"].append(len(members["lengths"]))
        self._end = offset + len(record) + AFTER_RECORD

    def finish(self) -> tuple[ShardInfo, Counter[int]]:
        """Give the shard its name.

        Returns:
            What it holds, and its windows by length.
        """
        lengths = np.concatenate(self._lengths)
        index: dict[str, np.ndarray] = {}
        for name, values in self._index.items():
            index[name] = np.array(values, np.int64)
        with writing(self.path):
            self._file.close()
            index["lengths"] = lengths
            index_path = self.path.with_suffix(".index")
            header = {"shard": self.path.name}
            write_arrays(index_path, header, index)
            name_file(self._temporary, self.path)
        counts = {"documents": self._documents, "windows": len(lengths), "pieces": self._pieces}
        per_document = self._sentences_per_document
        info = ShardInfo(
            file=self.path.name, bytes=self._end, sentences_per_document=per_document, **counts
        )
        windows_by_length = Counter(lengths.tolist())
        return info, windows_by_length


class Blocks(NamedTuple):
    """Say where the blocks of all shards are.

    shard, offset, size, checksum: int64 [B].
    lengths: uint16 [N], of every window, in the order of blocks.
    begin: int64 [B + 1], the first window of each block.
    """

    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    checksum: np.ndarray
    lengths: np.ndarray
    begin: np.ndarray

    def __len__(self) -> int:
        return len(self.shard)

    def lengths_of(self, block: int) -> list[int]:
        """List the lengths of a block's windows."""
        begin, end = self.begin[block : block + 2]
        return self.lengths[begin:end].tolist()


class ShardedCorpus:
    """Open a folder that `python -m tfner.prepare` wrote.

    In memory are only the lengths of windows and the offsets of blocks.

    Raises:
        DataError, ConfigError: a file is missing, cut off or damaged, as far as can be seen without
            reading the shards.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.blocks = read_blocks(folder, self.manifest)

    @cached_property
    def counts(self) -> np.ndarray:
        """Count the windows of each length; int64 [L + 1]."""
        return np.bincount(self.blocks.lengths)

    @property
    def sentences(self) -> int:
        """Count documents or, where texts are longer and these are more, windows."""
        return max(self.manifest.documents, self.manifest.windows)

    def tag_counts(self, tags: int) -> np.ndarray:
        """Count the labelled pieces of each tag in SAMPLE blocks at even steps; int64 [K].

        Raises:
            DataError: one cannot be read, or is not as it was written.
        """
        counts = np.zeros(tags, np.int64)
        blocks = len(self.blocks)
        with ShardReader(self) as reader:
            for block in range(0, blocks, max(1, -(-blocks // SAMPLE))):
                pieces = np.frombuffer(b"".join(reader.windows(block)), PIECE)
                labelled = pieces["label"][pieces["labelled"] > 0]
                counts += np.bincount(labelled, minlength=tags)
        return counts

    @property
    def labels(self) -> LabelSet:
        """Give the labels that its tags are ids of."""
        encoding = self.manifest.encoding
        return LabelSet(encoding.labels, encoding.tag_scheme)

    @property
    def ledger(self) -> Ledger:
        """Count what preparing dropped, by reason; losses.jsonl has the details of each entry."""
        path = self.folder / DROPPED
        where = str(path)
        entries = []
        for reason, count in self.manifest.lost.items():
            entry = Entry(reason, where, "")
            entries += repeat(entry, count)
        return Ledger(entries)


def read_blocks(folder: Path, manifest: Manifest) -> Blocks:
    """Join the indexes of all shards."""
    indexes = [read_index(folder, info) for info in manifest.shards]
    blocks_of_each = [len(index["offset"]) for index in indexes]
    joined = {}
    for name in ("offset", "size", "checksum", "windows", "lengths"):
        joined[name] = np.concatenate([index[name] for index in indexes])
    windows_B = joined.pop("windows")
    ends_B = np.cumsum(windows_B)
    begin = np.append(0, ends_B)
    shard = np.repeat(np.arange(len(indexes)), blocks_of_each)
    return Blocks(shard=shard, begin=begin, **joined)


def read_index(folder: Path, info: ShardInfo) -> dict[str, np.ndarray]:
    """Read the index of one shard; check it against the manifest and the shard file's size."""
    path = folder / info.file
    index_path = path.with_suffix(".index")
    header, index = read_arrays(index_path)
    shard = header.get("shard")
    lengths = index.get("lengths", ())
    windows = len(lengths)
    if (shard, windows) != (info.file, info.windows):
        expected = f"the index of {info.file} with {info.windows} windows, as {MANIFEST} says"
        got = f"that of {shard} with {windows}"
        raise DataError(f"{index_path}: expected {expected}, got {got}")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None
    if size != info.bytes:
        raise DataError(f"{path}: expected {info.bytes} bytes, got {size}: prepare the data again")
    return index


class ShardReader:
    """Read blocks in any order; a context that closes the files."""

    def __init__(self, corpus: ShardedCorpus):
        self._corpus = corpus
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def windows(self, block: int) -> list[bytes]:
        """Read the windows of a block, each the bytes of an array of PIECE.

        Raises:
            DataError: the shard cannot be read, or is not as it was written.
        """
        blocks = self._corpus.blocks
        shard, offset, size = (int(member[block]) for member in blocks[:3])
        info = self._corpus.manifest.shards[shard]
        path = self._corpus.folder / info.file
        try:
            if shard not in self._files:
                self._files[shard] = path.open("rb")
            file = self._files[shard]
            file.seek(offset)
            record = file.read(size)
        except OSError as error:
            raise unreadable(path, error) from None
        found, wanted = zlib.crc32(record), int(blocks.checksum[block])
        if found != wanted:
            expected = f"{size} bytes from byte {offset} on with the checksum {wanted:08x}"
            got = f"{len(record)} with {found:08x}: the file is damaged, prepare the data again"
            raise DataError(f"{path}: expected {expected}, got {got}")
        try:
            return list(split_record(record))
        except (ValueError, IndexError, DecodeError) as error:  # a checksum is no signature
            expected = f"a record of windows from byte {offset} on"
            raise DataError(f"{path}: expected {expected}, got another: {error}") from None


def split_record(record: bytes) -> Iterator[bytes]:
    """Cut a record into its windows, each the bytes of an array of PIECE."""
    features = tf.train.Example.FromString(record).features.feature

    def member(name: str, dtype: str) -> np.ndarray:
        return np.frombuffer(features[name].bytes_list.value[0], dtype)

    members = [member(name, dtype) for name, dtype in DTYPES.items()]
    pieces = np.empty(len(members[-1]), PIECE)
    pieces["id"], pieces["label"], pieces["labelled"] = members
    content = pieces.tobytes()
    lengths = member("lengths", "<i4")
    ends = np.cumsum(lengths)
    byte_ends = ends * PIECE.itemsize
    for begin, end in pairwise([0, *byte_ends.tolist()]):
        yield content[begin:end]


def unreadable(path: Path, error: OSError) -> DataError:
    """Say that a file cannot be read, and why."""
    return DataError(f"{path}: cannot be read: {error.strerror or error}")
