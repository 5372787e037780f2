"""Reading a checkpoint's byte-level BPE: which folders have one, what is refused and why."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest
import tiny
import tiny_bytes
import tiny_pieces
from tiny_bytes import SPECIAL, merges, merges_txt, trained, vocab_json, write_bytes

from tfner.exceptions import ModelError
from tfner.tokenizers.byte_pair import BytePairTokenizer
from tfner.tokenizers.byte_pair_model import read_byte_pair
from tfner.tokenizers.registry import open_tokenizer, tokenizer_files
from tfner.tokenizers.sentencepiece import SentencePieceTokenizer
from tfner.tokenizers.wordpiece import WordPieceTokenizer


def saved(**changes):
    """tokenizer.json with other sections, or with other settings of its model."""
    found = copy.deepcopy(trained())
    for name, value in changes.items():
        if name in found:
            found[name] = value
        else:
            found["model"][name] = value
    return found


def refusal(folder) -> str:
    with pytest.raises(ModelError) as caught:
        open_tokenizer(folder)
    return str(caught.value).replace(str(folder), "FOLDER")


# --- what is taken --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokenizer_config", "config"),
    [
        ({"tokenizer_class": "RobertaTokenizer"}, {}),
        ({"tokenizer_class": "RobertaTokenizerFast"}, {}),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, {}),
        ({}, {"tokenizer_class": "RobertaTokenizer"}),
        ({"add_prefix_space": False}, {"model_type": "roberta"}),
    ],
)
@pytest.mark.parametrize("file", ["vocab.json", "tokenizer.json"])
def test_a_folder_is_known_by_its_class_or_by_the_files_alone(
    tmp_path, tokenizer_config, config, file
):
    write_bytes(tmp_path, saved=saved() if file == "tokenizer.json" else None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 999, **config}))
    found = open_tokenizer(tmp_path)
    assert isinstance(found, BytePairTokenizer)
    assert found.fingerprint() == tiny_bytes.tokenizer().fingerprint()


def test_files_beside_another_vocabulary_change_nothing(tmp_path):
    shutil.copytree(tiny.checkpoint(), tmp_path / "bert")
    shutil.copytree(tiny_pieces.checkpoint(), tmp_path / "pieces")
    for folder in tmp_path / "bert", tmp_path / "pieces":
        (folder / "vocab.json").write_text(json.dumps(vocab_json()))
        (folder / "merges.txt").write_text(merges_txt())
    assert isinstance(open_tokenizer(tmp_path / "bert"), WordPieceTokenizer)
    assert isinstance(open_tokenizer(tmp_path / "pieces"), SentencePieceTokenizer)


def test_its_files_are_copied_and_downloaded_with_a_checkpoint():
    assert {"vocab.json", "merges.txt", "tokenizer.json"} <= set(tokenizer_files())


def test_both_ways_to_write_merges_and_a_token_that_is_added(tmp_path):
    lists = saved(merges=[line.split(" ") for line in merges()])
    plain = read_byte_pair(write_bytes(tmp_path / "lists", saved=lists))
    assert plain.fingerprint == tiny_bytes.tokenizer().fingerprint()
    token = {"content": "<e>", "id": len(vocab_json()), "special": True}
    added = saved(added_tokens=[*trained()["added_tokens"], token])
    folder = write_bytes(tmp_path / "added", saved=added, mask_token={"content": "<e>"})
    found = read_byte_pair(folder)
    assert found.vocabulary == (*plain.vocabulary, "<e>")
    assert found.special_ids == (*plain.special_ids[:3], token["id"])
    # a tokenizer.json may add tokens to the files beside it
    write_bytes(tmp_path / "added", mask_token="<e>")
    assert read_byte_pair(folder).fingerprint == found.fingerprint


def test_gpt_2s_class_has_the_special_tokens_that_are_named(tmp_path):
    named = dict(zip(("cls_token", "pad_token", "sep_token"), SPECIAL, strict=False))
    write_bytes(tmp_path, tokenizer_class="GPT2TokenizerFast", **named)
    message = "FOLDER/tokenizer_config.json: expected the text of the mask_token, got None"
    assert refusal(tmp_path) == message
    write_bytes(tmp_path, tokenizer_class="GPT2Tokenizer", mask_token="<mask>", **named)
    assert open_tokenizer(tmp_path).fingerprint() == tiny_bytes.tokenizer().fingerprint()


def test_fingerprints_differ_where_ids_may(tmp_path):
    lines = merges()
    swapped = [lines[1], lines[0], *lines[2:]]
    ids = dict(vocab_json())
    ids["a"], ids["b"] = ids["b"], ids["a"]
    folders = [
        write_bytes(tmp_path / "same", name_or_path="elsewhere"),
        write_bytes(tmp_path / "merges", lines=swapped),
        write_bytes(tmp_path / "ids", ids),
        write_bytes(tmp_path / "special", cls_token="<unk>"),
    ]
    fingerprints = [read_byte_pair(folder).fingerprint for folder in folders]
    assert fingerprints[0] == tiny_bytes.tokenizer().fingerprint()
    assert len(set(fingerprints)) == 4


# --- what is refused ------------------------------------------------------------------------------

ALL = "two pieces with one space between"
LINES = [
    ("an unknown piece", [*merges()[:3], "Ġ ĠQQ"],
     "merges.txt:5: expected pieces of the vocabulary, got 'ĠQQ' in 'Ġ ĠQQ'"),
    ("an unknown result", [*merges()[:3], "Q Q"],
     "merges.txt:5: expected pieces of the vocabulary, got 'QQ' in 'Q Q'"),
    ("twice", [*merges()[:3], merges()[1]],
     f"merges.txt:5: expected every merge once, got {merges()[1]!r} again after "
     "FOLDER/merges.txt:3"),
    ("one piece", ["Ġa"], f"merges.txt:2: expected {ALL}, got 'Ġa'"),
    ("three pieces", ["Ġ a b"], f"merges.txt:2: expected {ALL}, got 'Ġ a b'"),
    ("two spaces", ["Ġ  a"], f"merges.txt:2: expected {ALL}, got 'Ġ  a'"),
    ("a blank line", [merges()[0], "", merges()[1]], f"merges.txt:3: expected {ALL}, got ''"),
    ("another end of line", [merges()[0] + "\r"],
     f"merges.txt:2: expected pieces of the vocabulary, got "
     f"{merges()[0].split()[1] + chr(13)!r} in {merges()[0] + chr(13)!r}"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "message"), [case[1:] for case in LINES], ids=[c[0] for c in LINES]
)
def test_a_wrong_line_is_named_with_its_number(tmp_path, lines, message):
    assert refusal(write_bytes(tmp_path, lines=lines)) == f"FOLDER/{message}"


def test_a_file_of_merges_without_a_begin_or_an_end(tmp_path):
    write_bytes(tmp_path)
    path = tmp_path / "merges.txt"
    path.write_text("\n".join(merges()) + "\n")
    expected = "FOLDER/merges.txt:1: expected a line that begins with #version"
    assert refusal(tmp_path) == f"{expected}, got {merges()[0]!r}"
    path.write_text("")
    assert refusal(tmp_path) == f"{expected}, got ''"
    path.write_text("#version: 0.2\nĠ a\nĠ th")
    assert refusal(tmp_path) == "FOLDER/merges.txt:3: expected a line that is ended, got 'Ġ th'"
    path.write_text("#version: 0.2")
    assert "merges.txt:1: expected a line that is ended" in refusal(tmp_path)
    path.write_bytes(b"#version: 0.2\n\xff \xff\n")
    assert refusal(tmp_path).endswith("merges.txt:2: expected text in utf-8, got the byte 0xff")


def changed(**pieces: int | None) -> dict[str, int]:
    """Give vocab.json with other ids; None takes a piece away."""
    found = {**vocab_json(), **pieces}
    return {piece: id for piece, id in found.items() if id is not None}


def renamed(**pieces: str) -> dict[str, int]:
    return {pieces.get(piece, piece): id for piece, id in vocab_json().items()}


BYTE = {"Ĳ": "zz"}  # as a keyword Python would write it as two letters
VOCABULARIES = [
    ("a hole", changed(a=999), "vocab.json: expected the vocabulary to give the ids from 0 up, "
     f"each to one piece, got none for {vocab_json()['a']}"),
    ("an id for two", changed(a=7), "vocab.json: expected the vocabulary to give the ids from 0 "
     "up, each to one piece, got 7 for two"),
    ("a text for an id", {"a": "0"}, "vocab.json: expected the vocabulary to be an object, which "
     "gives each piece a whole number, got {'a': '0'}"),
    ("a byte without a piece", renamed(**BYTE),
     "vocab.json: expected a piece for every byte, got none for 0x90"),
    ("no mask", renamed(**{"<mask>": "<hide>"}), "tokenizer_config.json: expected the mask_token "
     "to be in the vocabulary, got '<mask>'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("vocabulary", "message"), [case[1:] for case in VOCABULARIES], ids=[c[0] for c in VOCABULARIES]
)
def test_a_wrong_vocabulary_is_named(tmp_path, vocabulary, message):
    assert refusal(write_bytes(tmp_path, vocabulary, [])) == f"FOLDER/{message}"


def test_many_bytes_without_a_piece_are_counted(tmp_path):
    few = [*SPECIAL, *"abcdefgh"]
    write_bytes(tmp_path, {piece: id for id, piece in enumerate(few)}, [])
    assert refusal(tmp_path).endswith("got none for 0x00, 0x01, 0x02, 0x03, 0x04 and 243 more")


def test_a_missing_file_and_one_that_is_no_json(tmp_path):
    write_bytes(tmp_path)
    (tmp_path / "merges.txt").unlink()
    expected = "expected vocab.json and merges.txt, or tokenizer.json, in FOLDER, found"
    assert refusal(tmp_path) == f"{expected} vocab.json alone"
    (tmp_path / "vocab.json").unlink()
    assert refusal(tmp_path) == f"{expected} none"
    write_bytes(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 0,')
    assert refusal(tmp_path).startswith("FOLDER/vocab.json:1:9: not valid JSON")


SAVED = [
    ("another model", saved(model={"type": "Unigram"}), "whose model is BPE, got 'Unigram'"),
    ("another cut", saved(pre_tokenizer={"type": "Whitespace"}),
     "whose pre_tokenizer is ByteLevel, got 'Whitespace'"),
    ("a normalizer", saved(normalizer={"type": "NFC"}), "without a normalizer, got 'NFC'"),
    ("no rule", saved(pre_tokenizer={"type": "ByteLevel", "use_regex": False}),
     "expected pre_tokenizer.use_regex to be true, got False"),
    ("chance", saved(dropout=0.1), "expected model.dropout to be None, got 0.1"),
    ("words first", saved(ignore_merges=True),
     "expected model.ignore_merges to be False, got True"),
    ("an end of words", saved(end_of_word_suffix="</w>"),
     "expected model.end_of_word_suffix to be '', got '</w>'"),
    ("no merges", saved(merges=None), "expected model.merges to be a list, got None"),
    ("a wrong merge", saved(merges=[["a", "b", "c"]]),
     f"model.merges[0]: expected {ALL}, got ['a', 'b', 'c']"),
    ("an added word", saved(added_tokens=[{"content": "oslo", "id": 600, "special": False}]),
     "added tokens that are not special are not supported: 'oslo'"),
    ("an added token without id", saved(added_tokens=[{"content": "<e>", "special": True}]),
     "gives each piece a whole number, got "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"), [case[1:] for case in SAVED], ids=[c[0] for c in SAVED]
)
def test_a_saved_tokenizer_of_another_kind_is_named(tmp_path, value, message):
    found = refusal(write_bytes(tmp_path, saved=value))
    assert found.startswith("FOLDER/tokenizer.json: ")
    assert message in found


def test_files_that_disagree(tmp_path):
    write_bytes(tmp_path, saved=saved(merges=[merges()[1], merges()[0]]))
    write_bytes(tmp_path)
    message = "FOLDER: merges.txt and tokenizer.json differ, expected the same merges in the same"
    assert refusal(tmp_path) == f"{message} order"
    write_bytes(tmp_path, saved=saved())
    write_bytes(tmp_path, renamed(**{"<unk>": "<none>"}))
    message = "FOLDER: vocab.json and tokenizer.json differ, expected the same pieces with the same"
    assert refusal(tmp_path) == f"{message} ids"


def test_another_class_and_another_alphabet_are_named(tmp_path):
    write_bytes(tmp_path, tokenizer_class="CLIPTokenizer")
    expected = "FOLDER: expected a tokenizer of a known family beside vocab.json (RobertaTokenizer"
    assert refusal(tmp_path).startswith(expected)
    assert refusal(tmp_path).endswith("got 'CLIPTokenizer'")
    ids = {**vocab_json(), "東": len(vocab_json()), "東東": len(vocab_json()) + 1}
    write_bytes(tmp_path, ids, ["東 東"])
    message = "FOLDER/merges.txt:2: expected pieces in GPT-2's alphabet of bytes, got '東 東'"
    assert refusal(tmp_path) == message


def test_a_special_token_that_a_text_is_cut_into(tmp_path):
    made = "".join(merges()[0].split())
    write_bytes(tmp_path, mask_token=made)
    expected = f"FOLDER: expected special tokens that no text is cut into, got {made!r}"
    assert refusal(tmp_path) == expected


def test_more_pieces_than_embeddings_and_a_link_out_of_the_folder(tmp_path):
    write_bytes(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text('{"vocab_size": 300}')
    expected = "FOLDER: expected at most 300 pieces in the vocabulary, as config.json says, got"
    assert refusal(tmp_path / "a").startswith(expected)
    write_bytes(tmp_path / "b")
    (tmp_path / "b" / "merges.txt").unlink()
    (tmp_path / "b" / "merges.txt").symlink_to("../a/merges.txt")
    assert "merges.txt: expected a file of this folder, got a link to" in refusal(tmp_path / "b")


def test_merges_are_by_rank(tmp_path):
    model = read_byte_pair(write_bytes(tmp_path))
    left, right, both = model.merges.T
    pieces = np.array(model.vocabulary, object)
    assert (pieces[left] + pieces[right] == pieces[both]).all()
    assert [f"{a} {b}" for a, b in zip(pieces[left], pieces[right], strict=True)] == merges()
