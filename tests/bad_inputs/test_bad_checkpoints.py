"""Refuse checkpoints that are no BERT's, damaged or harmful: vocabulary, settings, weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_bytes
from command_line import CUT, refused

from tfner.model.encoders.weight_files import NO_WEIGHTS, ONLY_A_PICKLE
from tfner.tokenizers.vocabulary import BERT_CLASSES

DEEP = "[" * 1_000_000
TOKENIZER = {
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "vocab": {piece: id for id, piece in enumerate(tiny.vocabulary())},
    },
    "normalizer": {"type": "BertNormalizer", "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "added_tokens": [],
}


def vocabulary(content):
    return lambda shop: shop.file("checkpoint/vocab.txt", content)


def saved(**changes):
    return lambda shop: shop.json("checkpoint/tokenizer.json", {**TOKENIZER, **changes})


def settings(**values):
    return lambda shop: shop.json("checkpoint/tokenizer_config.json", values)


def config(**changes):
    return lambda shop: shop.checkpoint(**changes)


def model(**changes):
    return saved(model={**TOKENIZER["model"], **changes})


def remove(name):
    return lambda shop: (shop.folder / "checkpoint" / name).unlink()


def byte_pairs(*lines):
    """Make a byte-level BPE with these merges."""

    def write(shop):
        remove("vocab.txt")(shop)
        shop.json("checkpoint/vocab.json", tiny_bytes.vocab_json())
        shop.file("checkpoint/merges.txt", tiny_bytes.merges_txt([*lines]))

    return write


def secret(name):
    """A link out of the folder, to a file that is nobody's business."""

    def link(shop):
        shop.file("secret.txt", "[PAD]\n[UNK]\n")
        shop.link(f"checkpoint/{name}", "../secret.txt")

    return link


TOKENIZERS = [
    ("none", remove("vocab.txt"),
     "expected vocab.txt or tokenizer.json or sentencepiece.bpe.model or vocab.json in checkpoint, "
     "found none"),
    ("not UTF-8", vocabulary(b"[PAD]\n[UNK]\nb\xe4r\n"),
     "checkpoint/vocab.txt:3: expected text in utf-8, got the byte 0xe4"),
    ("a piece twice", vocabulary("[PAD]\na\nb\na\n"),
     "checkpoint/vocab.txt:4: expected every piece once, got 'a' again after line 2"),
    ("no special tokens", vocabulary("[PAD]\n[UNK]\na\n"),
     "checkpoint: expected the special tokens [CLS], [SEP], [MASK] in the vocabulary of 3 pieces"),
    ("more pieces than embeddings", config(vocab_size=100),
     "checkpoint: expected at most 100 pieces in the vocabulary, as config.json says, got 250"),
    ("one line", vocabulary("x" * 20_000),
     "checkpoint/vocab.txt:1: expected a piece of at most 10000 characters, got a longer one: "
     + CUT.format("x" * 76)),
    ("a link out of the folder", secret("vocab.txt"),
     "checkpoint/vocab.txt: expected a file of this folder, got a link to HERE/secret.txt, "
     "outside of it"),
    ("a saved one linked", secret("tokenizer.json"),
     "checkpoint/tokenizer.json: expected a file of this folder, got a link to HERE/secret.txt, "
     "outside of it"),
    ("cut off", lambda shop: shop.file("checkpoint/tokenizer.json", '{"model": {'),
     "checkpoint/tokenizer.json:1:12: not valid JSON: expecting property name enclosed in double "
     "quotes"),
    ("nested a million deep",
     lambda shop: shop.file("checkpoint/tokenizer.json", '{"model":\n' + DEEP),
     "checkpoint/tokenizer.json:2:500: not valid JSON: nested more than 500 deep"),
    ("settings nested a million deep",
     lambda shop: shop.file("checkpoint/tokenizer_config.json", DEEP),
     "checkpoint/tokenizer_config.json:1:501: not valid JSON: nested more than 500 deep"),
    ("list", lambda shop: shop.json("checkpoint/tokenizer.json", [1]),
     "checkpoint/tokenizer.json: expected a JSON object, got [1]"),
    ("another kind", model(type="BPE"),
     "checkpoint/tokenizer.json: expected a BERT tokenizer, whose model is WordPiece, got BPE"),
    ("a name for a model", saved(model="WordPiece"),
     "checkpoint/tokenizer.json: expected a BERT tokenizer, whose model is WordPiece, got "
     "'WordPiece'"),
    ("ids that are none", model(vocab={"a": 0, "b": "1"}),
     "checkpoint/tokenizer.json: expected model.vocab to be an object, which gives each piece a "
     "whole number, got {'a': 0, 'b': '1'}"),
    ("ids with gaps", model(vocab={"a": 0, "b": 2}),
     "checkpoint/tokenizer.json: expected model.vocab to give the ids from 0 up, "
     "each to one piece, got none for 1"),
    ("one id for two", model(vocab={"a": 0, "b": 1, "c": 1}),
     "checkpoint/tokenizer.json: expected model.vocab to give the ids from 0 up, "
     "each to one piece, got 1 for two"),
    ("half a character", model(vocab={"[PAD]": 0, "\ud800": 1}),
     "checkpoint/tokenizer.json: model.vocab, id 1: expected a piece of whole characters, got "
     "'\\ud800'"),
    ("added tokens that are none", saved(added_tokens=[1]),
     "checkpoint/tokenizer.json: expected added_tokens to be a list of objects with content, got "
     "[1]"),
    ("another vocabulary than vocab.txt", model(vocab={"[PAD]": 0}),
     "checkpoint: vocab.txt and tokenizer.json differ, expected the same pieces in the same order"),
    ("a text for a switch", settings(do_lower_case="yes"),
     "checkpoint: the tokenizer's lowercase: expected true or false, got 'yes'"),
    ("words of any length", model(max_input_chars_per_word=10**30),
     "checkpoint: the tokenizer's max_chars_per_word: expected 1 to 10000, got "
     "1000000000000000000000000000000"),
    ("another class", settings(tokenizer_class="BertJapaneseTokenizer"),
     f"checkpoint: expected a BERT tokenizer (one of {', '.join(BERT_CLASSES)}), or "
     f"sentencepiece.bpe.model, got BertJapaneseTokenizer"),
    ("merges of unknown pieces", byte_pairs(tiny_bytes.merges()[0], "Ġ ĠQQ"),
     "checkpoint/merges.txt:3: expected pieces of the vocabulary, got 'ĠQQ' in 'Ġ ĠQQ'"),
    ("merges without a vocabulary", settings(tokenizer_class="RobertaTokenizer"),
     "expected vocab.json and merges.txt, or tokenizer.json, in checkpoint, found none"),
    ("no model of the class", settings(tokenizer_class="XLMRobertaTokenizer"),
     "expected sentencepiece.bpe.model in checkpoint, found none"),
]  # fmt: skip

CONFIGURATIONS = [
    ("none", remove("config.json"),
     "encoder.checkpoint: checkpoint: expected a config.json in this folder, found none"),
    ("cut off", lambda shop: shop.file("checkpoint/config.json", '{"hidden_size": 32,'),
     "checkpoint/config.json:1:20: not valid JSON: expecting property name enclosed in double "
     "quotes"),
    ("nested a million deep",
     lambda shop: shop.file("checkpoint/config.json", '{"a": 1,\n"b": ' + DEEP),
     "checkpoint/config.json:2:505: not valid JSON: nested more than 500 deep"),
    ("list", lambda shop: shop.json("checkpoint/config.json", []),
     "checkpoint/config.json: expected a JSON object, got []"),
    ("not UTF-8", lambda shop: shop.file("checkpoint/config.json", b'{"a":\n"\xff"}'),
     "checkpoint/config.json:2: expected text in utf-8, got the byte 0xff"),
    ("no positions", lambda shop: shop.json("checkpoint/config.json", {}),
     "checkpoint/config.json: expected max_position_embeddings to be a whole number, got None"),
    ("endless positions",
     lambda shop: shop.file("checkpoint/config.json", '{"max_position_embeddings": Infinity}'),
     "checkpoint/config.json: expected max_position_embeddings to be a whole number, got inf"),
    ("few positions", config(max_position_embeddings=16),
     "encoder.max_length: at most 16, the positions of checkpoint, got 32"),
    ("no vocabulary", remove("vocab.txt"),
     "encoder.checkpoint: checkpoint: expected the vocabulary, vocab.txt or tokenizer.json or "
     "sentencepiece.bpe.model or vocab.json, in this folder, found none"),
]  # fmt: skip


def header(size, text=b""):
    return lambda shop: shop.file("checkpoint/model.safetensors", size.to_bytes(8, "little") + text)


def described(**tensors):
    text = json.dumps(tensors).encode()
    return header(len(text), text + b"\0" * 64)


def index(weight_map):
    def write(shop):
        remove("model.safetensors")(shop)
        shop.json("checkpoint/model.safetensors.index.json", {"weight_map": weight_map})

    return write


def hdf5(change):
    """Weights as Keras writes them, but for one change."""

    def write(shop):
        import h5py

        remove("model.safetensors")(shop)
        with h5py.File(shop.folder / "checkpoint" / "tf_model.h5", "w") as file:
            change(file)

    return write


def external(file):
    import h5py

    file["weights"] = h5py.ExternalLink("/etc/passwd", "/")


def elsewhere(file):
    file.create_dataset("weights", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def enormous(file):
    file.create_dataset("weights", (10**12,), "f4", chunks=(1024,))


def pickled(shop):
    """What a pickle can do: make a file when it is read."""
    remove("model.safetensors")(shop)
    shop.file("checkpoint/pytorch_model.bin", b"cposix\nsystem\n(S'touch evil'\ntR.")


def linked_weights(shop):
    (shop.folder / "checkpoint/model.safetensors").rename(shop.folder / "elsewhere.safetensors")
    shop.link("checkpoint/model.safetensors", "../elsewhere.safetensors")


def cut_weights(shop):
    path = shop.folder / "checkpoint/model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def large_weights(shop):
    from safetensors.numpy import save_file

    save_file(
        {"bert.encoder.layer.0.output.dense.weight": np.zeros((400, 400), np.float32)},
        shop.folder / "checkpoint/model.safetensors",
    )


def deberta(shop):
    shop.checkpoint(model_type="deberta-v2")
    (shop.folder / "checkpoint/vocab.txt").rename(shop.folder / "checkpoint/spm.model")


def modernbert(shop):
    shop.checkpoint(model_type="modernbert")
    saved(model={**TOKENIZER["model"], "type": "BPE"})(shop)


def bertweet(shop):
    shop.checkpoint(model_type="roberta", pad_token_id=1)
    settings(tokenizer_class="BertweetTokenizer")(shop)


ONE = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
DAMAGED = "checkpoint/model.safetensors: damaged or no safetensors file: …"
LEADS_OUT = (
    "checkpoint/model.safetensors.index.json: expected weight_map to name safetensors files "
    "of this folder, got "
)
NO_FAMILY = (
    "checkpoint/config.json: expected model_type bert, camembert, distilbert, electra, roberta or "
    "xlm-roberta, got "
)
NO_BERT = "checkpoint/config.json: no BERT can be built from it: "
WEIGHTS = [
    ("no file", remove("model.safetensors"),
     f"checkpoint: {NO_WEIGHTS}"),
    ("empty", lambda shop: shop.file("checkpoint/model.safetensors"), DAMAGED),
    ("a header longer than the file", header(1 << 40), DAMAGED),
    ("a header longer than any file", header(2**64 - 1), DAMAGED),
    ("a header that is no JSON", header(4, b"abcd"), DAMAGED),
    ("a header nested deep", header(100_000, DEEP[:100_000].encode()), DAMAGED),
    ("a tensor behind the end", described(a={**ONE, "data_offsets": [0, 1 << 40]}), DAMAGED),
    ("a shape that its bytes do not fill", described(a={**ONE, "shape": [1 << 40]}), DAMAGED),
    ("a shape beyond all numbers", described(a={**ONE, "shape": [1 << 40] * 4}), DAMAGED),
    ("an unknown type", described(a={**ONE, "dtype": "PICKLE"}), DAMAGED),
    ("cut off", cut_weights, DAMAGED),
    ("bytes that are no tensor's", described(a={**ONE, "data_offsets": [0, 16]}), DAMAGED),
    ("far more than the encoder has", large_weights,
     "checkpoint: weights of another shape than config.json says: 160,000 numbers where the "
     "encoder has 29,312"),
    ("a link out of the folder", linked_weights,
     "checkpoint/model.safetensors: expected a file of this folder, got a link to "
     "HERE/elsewhere.safetensors, outside of it"),
    ("an index that leads out", index({"a": "../../weights.safetensors"}),
     LEADS_OUT + "'../../weights.safetensors'"),
    ("an index of an absolute path", index({"a": "/etc/passwd"}),
     LEADS_OUT + "'/etc/passwd'"),
    ("an index of nothing", index({"a": "model-1.safetensors"}),
     "checkpoint/model-1.safetensors: damaged or no safetensors file: …"),
    ("a pickle", pickled,
     f"checkpoint: {ONLY_A_PICKLE.format(kind='AutoModel', folder='checkpoint')}"),
    ("a link in HDF5", hdf5(external),
     "checkpoint/tf_model.h5: expected weights inside of this file, got a link, weights"),
    ("numbers of another file in HDF5", hdf5(elsewhere),
     "checkpoint/tf_model.h5: expected weights inside of this file, got weights, which names "
     "another"),
    ("a terabyte in HDF5", hdf5(enormous),
     "checkpoint/tf_model.h5: expected weights as Keras writes them, got weights of "
     "4,000,000,000,000 bytes that are not there"),
    ("a gigantic configuration", config(hidden_size=10**9),
     NO_BERT + "expected at most 4,000,000,000 weights, got sizes for 8,000,000,656,000,000,128"),
    ("more embeddings than bytes", config(vocab_size=10**7),
     "checkpoint: weights of another shape than config.json says: 320,021,312 numbers in 121,224 "
     "bytes"),
    ("no heads", config(num_attention_heads=0),
     NO_BERT + "num_attention_heads: expected a whole number of at least 1, got 0"),
    ("heads that do not part", config(num_attention_heads=5),
     NO_BERT + "hidden_size: expected a multiple of 5 heads, got 32"),
    ("layers below zero", config(num_hidden_layers=-1),
     NO_BERT + "num_hidden_layers: expected a whole number of at least 1, got -1"),
    ("a text for a number", config(layer_norm_eps="small"),
     NO_BERT + "layer_norm_eps: expected a number from 0 to below 1, got 'small'"),
    ("no activation", config(hidden_act=["gelu"]),
     NO_BERT + "hidden_act: expected a name, got ['gelu']"),
    ("a decoder", config(is_decoder=True),
     "checkpoint/config.json: expected an encoder, got is_decoder or add_cross_attention"),
    ("another model's configuration", config(model_type="gpt2"),
     NO_FAMILY + "gpt2"),
    ("ALBERT", config(model_type="albert"),
     NO_FAMILY + "albert"),
    ("DeBERTa", deberta,
     f"encoder.checkpoint: checkpoint: {NO_FAMILY.partition(': ')[2]}'deberta-v2'"),
    ("ModernBERT, whose tokenizer is another too", modernbert,
     NO_FAMILY + "modernbert"),
    ("BERTweet, a RoBERTa whose tokenizer is another", bertweet,
     "checkpoint: expected a BERT tokenizer (one of " + ", ".join(BERT_CLASSES)
     + "), or sentencepiece.bpe.model, got BertweetTokenizer"),
    ("fewer positions than a window of RoBERTa's has", config(model_type="roberta", pad_token_id=1,
     max_position_embeddings=33),
     "encoder.max_length: at most 31, the positions of checkpoint, got 32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"), [row[1:] for row in TOKENIZERS], ids=[row[0] for row in TOKENIZERS]
)
def test_a_tokenizer(shop, line, make, message):
    shop.checkpoint()
    make(shop)
    before = shop.content()
    refused(line("inspect", "dev.conll", "--encoder", "checkpoint"), message)
    assert shop.content() == before


@pytest.mark.parametrize(
    ("make", "message"), [row[1:] for row in CONFIGURATIONS], ids=[row[0] for row in CONFIGURATIONS]
)
def test_a_configuration(shop, line, make, message):
    shop.checkpoint()
    make(shop)
    before = shop.content()
    refused(line("train", "run.yaml"), message)
    assert shop.content() == before


@pytest.mark.parametrize(
    ("make", "message"), [row[1:] for row in WEIGHTS], ids=[row[0] for row in WEIGHTS]
)
def test_weights(shop, line, make, message):
    shop.checkpoint()
    make(shop)
    before = shop.content()
    refused(line("train", "run.yaml"), message)
    assert shop.content() == before
    assert not Path("evil").exists()
