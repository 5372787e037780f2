"""Reading the tokenizer of a checkpoint folder: what is taken over, what is refused and how."""

from __future__ import annotations

import json

import pytest
from bert_oracle import hugging_face, vocabulary, write_config, write_vocabulary

from tfner.exceptions import ModelError
from tfner.tokenizers.vocabulary import TokenizerSettings, read_checkpoint_tokenizer
from tfner.tokenizers.wordpiece import WordPieceTokenizer


@pytest.fixture
def saved(tmp_path):
    """tokenizer.json of a BERT tokenizer as an object to alter, and a function that writes it."""
    value = json.loads(
        hugging_face(
            write_vocabulary(tmp_path / "source", vocabulary()), do_lower_case=False
        )._tokenizer.to_str()
    )

    def write(altered, folder=tmp_path / "altered"):
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(altered), encoding="utf-8")
        return folder

    return value, write


def test_a_bare_vocabulary_is_lowercased_as_transformers_does(tmp_path):
    pieces, settings = read_checkpoint_tokenizer(write_vocabulary(tmp_path, vocabulary()))
    assert pieces == vocabulary()
    assert settings == TokenizerSettings()
    assert settings.strips_accents


def test_pieces_may_hold_other_line_separators(tmp_path):
    pieces = (*vocabulary(), "\u2028", "a\x0bb", "\x85", "##\u3000")
    assert read_checkpoint_tokenizer(write_vocabulary(tmp_path, pieces))[0] == pieces


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False, None])
def test_settings_are_those_that_transformers_would_use(tmp_path, lowercase, strip_accents):
    folder = write_vocabulary(tmp_path, vocabulary())
    options = {
        "do_lower_case": lowercase,
        "strip_accents": strip_accents,
        "tokenize_chinese_chars": False,
    }
    write_config(folder, **options, tokenizer_class="BertTokenizer")
    oracle = hugging_face(folder, **options)
    oracle.save_pretrained(tmp_path / "saved")
    expected = json.loads(oracle._tokenizer.to_str())["normalizer"]
    for source in (folder, tmp_path / "saved"):
        settings = read_checkpoint_tokenizer(source)[1]
        assert (settings.lowercase, settings.strip_accents) == (
            expected["lowercase"],
            expected["strip_accents"],
        )
        assert (settings.tokenize_chinese_chars, settings.clean_text) == (
            expected["handle_chinese_chars"],
            expected["clean_text"],
        )


def test_tokenizer_json_suffices_and_gives_what_its_config_does_not(saved):
    value, write = saved
    value["model"]["max_input_chars_per_word"] = 7
    folder = write(value)
    pieces, settings = read_checkpoint_tokenizer(folder)
    assert pieces == vocabulary()
    assert settings == TokenizerSettings(max_chars_per_word=7)
    write_config(folder, do_lower_case=False, unk_token={"content": "[UNK]"})
    assert not read_checkpoint_tokenizer(folder)[1].lowercase


def test_word_length_limit_of_the_file_is_kept(saved):
    value, write = saved
    value["model"]["max_input_chars_per_word"] = 7
    tokenizer = WordPieceTokenizer.from_checkpoint(write(value))
    ids = tokenizer.tokenize_text(["éééééée ééééééee"]).ids.to_list()[0]
    assert len(ids) == 8
    assert ids[-1] == tokenizer.unk_id
    assert tokenizer.unk_id not in ids[:-1]


def test_two_tokenizers_are_the_same_if_their_fingerprints_are(tmp_path):
    one = WordPieceTokenizer(vocabulary(), TokenizerSettings())
    again = WordPieceTokenizer.from_checkpoint(write_vocabulary(tmp_path, vocabulary()))
    others = [
        WordPieceTokenizer(vocabulary(), TokenizerSettings(lowercase=False)),
        WordPieceTokenizer((*vocabulary(), "zz"), TokenizerSettings()),
        WordPieceTokenizer((*vocabulary()[:-2], *vocabulary()[:-3:-1]), TokenizerSettings()),
    ]
    assert one.fingerprint() == again.fingerprint()
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 4


def refusal(folder) -> str:
    with pytest.raises(ModelError) as caught:
        WordPieceTokenizer.from_checkpoint(folder)
    return str(caught.value)


def test_a_folder_without_vocabulary_is_refused(tmp_path):
    names = "vocab.txt or tokenizer.json or sentencepiece.bpe.model or vocab.json"
    assert refusal(tmp_path) == f"expected {names} in {tmp_path}, found none"


@pytest.mark.parametrize(
    ("part", "section", "words"),
    [
        ("model", {"type": "BPE", "vocab": {}, "merges": []}, "whose model is WordPiece, got BPE"),
        (
            "model",
            {"type": "Unigram", "vocab": []},
            "got Unigram, which is read from sentencepiece",
        ),
        ("model", {"type": "WordLevel", "vocab": {}}, "whose model is WordPiece, got WordLevel"),
        (
            "normalizer",
            {"type": "Sequence", "normalizers": []},
            "whose normalizer is BertNormalizer, got Sequence",
        ),
        ("normalizer", None, "whose normalizer is BertNormalizer, got None"),
        (
            "pre_tokenizer",
            {"type": "Whitespace"},
            "whose pre_tokenizer is BertPreTokenizer, got Whitespace",
        ),
        (
            "added_tokens",
            [{"content": "<e>", "special": False}],
            "added tokens that are not special are not supported: '<e>'",
        ),
        ("model", {"type": "WordPiece", "vocab": {"a": 0, "b": 2}}, "ids from 0 up"),
        (
            "model",
            {"type": "WordPiece", "vocab": {"[UNK]": 0, "b": 1}},
            "the special tokens [CLS], [SEP], [PAD], [MASK]",
        ),
    ],
)
def test_other_tokenizers_are_refused_by_name(saved, part, section, words):
    value, write = saved
    folder = write({**value, part: section})
    assert words in refusal(folder)
    assert str(folder) in refusal(folder)


def test_a_bare_vocabulary_of_another_class_is_refused(tmp_path):
    folder = write_vocabulary(tmp_path, vocabulary())
    (folder / "config.json").write_text(
        '{"tokenizer_class": "BertJapaneseTokenizer"}', encoding="utf-8"
    )
    assert "got BertJapaneseTokenizer" in refusal(folder)


def test_two_vocabularies_must_agree(saved):
    value, write = saved
    folder = write_vocabulary(write(value), vocabulary())
    assert read_checkpoint_tokenizer(folder)[0] == vocabulary()
    write_vocabulary(folder, (*vocabulary(), "more"))
    assert "vocab.txt and tokenizer.json differ" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer.json", b"{", "tokenizer.json:1:2: not valid JSON: expecting property name"),
        ("tokenizer.json", b"[]", "tokenizer.json: expected a JSON object, got []"),
        ("vocab.txt", b"\xff", "vocab.txt:1: expected text in utf-8, got the byte 0xff"),
        (
            "vocab.txt",
            b"a\nb\na\n",
            "vocab.txt:3: expected every piece once, got 'a' again after line 1",
        ),
        (
            "vocab.txt",
            "".join(f"{piece}\n" for piece in (*vocabulary(), "x" * 300)).encode(),
            "exceeds the max supported",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path)
