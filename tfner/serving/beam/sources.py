"""The files of an input, wherever Beam can read them, and how they are dealt out."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from tfner.exceptions import ConfigError, DataError
from tfner.serving.runtime.recognizer import CHARACTERS_IN_BLOCK, DOCUMENTS_IN_BLOCK

# Not Beam's own decompression, for which a file that was cut off in the middle has simply ended.
DECOMPRESS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Chunk(NamedTuple):
    """Files that one worker reads one behind the other, and which chunk in the input's order they are."""

    number: int
    paths: tuple[str, ...]


def is_remote(path: str) -> bool:
    """Whether a path lies in a file system that Beam knows by its scheme, such as gs://."""
    return "://" in path


def is_folder(source: str) -> bool:
    """Whether an input is a folder, which is one of documents; in other file systems a path that ends with a slash."""
    return source.endswith("/") if is_remote(source) else Path(source).is_dir()


def list_files(source: str) -> list[FileMetadata]:
    """The files of an input, in order of their paths: a file, the .txt files of a folder, or what matches a pattern of Beam's.

    Raises:
        DataError: there are none, or they cannot be listed.
        ConfigError: the path has a scheme that this installation of Beam does not know.
    """
    files = (
        match(f"{source}*.txt" if is_folder(source) else source)
        if is_remote(source)
        else list_local(source)
    )
    if not files:
        raise DataError(
            f"{source}: expected .txt files in this folder, found none"
            if is_folder(source)
            else f"{source}: no such file"
        )
    return sorted(files, key=lambda file: file.path)


def list_local(source: str) -> list[FileMetadata]:
    """What exists is itself, even if its name would be a pattern."""
    path = Path(source)
    if not path.exists():
        return match(source)
    return [
        FileMetadata(str(file), file.stat().st_size)
        for file in (path.glob("*.txt") if path.is_dir() else (path,))
    ]


def match(pattern: str) -> list[FileMetadata]:
    try:
        (found,) = FileSystems.match([pattern])
    except BeamIOError as error:
        raise DataError(f"{pattern}: cannot be listed: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{pattern}: {error}") from None
    return found.metadata_list


def cut_chunks(files: Iterable[FileMetadata]) -> Iterator[Chunk]:
    """Chunks of files in their order; many small files are one, so that the model is not asked for one text at a time."""
    number, held, paths = 0, 0, []
    for file in files:
        if paths and (
            len(paths) == DOCUMENTS_IN_BLOCK or held + file.size_in_bytes > CHARACTERS_IN_BLOCK
        ):
            yield Chunk(number, tuple(paths))
            number, held, paths = number + 1, 0, []
        paths.append(file.path)
        held += file.size_in_bytes
    if paths:
        yield Chunk(number, tuple(paths))


def list_chunks(source: str) -> list[Chunk]:
    """The chunks of the files of an input."""
    return list(cut_chunks(list_files(source)))


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """A file's bytes, those inside where its name says that it is compressed."""
    decompress = DECOMPRESS.get(PurePosixPath(path).suffix.lower())
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as raw:
        yield cast(BinaryIO, decompress(raw, "rb") if decompress else raw)


def bare_name(path: str) -> str:
    """The name of a file without its folder and its compression: `gs://b/a.jsonl.gz` → `a.jsonl`."""
    name = PurePosixPath(path).name
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in DECOMPRESS else name
