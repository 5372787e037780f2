"""Any bytes are read as a SentencePiece model of XLM-R's kind.

Or refused by an error that names the file.
"""

from __future__ import annotations

import struct

from reader_targets import check, folder

from tfner.exceptions import ModelError
from tfner.tokenizers.charsmap import BLOCK
from tfner.tokenizers.sentencepiece_model import MODEL_FILE, read_sentencepiece
from tfner.tokenizers.sentencepiece_proto import CONTROL, NORMAL, UNKNOWN, model_class

PIECES = (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL), ("▁a", NORMAL), ("b", NORMAL))
EMPTY_TABLE = struct.pack("<I", 4 * BLOCK) + bytes(4 * BLOCK) + b"\0"


def model(charsmap: bytes = b"", algorithm: int = 1) -> bytes:
    """Make a model of five pieces."""
    found = model_class()()
    for number, (text, kind) in enumerate(PIECES):
        found.pieces.add(piece=text.encode(), score=-float(number), type=kind)
    found.trainer_spec.model_type = algorithm
    found.normalizer_spec.precompiled_charsmap = charsmap
    return found.SerializeToString()


SEEDS = [model(), model(EMPTY_TABLE), model(EMPTY_TABLE[:-1]), model(algorithm=2), b""]
WORDS = ["<unk>", "<s>", "</s>", "▁", "\0", "\x0a", "\x18\x02"]


def pieces(data: bytes) -> None:
    """Make a checkpoint folder whose model file holds these bytes."""
    place = folder() / "pieces"
    place.mkdir(exist_ok=True)
    (place / MODEL_FILE).write_bytes(data)
    try:
        found = read_sentencepiece(place)
    except ModelError as error:
        check(str(place) in str(error), error)
        return
    check(len(set(found.vocabulary)) == len(found.vocabulary), found.vocabulary)
    check(found.content == data, found.content)
