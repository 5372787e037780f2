"""Read the byte-level BPE of a checkpoint, or say why it cannot be used.

It is in vocab.json and merges.txt, in tokenizer.json, or in both, which then must agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


class Tables(NamedTuple):
    """Hold the pieces by id and the merges by rank, and the file that names the pieces."""

    path: Path
    vocabulary: tuple[str, ...]
    merges: np.ndarray


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
    if kind not in ANY_KIND:
        return False
    return is_saved(folder)


def is_saved(folder: Path) -> bool:
    """Tell whether tokenizer.json holds a BPE that begins with bytes."""
    saved = read_config(folder, TOKENIZER_JSON)
    model_kind = section_kind(saved, "model")
    pretoken_kind = section_kind(saved, "pre_tokenizer")
    is_pair = model_kind == "BPE"
    is_of_bytes = pretoken_kind == "ByteLevel"
    return is_pair and is_of_bytes


def section_kind(saved: dict[str, Any], name: str) -> Any:
    """Give the type of a section of tokenizer.json; None where there is no such section."""
    section = saved.get(name)
    if isinstance(section, dict):
        return section.get("type")
    return None


def read_byte_pair(folder: Path) -> BytePairModel:
    """Read the pieces and merges of a checkpoint folder, and check that they cut any text.

    Raises:
        ModelError: a file is missing or damaged, two disagree, or this is no BPE that cuts as
            GPT-2's does.
    """
    check_inside(folder, BYTE_PAIR_FILES)
    family = find_family(folder)
    tables = read_tables(folder)
    vocabulary = tables.vocabulary
    model_config = read_config(folder, "config.json")
    embeddings = model_config.get("vocab_size")
    check_vocabulary_fits(folder, vocabulary, embeddings)
    ids = ids_by_piece(vocabulary)
    byte_ids = find_bytes(tables.path, ids)
    found = find_special(folder, family, ids)
    special_ids = tuple(found)
    check_special(folder, tables, special_ids, byte_ids)
    hashed = fingerprint(tables, special_ids)
    return BytePairModel(vocabulary, byte_ids, tables.merges, special_ids, hashed)


def ids_by_piece(vocabulary: tuple[str, ...]) -> dict[str, int]:
    """Number the pieces, given in the order of their ids.

    >>> ids_by_piece(("<s>", "a"))
    {'<s>': 0, 'a': 1}
    """
    return {piece: number for number, piece in enumerate(vocabulary)}


def fingerprint(tables: Tables, special_ids: tuple[int, ...]) -> str:
    """Hash what decides ids."""
    merges = tables.merges.tolist()
    vocabulary = tables.vocabulary
    content = [vocabulary, merges, special_ids]
    text = json.dumps(content)
    encoded = text.encode()
    hashed = hashlib.sha256(encoded)
    return hashed.hexdigest()


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
        got = show(kind)
        raise refusal(folder, expected, got)
    return FAMILIES[kind]


def read_tables(folder: Path) -> Tables:
    """Read the pieces and merges of a folder, whose files must agree.

    Raises:
        ModelError: they do not, or one is missing.
    """
    files = [name for name in (VOCAB_JSON, MERGES_TXT) if (folder / name).is_file()]
    saved = read_json(folder, TOKENIZER_JSON)
    is_complete = len(files) == 2
    is_absent = saved is None and not files
    if len(files) == 1 or is_absent:
        found = "none" if is_absent else f"{files[0]} alone"
        expected = f"expected {VOCAB_JSON} and {MERGES_TXT}, or {TOKENIZER_JSON}"
        raise ModelError(f"{expected}, in {folder}, found {found}")
    if saved is None:
        return read_files(folder)
    path = folder / TOKENIZER_JSON
    tables = read_saved(path, saved)
    if is_complete:
        written = read_files(folder)
        check_alike(folder, tables, written)
    return tables


def check_alike(folder: Path, saved: Tables, files: Tables) -> None:
    """Refuse a tokenizer.json that holds other pieces or merges than the files beside it.

    Tokens that it adds at the end are not in those files.
    """
    number = len(files.vocabulary)
    shared = saved.vocabulary[:number]
    if shared != files.vocabulary:
        raise disagreement(folder, VOCAB_JSON, "pieces with the same ids")
    if not np.array_equal(saved.merges, files.merges):
        raise disagreement(folder, MERGES_TXT, "merges in the same order")


def disagreement(folder: Path, name: str, same: str) -> ModelError:
    """Say that a file and tokenizer.json differ, and what should be the same in them."""
    return ModelError(f"{folder}: {name} and {TOKENIZER_JSON} differ, expected the same {same}")


def read_files(folder: Path) -> Tables:
    """Read vocab.json and merges.txt."""
    path = folder / VOCAB_JSON
    content = read_json(folder, VOCAB_JSON)
    vocabulary = pieces_by_id(path, "the vocabulary", content)
    lines = read_merges(folder / MERGES_TXT)
    merges = number_merges(vocabulary, lines)
    return Tables(path, vocabulary, merges)


def read_merges(path: Path) -> Iterator[tuple[str, Pair]]:
    """Give the merges of merges.txt, each with the line that it stands on.

    transformers skips the first line, and drops a last one that is not ended.
    """
    text = read_utf8(path, LARGEST_MERGES, ModelError)
    lines = text.split("\n")
    if not text.startswith(VERSION):
        expected = f"a line that begins with {VERSION}"
        got = show(lines[0])
        raise refusal(f"{path}:1", expected, got)
    last = lines[-1]
    if last:
        where = f"{path}:{len(lines)}"
        got = show(last)
        raise refusal(where, "a line that is ended", got)
    for number, line in enumerate(lines[1:-1], 2):
        where = f"{path}:{number}"
        pair = read_pair(where, line)
        yield where, pair


def read_pair(where: str, merge: Any) -> Pair:
    """Read a merge, written as two pieces with a space between, or as a list of them."""
    pieces = merge
    if isinstance(merge, str):
        pieces = merge.split(" ")
    is_list = isinstance(pieces, list)
    if not is_list or not all(isinstance(piece, str) and piece for piece in pieces):
        pieces = []
    if len(pieces) != 2:
        got = show(merge)
        raise refusal(where, "two pieces with one space between", got)
    left, right = pieces
    return left, right


def number_merges(vocabulary: tuple[str, ...], merges: Iterable[tuple[str, Pair]]) -> np.ndarray:
    """Look up the ids of merges, given with where they stand: int32 [R, 3].

    Raises:
        ModelError: a piece is not in the vocabulary, or a merge was there before.
    """
    ids = ids_by_piece(vocabulary)
    alphabet = BYTE_OF.keys()
    found: dict[Pair, str] = {}
    numbers = []
    for where, pair in merges:
        left, right = pair
        joined = left + right
        for piece in left, right, joined:
            if piece not in ids:
                got = f"{show(piece)} in {show_pair(pair)}"
                raise refusal(where, "pieces of the vocabulary", got)
        if not alphabet >= set(joined):
            got = show_pair(pair)
            raise refusal(where, "pieces in GPT-2's alphabet of bytes", got)
        first = found.setdefault(pair, where)
        if first != where:
            got = f"{show_pair(pair)} again after {first}"
            raise refusal(where, "every merge once", got)
        numbers += ids[left], ids[right], ids[joined]
    flat = np.array(numbers, np.int32)
    return flat.reshape(-1, 3)


def show_pair(pair: Pair) -> str:
    """Write a merge as merges.txt does, for a message."""
    line = " ".join(pair)
    return show(line)


def read_saved(path: Path, saved: dict[str, Any]) -> Tables:
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
    saved_merges = read_saved_merges(path, model)
    merges = number_merges(pieces, saved_merges)
    return Tables(path, pieces, merges)


def read_saved_merges(path: Path, model: dict[str, Any]) -> Iterator[tuple[str, Pair]]:
    """Give the merges of tokenizer.json, each with its index."""
    merges = model.get("merges")
    if not isinstance(merges, list):
        got = show(merges)
        raise refusal(path, "model.merges to be a list", got)
    for number, merge in enumerate(merges):
        where = f"{path}: model.merges[{number}]"
        pair = read_pair(where, merge)
        yield where, pair


def check_sections(path: Path, saved: dict[str, Any]) -> None:
    """Refuse what changes text before it cuts, or cuts it in another way than GPT-2."""
    for name, expected in ("model", "BPE"), ("pre_tokenizer", "ByteLevel"):
        kind = section_kind(saved, name)
        if kind != expected:
            section = saved.get(name)
            got = show(kind or section)
            wanted = f"a byte-level BPE, whose {name} is {expected}"
            raise refusal(path, wanted, got)
    normalizer = saved.get("normalizer")
    if normalizer is not None:
        kind = section_kind(saved, "normalizer")
        got = show(kind or normalizer)
        raise refusal(path, "a byte-level BPE without a normalizer", got)
    pre_tokenizer = saved["pre_tokenizer"]
    has_rule = pre_tokenizer.get("use_regex", True)
    if has_rule is not True:
        got = show(has_rule)
        raise refusal(path, "pre_tokenizer.use_regex to be true", got)
    model = saved["model"]
    for name, values in EXPECTED_SETTINGS.items():
        value = model.get(name)
        if value not in values:
            last = show(values[-1])
            got = show(value)
            raise refusal(path, f"model.{name} to be {last}", got)


def find_bytes(path: Path, ids: dict[str, int]) -> np.ndarray:
    """Find the id of each byte: int32 [256].

    Raises:
        ModelError: a byte has no piece, so that some text could not be cut.
    """
    characters = byte_characters()
    missing = [f"0x{byte:02x}" for byte, piece in enumerate(characters) if piece not in ids]
    if missing:
        first_few = missing[:5]
        listed = ", ".join(first_few)
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        got = f"none for {listed}{more}"
        raise refusal(path, "a piece for every byte", got)
    found = [ids[piece] for piece in characters]
    return np.array(found, np.int32)


def find_special(folder: Path, family: dict[str, str], ids: dict[str, int]) -> Iterator[int]:
    """Give the ids of SPECIAL_TOKENS, as tokenizer_config.json names them, else the family.

    Raises:
        ModelError: one is not named, or not in the vocabulary.
    """
    config = read_config(folder, "tokenizer_config.json")
    where = folder / "tokenizer_config.json"
    for name in SPECIAL_TOKENS:
        named = config.get(name)
        by_itself = family.get(name)
        token = token_text(named) or by_itself
        got = show(token)
        if not isinstance(token, str):
            expected = f"the text of the {name}"
            raise refusal(where, expected, got)
        if token not in ids:
            expected = f"the {name} to be in the vocabulary"
            raise refusal(where, expected, got)
        yield ids[token]


def check_special(
    folder: Path, tables: Tables, special_ids: tuple[int, ...], byte_ids: np.ndarray
) -> None:
    """Refuse special tokens that a text could be cut into: they say where a window begins."""
    products = tables.merges[:, 2]
    in_text = {*byte_ids.tolist(), *products.tolist()}
    for number in special_ids:
        if number in in_text:
            piece = tables.vocabulary[number]
            got = show(piece)
            raise refusal(folder, "special tokens that no text is cut into", got)
