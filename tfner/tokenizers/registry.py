"""Open the tokenizer of a checkpoint folder, whichever kind it is.

A tokenizer is one module of this folder whose class is decorated with `register_tokenizer`; modules
are found by looking into the folder. A class of somebody else's registers itself in the same way.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import TypeVar

from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.wordpiece import WordPieceTokenizer

Kind = TypeVar("Kind", bound=type[Tokenizer])
_registered: list[type[Tokenizer]] = []


def register_tokenizer(kind: Kind) -> Kind:
    """Add a class of tokenizers; of several that recognize a folder the one added last opens it."""
    _registered.append(kind)
    return kind


def open_tokenizer(folder: str | Path) -> Tokenizer:
    """Open the tokenizer of a checkpoint folder.

    A folder that no other kind recognizes is read as BERT's, whose reader says what is wrong.

    Raises:
        ModelError: the folder holds no tokenizer that is known here.
    """
    folder = Path(folder)
    kinds = [kind for kind in registered_tokenizers() if kind.recognizes(folder)]
    newest = kinds[-1]
    return newest.from_checkpoint(folder)


def registered_tokenizers() -> tuple[type[Tokenizer], ...]:
    """List all kinds; WordPiece, which recognizes every folder, comes first."""
    import_room()
    return WordPieceTokenizer, *_registered


def tokenizer_files() -> tuple[str, ...]:
    """List every file that some kind of tokenizer reads in a checkpoint folder."""
    files = [file for kind in registered_tokenizers() for file in kind.files]
    return tuple(dict.fromkeys(files))


@functools.cache
def import_room() -> None:
    """Import every module of this folder, once, so that its tokenizers register themselves."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
