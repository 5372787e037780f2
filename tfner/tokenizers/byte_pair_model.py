"""Read the byte-level BPE of a checkpoint, or say why it cannot be used.

It is in vocab.json and merges.txt, in tokenizer.json, or in both, which then must agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_utf8
from tfner.safeio.printable import show
from tfner.safeio.sources import check_inside
from tfner.tokenizers.byte_alphabet import BYTE_OF, byte_characters
from tfner.tokenizers.vocabulary import (
    ANY_KIND,
    CONFIGS,
    TOKENIZER_JSON,
    check_added_tokens,
    check_vocabulary_fits,
    class_name,
    is_bert_class,
    pieces_by_id,
    read_config,
    read_json,
    refusal,
    token_text,
)

VOCAB_JSON = "vocab.json"
MERGES_TXT = "merges.txt"
BYTE_PAIR_FILES = (VOCAB_JSON, MERGES_TXT, TOKENIZER_JSON, *CONFIGS)
LARGEST_MERGES = 64 << 20  # bytes
VERSION = "#version"  # begins the first line of merges.txt
SPECIAL_TOKENS = ("cls_token", "sep_token", "pad_token", "mask_token")
ROBERTA = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "mask_token": "<mask>"}
# Classes of transformers that cut as GPT-2 does, and the special tokens that each has by itself.
FAMILIES: dict[str, dict[str, str]] = {
    "RobertaTokenizer": ROBERTA,
    "LongformerTokenizer": ROBERTA,
    "GPT2Tokenizer": {},
}
DEFAULT_FAMILY = "RobertaTokenizer"
# setting of the model in tokenizer.json → the values with which it cuts as GPT-2 does
EXPECTED_SETTINGS = {
    "dropout": (None,),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "ignore_merges": (None, False),
}
Pair = tuple[str, str]


@dataclass(frozen=True)
class BytePairModel:
    """Hold what decides the ids of a checkpoint's pieces.

    Args:
        vocabulary: the pieces in the order of their ids.
        byte_ids: int32 [256], the piece of each byte.
        merges: int32 [R, 3], by rank: ids of the left piece, of the right one, and of the two
            joined.
        special_ids: ids of SPECIAL_TOKENS, in their order.
        fingerprint: a hash of what decides ids.
    """

    vocabulary: tuple[str, ...]
    byte_ids: np.ndarray
    merges: np.ndarray
    special_ids: tuple[int, ...]
    fingerprint: str


def is_byte_pair(folder: Path) -> bool:
    """Tell whether a checkpoint folder has a byte-level BPE, by class or by files."""
    check_inside(folder, BYTE_PAIR_FILES)
    kind = class_name(folder)
    if kind in FAMILIES:
        return True
    if (folder / "vocab.txt").is_file() or is_bert_class(kind):
        return False
    if (folder / VOCAB_JSON).is_file() or (folder / MERGES_TXT).is_file():
        return True
    return kind in ANY_KIND and is_saved(folder)


def is_saved(folder: Path) -> bool:
    """Tell whether tokenizer.json holds a BPE that begins with bytes."""
    saved = read_config(folder, TOKENIZER_JSON)
    kinds = section_kind(saved, "model"), section_kind(saved, "pre_tokenizer")
    return kinds == ("BPE", "ByteLevel")


def section_kind(saved: dict[str, Any], name: str) -> Any:
    """Give the type of a section of tokenizer.json; None where there is no such section."""
    section = saved.get(name)
    return section.get("type") if isinstance(section, dict) else None


def read_byte_pair(folder: Path) -> BytePairModel:
    """Read the pieces and merges of a checkpoint folder, and check that they cut any text.

    Raises:
        ModelError: a file is missing or damaged, two disagree, or this is no BPE that cuts as
            GPT-2's does.
    """
    check_inside(folder, BYTE_PAIR_FILES)
    family = find_family(folder)
    path, vocabulary, merges = read_tables(folder)
    model_config = read_config(folder, "config.json")
    check_vocabulary_fits(folder, vocabulary, model_config.get("vocab_size"))
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    byte_ids = find_bytes(path, ids)
    special_ids = tuple(find_special(folder, family, ids))
    check_special(folder, vocabulary, special_ids, byte_ids, merges)
    content = [vocabulary, merges.tolist(), special_ids]
    text = json.dumps(content, ensure_ascii=False)
    hashed = hashlib.sha256(text.encode()).hexdigest()
    return BytePairModel(vocabulary, byte_ids, merges, special_ids, hashed)


def find_family(folder: Path) -> dict[str, str]:
    """Find the special tokens of the class that a folder names; without a name it is RoBERTa's.

    Raises:
        ModelError: the class is none that cuts as GPT-2 does.
    """
    kind = class_name(folder)
    if kind in ANY_KIND:
        kind = DEFAULT_FAMILY
    if kind not in FAMILIES:
        names = ", ".join(FAMILIES)
        expected = f"a tokenizer of a known family beside {VOCAB_JSON} ({names})"
        raise refusal(folder, expected, show(kind))
    return FAMILIES[kind]


def read_tables(folder: Path) -> tuple[Path, tuple[str, ...], np.ndarray]:
    """Read the path that names the pieces, the pieces by id, and the merges by rank."""
    has_vocabulary = (folder / VOCAB_JSON).is_file()
    has_merges = (folder / MERGES_TXT).is_file()
    saved = read_json(folder, TOKENIZER_JSON)
    if has_vocabulary != has_merges or not (has_vocabulary or saved):
        found = " alone" if has_vocabulary or has_merges else ""
        present = VOCAB_JSON if has_vocabulary else MERGES_TXT if has_merges else "none"
        expected = f"expected {VOCAB_JSON} and {MERGES_TXT}, or {TOKENIZER_JSON}"
        raise ModelError(f"{expected}, in {folder}, found {present}{found}")
    if saved is None:
        return read_files(folder)
    tables = read_saved(folder / TOKENIZER_JSON, saved)
    if has_vocabulary:
        check_alike(folder, tables, read_files(folder))
    return tables


def check_alike(folder: Path, saved: tuple, files: tuple) -> None:
    """Refuse a tokenizer.json that holds other pieces or merges than the files beside it.

    Tokens that it adds at the end are not in those files.
    """
    _, vocabulary, merges = files
    number = len(vocabulary)
    if saved[1][:number] != vocabulary:
        where = f"{folder}: {VOCAB_JSON} and {TOKENIZER_JSON} differ"
        raise ModelError(f"{where}, expected the same pieces with the same ids")
    if not np.array_equal(saved[2], merges):
        where = f"{folder}: {MERGES_TXT} and {TOKENIZER_JSON} differ"
        raise ModelError(f"{where}, expected the same merges in the same order")


def read_files(folder: Path) -> tuple[Path, tuple[str, ...], np.ndarray]:
    """Read vocab.json and merges.txt."""
    path = folder / VOCAB_JSON
    vocabulary = pieces_by_id(path, "the vocabulary", read_json(folder, VOCAB_JSON))
    merges = number_merges(vocabulary, read_merges(folder / MERGES_TXT))
    return path, vocabulary, merges


def read_merges(path: Path) -> Iterator[tuple[str, Pair]]:
    """Give the merges of merges.txt, each with the line that it stands on.

    transformers skips the first line, and drops a last one that is not ended.
    """
    text = read_utf8(path, LARGEST_MERGES, ModelError)
    lines = text.split("\n")
    if not text.startswith(VERSION):
        raise refusal(f"{path}:1", f"a line that begins with {VERSION}", show(lines[0]))
    if lines[-1]:
        raise refusal(f"{path}:{len(lines)}", "a line that is ended", show(lines[-1]))
    for number, line in enumerate(lines[1:-1], 2):
        where = f"{path}:{number}"
        yield where, read_pair(where, line)


def read_pair(where: str, merge: Any) -> Pair:
    """Read a merge, written as two pieces with a space between, or as a list of them."""
    pieces = merge.split(" ") if isinstance(merge, str) else merge
    is_list = isinstance(pieces, list) and len(pieces) == 2
    if not is_list or not all(isinstance(piece, str) and piece for piece in pieces):
        raise refusal(where, "two pieces with one space between", show(merge))
    left, right = pieces
    return left, right


def number_merges(vocabulary: tuple[str, ...], merges: Iterable[tuple[str, Pair]]) -> np.ndarray:
    """Look up the ids of merges, given with where they stand: int32 [R, 3].

    Raises:
        ModelError: a piece is not in the vocabulary, or a merge was there before.
    """
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    found: dict[Pair, str] = {}
    numbers = []
    for where, pair in merges:
        left, right = pair
        for piece in left, right, left + right:
            if piece not in ids:
                got = f"{show(piece)} in {show(' '.join(pair))}"
                raise refusal(where, "pieces of the vocabulary", got)
        if not BYTE_OF.keys() >= set(left + right):
            got = show(" ".join(pair))
            raise refusal(where, "pieces in GPT-2's alphabet of bytes", got)
        first = found.setdefault(pair, where)
        if first != where:
            got = f"{show(' '.join(pair))} again after {first}"
            raise refusal(where, "every merge once", got)
        numbers.append((ids[left], ids[right], ids[left + right]))
    return np.array(numbers, np.int32).reshape(-1, 3)


def read_saved(path: Path, saved: dict[str, Any]) -> tuple[Path, tuple[str, ...], np.ndarray]:
    """Read tokenizer.json, after a check that it cuts as GPT-2's does."""
    check_sections(path, saved)
    model = saved["model"]
    vocabulary = model.get("vocab")
    added = saved.get("added_tokens") or []
    check_added_tokens(path, added)
    if isinstance(vocabulary, dict):
        more = {token["content"]: token.get("id") for token in added}
        vocabulary = {**vocabulary, **more}
    pieces = pieces_by_id(path, "model.vocab", vocabulary)
    merges = model.get("merges")
    if not isinstance(merges, list):
        raise refusal(path, "model.merges to be a list", show(merges))
    return path, pieces, number_merges(pieces, saved_merges(path, merges))


def saved_merges(path: Path, merges: list) -> Iterator[tuple[str, Pair]]:
    """Give the merges of tokenizer.json, each with its index."""
    for number, merge in enumerate(merges):
        where = f"{path}: model.merges[{number}]"
        yield where, read_pair(where, merge)


def check_sections(path: Path, saved: dict[str, Any]) -> None:
    """Refuse what changes text before it cuts, or cuts it in another way than GPT-2."""
    for name, expected in ("model", "BPE"), ("pre_tokenizer", "ByteLevel"):
        kind = section_kind(saved, name)
        if kind != expected:
            got = kind if isinstance(kind, str) else show(saved.get(name))
            raise refusal(path, f"a byte-level BPE, whose {name} is {expected}", got)
    normalizer = saved.get("normalizer")
    if normalizer is not None:
        kind = section_kind(saved, "normalizer")
        raise refusal(path, "a byte-level BPE without a normalizer", show(kind or normalizer))
    if saved["pre_tokenizer"].get("use_regex", True) is not True:
        got = show(saved["pre_tokenizer"]["use_regex"])
        raise refusal(path, "pre_tokenizer.use_regex to be true", got)
    for name, values in EXPECTED_SETTINGS.items():
        value = saved["model"].get(name)
        if value not in values:
            raise refusal(path, f"model.{name} to be {show(values[-1])}", show(value))


def find_bytes(path: Path, ids: dict[str, int]) -> np.ndarray:
    """Find the id of each byte: int32 [256].

    Raises:
        ModelError: a byte has no piece, so that some text could not be cut.
    """
    characters = byte_characters()
    missing = [f"0x{byte:02x}" for byte, piece in enumerate(characters) if piece not in ids]
    if missing:
        first_few = ", ".join(missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise refusal(path, "a piece for every byte", f"none for {first_few}{more}")
    return np.array([ids[piece] for piece in characters], np.int32)


def find_special(folder: Path, family: dict[str, str], ids: dict[str, int]) -> Iterator[int]:
    """Give the ids of SPECIAL_TOKENS, as tokenizer_config.json names them, else the family.

    Raises:
        ModelError: one is not named, or not in the vocabulary.
    """
    config = read_config(folder, "tokenizer_config.json")
    for name in SPECIAL_TOKENS:
        token = token_text(config.get(name)) or family.get(name)
        where = folder / "tokenizer_config.json"
        if not isinstance(token, str):
            raise refusal(where, f"the text of the {name}", show(token))
        if token not in ids:
            raise refusal(where, f"the {name} to be in the vocabulary", show(token))
        yield ids[token]


def check_special(
    folder: Path,
    vocabulary: tuple[str, ...],
    special_ids: tuple[int, ...],
    byte_ids: np.ndarray,
    merges: np.ndarray,
) -> None:
    """Refuse special tokens that a text could be cut into: they say where a window begins."""
    products = merges[:, 2]
    in_text = np.concatenate([byte_ids, products])
    reached = np.intersect1d(special_ids, in_text)
    if len(reached):
        piece = vocabulary[reached[0]]
        raise refusal(folder, "special tokens that no text is cut into", show(piece))
