"""List the files of an input, wherever Beam can read them, and deal them out in groups."""

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


class FileGroup(NamedTuple):
    """Name files that one worker reads one behind the other, with their number in the order."""

    number: int
    paths: tuple[str, ...]


def is_remote(path: str) -> bool:
    """Tell whether a path lies in a file system that Beam knows by its scheme, such as gs://."""
    return "://" in path


def is_folder(source: str) -> bool:
    """Tell whether an input is a folder; in other file systems its path ends with a slash."""
    if is_remote(source):
        return source.endswith("/")
    return Path(source).is_dir()


def list_files(source: str) -> list[FileMetadata]:
    """List the files of an input by path: a file, a folder's .txt files, or a pattern's matches.

    Raises:
        DataError: there are none, or they cannot be listed.
        ConfigError: the path has a scheme that this installation of Beam does not know.
    """
    folder = is_folder(source)
    if is_remote(source):
        files = match(f"{source}*.txt" if folder else source)
    else:
        files = list_local(source)
    if not files:
        nothing = "expected .txt files in this folder, found none" if folder else "no such file"
        raise DataError(f"{source}: {nothing}")
    return sorted(files, key=lambda file: file.path)


def list_local(source: str) -> list[FileMetadata]:
    """Match a pattern; what exists is itself, even if its name would be one."""
    path = Path(source)
    if not path.exists():
        return match(source)
    files = path.glob("*.txt") if path.is_dir() else [path]
    return [FileMetadata(str(file), file.stat().st_size) for file in files]


def match(pattern: str) -> list[FileMetadata]:
    """Ask Beam for the files of a pattern."""
    try:
        (found,) = FileSystems.match([pattern])
    except BeamIOError as error:
        raise DataError(f"{pattern}: cannot be listed: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{pattern}: {error}") from None
    return found.metadata_list


def cut_groups(files: Iterable[FileMetadata]) -> Iterator[FileGroup]:
    """Group files in order, many small ones together, lest the model get one text at a time."""
    number, held, paths = 0, 0, []
    for file in files:
        is_full = len(paths) == DOCUMENTS_IN_BLOCK
        if paths and (is_full or held + file.size_in_bytes > CHARACTERS_IN_BLOCK):
            yield FileGroup(number, tuple(paths))
            number, held, paths = number + 1, 0, []
        paths.append(file.path)
        held += file.size_in_bytes
    if paths:
        yield FileGroup(number, tuple(paths))


def list_groups(source: str) -> list[FileGroup]:
    """Group the files of an input."""
    files = list_files(source)
    return list(cut_groups(files))


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Open a file's bytes, those inside where its name says that it is compressed."""
    decompress = DECOMPRESS.get(PurePosixPath(path).suffix.lower())
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as raw:
        content = decompress(raw, "rb") if decompress else raw
        yield cast(BinaryIO, content)


def bare_name(path: str) -> str:
    """Take folder and compression off a file's name.

    >>> bare_name("gs://b/a.jsonl.gz")
    'a.jsonl'
    """
    name = PurePosixPath(path).name
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in DECOMPRESS else name
