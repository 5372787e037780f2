"""A SentencePiece model that is trained here, a BERT of two layers with its vocabulary, and what
Hugging Face and the package sentencepiece make of the same text.
"""

from __future__ import annotations

import functools
import io
import json
import string
from pathlib import Path
from typing import Any

import sentencepiece
import tiny
import tokenizers
from transformers import XLMRobertaTokenizerFast

MODEL_FILE = "sentencepiece.bpe.model"
SENTENCES = """
Anna met Boris in Oslo near the old river. The bank of Kiev was founded by Clara Lund.
David's house, in Paris, was sold (cheaply!) to ACME Corp.; nobody knew why?
Anna møtte Boris i Oslo ved den gamle elven. Banken ble grunnlagt av Clara Lund på høsten.
Für Ärger in Köln sorgte gestern die Straße: „Warum?“ – „Darum!“
Élodie est allée à l'école près de Zürich; ça coûte 1,234.50 € … ou 95%.
Анна и Борис живут в Киеве, у реки; банк был основан Кларой Лунд.
東京都の大阪市でアンナがボリスに会った。中国人民在北京看见了一家公司。
서울에서 안나는 보리스를 만났다. אנה פגשה את בוריס בתל אביב. محمد في القاهرة
running walked building founder moving oldest younger 😀 👩‍👩‍👧 ☃ ™ é ế
""".strip()
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
# Longer than any text of a test, so that the oracle finds no special piece in one.
NOWHERE = "\U0010fffe" * 64


@functools.cache
def model_bytes(algorithm: str = "unigram", **options: Any) -> bytes:
    """Train a model on SENTENCES; a few hundred pieces, among them every ASCII letter."""
    lines = [*SENTENCES.splitlines(), *tiny.WORDS, " ".join(string.printable.split())]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 2),
        model_writer=written,
        model_type=algorithm,
        vocab_size=450,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        **{"normalization_rule_name": "nmt_nfkc", **options},
    )
    return written.getvalue()


@functools.cache
def pieces() -> int:
    """Count the pieces that the model has, <mask> included; id = number + 1."""
    return sentencepiece.SentencePieceProcessor(model_proto=model_bytes()).get_piece_size() + 2


def write_pieces(folder: Path, content: bytes | None = None, **config: Any) -> Path:
    """Write a checkpoint folder without weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model_bytes() if content is None else content)
    settings = {"tokenizer_class": "XLMRobertaTokenizer", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    # a few rows more than pieces, as the real ones have
    sizes = {**tiny.CONFIG, "vocab_size": pieces() + 3}
    (folder / "config.json").write_text(json.dumps(sizes))
    return folder


@functools.cache
def checkpoint() -> Path:
    """Write a checkpoint folder with random weights, under PyTorch's names."""
    folder = write_pieces(tiny._home() / "pieces")
    return tiny.add_weights(folder, pieces() + 3, seed=8)


@functools.cache
def tokenizer():
    """Open the SentencePieceTokenizer of the checkpoint."""
    from tfner.tokenizers.sentencepiece import SentencePieceTokenizer

    return SentencePieceTokenizer.from_checkpoint(checkpoint())


@functools.cache
def tagger(**options: Any):
    """Build a Tagger as an export holds it; options are the constructor's."""
    return tiny.tagger_of(checkpoint(), tokenizer(), **options)


@functools.cache
def exported() -> Path:
    """Write an export of the tagger; give the folder of version 1."""
    return tiny.export_of(tagger(), "pieces", "of-pieces")


@functools.cache
def served():
    """That export as TensorFlow loads it."""
    return tiny.load_for_serving(exported())


@functools.cache
def processor(folder: Path) -> sentencepiece.SentencePieceProcessor:
    """SentencePiece itself over a folder's model."""
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / MODEL_FILE))


@functools.cache
def hugging_face(folder: Path, kind: type = XLMRobertaTokenizerFast) -> tokenizers.Tokenizer:
    """Open the tokenizer inside XLMRobertaTokenizerFast, which finds no special piece here."""
    special = dict(zip(("bos", "pad", "eos", "unk", "mask"), SPECIAL, strict=True))
    names = {f"{name}_token": token for name, token in special.items()}
    fast = kind(vocab_file=str(folder / MODEL_FILE), **names)
    state = json.loads(fast.backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    for number, (piece, _) in enumerate(vocabulary):
        if piece in SPECIAL or piece.endswith("NOTUSED"):
            vocabulary[number][0] = f"{NOWHERE}{number}"
    state |= {"added_tokens": [], "post_processor": None}
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def add_tokenizer(folder: Path, tokenizer_class: str) -> None:
    """Write the files of a small tokenizer into a checkpoint: pieces of this model or of `tiny`."""
    settings: dict[str, Any] = {"tokenizer_class": tokenizer_class}
    if tokenizer_class in ("XLMRobertaTokenizer", "CamembertTokenizer"):
        (folder / MODEL_FILE).write_bytes(model_bytes())
    else:
        vocabulary = "\n".join(tiny.vocabulary())
        (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")
        settings["do_lower_case"] = True
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
