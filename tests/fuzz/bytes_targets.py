"""Any bytes are read as the vocabulary, the merges or the tokenizer.json of a byte-level BPE.

Or refused by an error that names the file. The first byte says which file they are.
"""

from __future__ import annotations

import json

from reader_targets import check, folder

from tfner.exceptions import ModelError
from tfner.tokenizers.byte_alphabet import byte_characters
from tfner.tokenizers.byte_pair_merges import merge_table
from tfner.tokenizers.byte_pair_model import read_byte_pair

FILES = ("merges.txt", "vocab.json", "tokenizer.json")
SPECIAL = ("<s>", "<pad>", "</s>", "<mask>")
PIECES = (*SPECIAL, *byte_characters(), "th", "the", "Ġt", "Ġthe")
VOCABULARY = {piece: number for number, piece in enumerate(PIECES)}
MERGES = ["t h", "th e", "Ġ t", "Ġ the"]
SAVED = {
    "model": {"type": "BPE", "vocab": VOCABULARY, "merges": MERGES},
    "pre_tokenizer": {"type": "ByteLevel"},
    "added_tokens": [{"content": "<e>", "id": len(PIECES), "special": True}],
}
CONTENTS = (
    "\n".join(["#version: 0.2", *MERGES, ""]),
    json.dumps(VOCABULARY, ensure_ascii=False),
    json.dumps(SAVED, ensure_ascii=False),
)
SEEDS = [
    *(bytes([number]) + content.encode() for number, content in enumerate(CONTENTS)),
    b"\x00#version\n\n",
    b"\x00",
    b"\x02{}",
    b"",
]
WORDS = ["#version", "Ġ", "\n", " ", "t h", "\r", "\x85", "null", "[]", '"merges"', "1e9"]


def merges(data: bytes) -> None:
    """Make a checkpoint folder of which one file holds these bytes, and the others are sound."""
    at = folder() / "bpe"
    at.mkdir(exist_ok=True)
    chosen = (data[0] if data else 0) % len(FILES)
    for number, (name, content) in enumerate(zip(FILES, CONTENTS, strict=True)):
        path = at / name
        path.unlink(missing_ok=True)
        if number == chosen:
            path.write_bytes(data[1:])
        elif chosen != FILES.index("tokenizer.json") and name != "tokenizer.json":
            path.write_text(content, encoding="utf-8")
    try:
        found = read_byte_pair(at)
    except ModelError as error:
        check(str(at) in str(error), error)
        return
    check(len(set(found.vocabulary)) == len(found.vocabulary), found.vocabulary)
    check(len(found.byte_ids) == 256, found.byte_ids)
    for left, right, both in found.merges.tolist():
        joined = found.vocabulary[left] + found.vocabulary[right]
        check(joined == found.vocabulary[both], joined)
    ranks = merge_table(found.merges).ranks.tolist()
    check(sorted(ranks) == list(range(len(found.merges) + 1)), ranks)
