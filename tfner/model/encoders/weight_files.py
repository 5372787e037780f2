"""Read weights in the files of a checkpoint folder, whoever made it: plain numbers, within bounds.

No pickle is read: it can run code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import first_line, show
from tfner.safeio.sources import TOKEN_CLASSIFICATION, check_inside, is_fine_tuned

NOT_OF_THE_ENCODER = re.compile(
    r"(^|\.)pooler\.|position_ids$|^(cls|classifier|qa_outputs|seq_relationship)\."
)
ONE_FILE, INDEX, TENSORFLOW = "model.safetensors", "model.safetensors.index.json", "tf_model.h5"
WORD_TABLE = "embeddings.word_embeddings.weight"
PICKLE = "pytorch_model.bin"
NO_WEIGHTS = (
    f"expected weights in {ONE_FILE} or {TENSORFLOW}, found none; to train from scratch set "
    "encoder.initialize=random"
)
ONLY_A_PICKLE = (
    f"expected weights in {ONE_FILE} or {TENSORFLOW}, found {PICKLE}, a pickle, which could run "
    "any code and is not read; where you trust it, this writes safetensors, once, with PyTorch: "
    'python -c "from transformers import {kind} as M; '
    'M.from_pretrained({folder!r}).save_pretrained({folder!r})"'
)
SMALL = 200_000_000  # numbers of an encoder that is built anyhow: what does not fit is named then
MAX_RATIO = 4  # a file may hold so many times the encoder's numbers: heads and other parts


def find_weights(folder: Path) -> list[Path]:
    """Find the files with the weights.

    Safetensors, of which an index may name several, or TensorFlow's.

    Raises:
        ModelError: there is none, or one is a link or a path to somewhere else.
    """
    files = safetensors_files(folder) or [folder / TENSORFLOW]
    check_inside(folder, [file.name for file in files])
    if not files[0].is_file() and not (folder / INDEX).is_file():
        raise ModelError(f"{folder}: {describe_lack(folder)}")
    return files


def describe_lack(folder: Path) -> str:
    """Say what a folder without readable weights needs; a pickle can be converted elsewhere."""
    if not (folder / PICKLE).is_file():
        return NO_WEIGHTS
    kind = f"AutoModel{TOKEN_CLASSIFICATION}" if is_fine_tuned(folder) else "AutoModel"
    return ONLY_A_PICKLE.format(kind=kind, folder=str(folder))


def safetensors_files(folder: Path) -> list[Path]:
    """List the one file, or the shards that an index names; none where there are none."""
    index = folder / INDEX
    if not index.is_file():
        return [folder / ONE_FILE] if (folder / ONE_FILE).is_file() else []
    content = read_json_object(index, ModelError)
    names = content.get("weight_map")
    if not isinstance(names, dict) or not names:
        expected = "a JSON object with weight_map, which gives each tensor its file"
        raise ModelError(f"{index}: expected {expected}, got {show(names)}")
    for name in names.values():
        if not is_file_name(name):
            expected = "weight_map to name safetensors files of this folder"
            raise ModelError(f"{index}: expected {expected}, got {show(name)}")
    return [folder / name for name in sorted(set(names.values()))]


def is_file_name(name: Any) -> bool:
    """Tell whether a value names a safetensors file without a folder."""
    return isinstance(name, str) and name == Path(name).name and name.endswith(".safetensors")


def check_weights(files: Sequence[Path], numbers: int, folder: Path) -> None:
    """Check that files are whole and can hold `numbers` numbers, before an encoder is built.

    Raises:
        ModelError: they are damaged, too small, or hold far more.
    """
    other = f"{folder}: weights of another shape than config.json says"
    size = sum(file.stat().st_size for file in files if file.is_file())
    if numbers > max(size, SMALL):  # of a byte each at least
        raise ModelError(f"{other}: {numbers:,} numbers in {size:,} bytes")
    if files[0].name == TENSORFLOW:
        check_tensorflow_file(files[0])
        return
    counts = map(count_numbers, files)
    found = sum(counts)
    if found > MAX_RATIO * numbers:
        raise ModelError(f"{other}: {found:,} numbers where the encoder has {numbers:,}")


def count_numbers(path: Path) -> int:
    """Count the encoder's numbers that the header of a safetensors file describes."""
    with open_tensors(path) as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in encoder_names(file))


class TensorFiles:
    """Read the tensors of the encoder one by one, by PyTorch's names, without those of its heads.

    All at once they would need the memory of a second model.

    Raises:
        ModelError: a file is damaged.
    """

    def __init__(self, files: Iterable[Path]):
        self._files: dict[str, Path] = {}
        for path in files:
            with open_tensors(path) as file:
                self._files |= dict.fromkeys(encoder_names(file), path)

    def keep(self, prefix: str) -> None:
        """Forget all but the tensors whose names have a prefix, if there are such."""
        kept = {name: path for name, path in self._files.items() if name.startswith(prefix)}
        self._files = kept or self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def get_tensor(self, name: str) -> Any:
        """Read one tensor, as a float32 array."""
        import tensorflow as tf

        with open_tensors(self._files[name]) as file:
            tensor = tf.cast(file.get_tensor(name), tf.float32)
        return tensor.numpy()


def read_tensors(files: Iterable[Path], names: Iterable[str]) -> dict[str, Any]:
    """Read the tensors of these names that the files have, as float32 arrays.

    Raises:
        ModelError: a file is damaged.
    """
    import tensorflow as tf

    wanted = set(names)
    found = {}
    for path in files:
        with open_tensors(path) as file:
            for name in wanted.intersection(file.keys()):
                tensor = tf.cast(file.get_tensor(name), tf.float32)
                found[name] = tensor.numpy()
    return found


def head_names(files: Iterable[Path]) -> list[str]:
    """List the names of tensors that stand beside the encoder's, whose prefix its table has.

    Raises:
        ModelError: a file is damaged.
    """
    names: list[str] = []
    for path in files:
        with open_tensors(path) as file:
            names.extend(file.keys())
    tables = [name for name in names if name.endswith(WORD_TABLE)]
    prefixes = tuple(name.removesuffix(WORD_TABLE) for name in tables)
    return sorted(name for name in names if not name.startswith(prefixes))


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file; whatever goes wrong with it in the block is a ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="tf") as file:  # type: ignore[no-untyped-call]
            yield file
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        reason = first_line(error)
        message = f"{path}: damaged or no safetensors file: {reason}"
        raise ModelError(message) from None


def encoder_names(file: Any) -> list[str]:
    """List the names of tensors that may be the encoder's."""
    return [name for name in file.keys() if not NOT_OF_THE_ENCODER.search(name)]  # noqa: SIM118


def check_tensorflow_file(path: Path) -> None:
    """Check that nothing in an HDF5 file stands for other files or for numbers it does not hold.

    Raises:
        ModelError: it does, it is no HDF5 file, or not as Keras writes weights.
    """
    import h5py

    def fault_of_link(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.HardLink):
            return None
        return f"expected weights inside of this file, got a link, {name}"

    def fault_of_item(name: str, item: Any) -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return f"expected weights inside of this file, got {name}, which names another"
        if item.shape and item.id.get_storage_size() < item.nbytes:
            missing = f"{name} of {item.nbytes:,} bytes that are not there"
            return f"expected weights as Keras writes them, got {missing}"
        return None

    try:
        with h5py.File(path, "r") as file:
            # A visitor's first answer ends the visit, and comes back.
            fault = file.visititems_links(fault_of_link) or file.visititems(fault_of_item)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        fault = f"damaged, or no file of TensorFlow weights: {first_line(error)}"
    if fault:
        raise ModelError(f"{path}: {fault}")
