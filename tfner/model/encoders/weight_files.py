"""Weights in the files of a checkpoint folder, whoever made it: plain numbers, read within bounds. No pickle is read: it can run code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tfner.exceptions import ModelError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import first_line, show
from tfner.safeio.sources import check_inside

NOT_OF_THE_ENCODER = re.compile(
    r"(^|\.)pooler\.|position_ids$|^(cls|classifier|qa_outputs|seq_relationship)\."
)
ONE_FILE, INDEX, TENSORFLOW = "model.safetensors", "model.safetensors.index.json", "tf_model.h5"
NO_WEIGHTS = (
    f"expected weights in {ONE_FILE} or {TENSORFLOW}, found none (a pytorch_model.bin is a pickle, which could run any code, and is not "
    "read: where you trust it, save it as safetensors); to train from scratch set encoder.initialize=random"
)
Taken = TypeVar("Taken")
SMALL = 200_000_000  # numbers of an encoder that is built in any case, because what does not fit can then be named
MOST_TIMES = 4  # a file may hold so many times the encoder's numbers: heads and other parts that are left out


def find_weights(folder: Path) -> list[Path]:
    """The files with the weights: those in safetensors, of which an index may name several, else the one of TensorFlow.

    Raises:
        ModelError: there is none, or one is a link or a path to somewhere else.
    """
    files = safetensors_files(folder) or [folder / TENSORFLOW]
    check_inside(folder, [file.name for file in files])
    if not files[0].is_file() and not (folder / INDEX).is_file():
        raise ModelError(f"{folder}: {NO_WEIGHTS}")
    return files


def safetensors_files(folder: Path) -> list[Path]:
    """The one file, or the shards that an index names; empty where there is none."""
    index = folder / INDEX
    if not index.is_file():
        return [folder / ONE_FILE] if (folder / ONE_FILE).is_file() else []
    names = read_json_object(index, ModelError).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(
            f"{index}: expected a JSON object with weight_map, which gives each tensor its file, got {show(names)}"
        )
    for name in names.values():
        if (
            not isinstance(name, str)
            or name != Path(name).name
            or not name.endswith(".safetensors")
        ):
            raise ModelError(
                f"{index}: expected weight_map to name safetensors files of this folder, got {show(name)}"
            )
    return [folder / name for name in sorted(set(names.values()))]


def check_weights(files: Sequence[Path], numbers: int, folder: Path) -> None:
    """The files are whole and can hold the numbers that config.json asks for, as far as can be told before an encoder is built.

    Raises:
        ModelError: they are damaged, too small, or hold far more.
    """
    size = sum(file.stat().st_size for file in files if file.is_file())
    if numbers > max(size, SMALL):  # of a byte each at least
        raise ModelError(
            f"{folder}: weights of another shape than config.json says: {numbers:,} numbers in {size:,} bytes"
        )
    if files[0].name == TENSORFLOW:
        check_tensorflow_file(files[0])
    else:
        check_headers(files, numbers, folder)


def check_headers(files: Iterable[Path], numbers: int, folder: Path) -> None:
    """The headers of safetensors files describe about as many numbers as the encoder has, and all of them are there."""
    found = sum(
        from_each(
            files,
            lambda file, names: sum(count(file.get_slice(name).get_shape()) for name in names),
        )
    )
    if found > MOST_TIMES * numbers:
        fault = f"{found:,} numbers where the encoder has {numbers:,}"
        raise ModelError(f"{folder}: weights of another shape than config.json says: {fault}")


def read_safetensors(files: Iterable[Path]) -> dict[str, Any]:
    """The tensors of the encoder by PyTorch's names, those of its heads left out.

    Raises:
        ModelError: a file is damaged.
    """
    tensors: dict[str, Any] = {}
    for found in from_each(
        files, lambda file, names: {name: file.get_tensor(name) for name in names}
    ):
        tensors.update(found)
    return tensors


def from_each(files: Iterable[Path], take: Callable[[Any, list[str]], Taken]) -> Iterator[Taken]:
    """What `take` gives of each open file and the names of its tensors that may be the encoder's."""
    from safetensors import SafetensorError, safe_open

    for path in files:
        try:
            with safe_open(str(path), framework="tf") as file:  # type: ignore[no-untyped-call]
                names = file.keys()
                taken = take(file, [name for name in names if not NOT_OF_THE_ENCODER.search(name)])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: damaged or no safetensors file: {first_line(error)}"
            ) from None
        yield taken


def count(shape: Iterable[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def check_tensorflow_file(path: Path) -> None:
    """Nothing in an HDF5 file stands for another file, nor for more numbers than it holds.

    Raises:
        ModelError: it is no HDF5 file, or not as Keras writes weights.
    """
    import h5py

    def fault_of_link(name: str, link: Any) -> str | None:
        return (
            None
            if isinstance(link, h5py.HardLink)
            else f"expected weights inside of this file, got a link, {name}"
        )

    def fault_of_item(name: str, item: Any) -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return f"expected weights inside of this file, got {name}, which names another"
        if item.shape and item.id.get_storage_size() < item.nbytes:
            return f"expected weights as Keras writes them, got {name} of {item.nbytes:,} bytes that are not there"
        return None

    try:
        with h5py.File(
            path, "r"
        ) as file:  # a visitor's first answer ends the visit, and comes back
            fault = file.visititems_links(fault_of_link) or file.visititems(fault_of_item)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path}: damaged, or no file of TensorFlow weights: {first_line(error)}"
        ) from None
    if fault:
        raise ModelError(f"{path}: {fault}")
