"""A checkpoint folder's tokenizer has the settings that transformers' AutoTokenizer gives it."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path

import pytest
from bert_oracle import hugging_face, vocabulary, write_config, write_vocabulary
from transformers import AutoTokenizer

from tfner.tokenizers.vocabulary import BERT_CLASSES, TokenizerSettings, read_checkpoint_tokenizer

UNSET = "unset"
UNLIKE_THE_DEFAULTS = {"lowercase": False, "strip_accents": True, "handle_chinese_chars": False}
AS_THE_DEFAULTS = {"lowercase": True, "strip_accents": None, "handle_chinese_chars": True}
FILES = {"none": None, "default": AS_THE_DEFAULTS, "other": UNLIKE_THE_DEFAULTS}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """tokenizer.json of a BERT tokenizer as text, for any normalizer."""
    source = write_vocabulary(tmp_path_factory.mktemp("source"), vocabulary())
    content = json.loads(hugging_face(source)._tokenizer.to_str())

    def with_normalizer(settings: dict) -> str:
        normalizer = {**content["normalizer"], **settings}
        return json.dumps({**content, "normalizer": normalizer})

    return with_normalizer


def write_folder(folder: Path, saved, normalizer: dict | None, config: dict, *, txt: bool) -> Path:
    """A checkpoint folder: tokenizer.json where `normalizer` is given, vocab.txt where `txt` is."""
    folder.mkdir(exist_ok=True)
    if txt:
        write_vocabulary(folder, vocabulary())
    if normalizer is not None:
        (folder / "tokenizer.json").write_text(saved(normalizer), encoding="utf-8")
    write_config(folder, **config)
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    return folder


def expected_of(folder: Path) -> tuple:
    """The four settings of the normalizer that AutoTokenizer gives."""
    tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    found = json.loads(tokenizer.normalizer.__getstate__())
    names = ("lowercase", "strip_accents", "handle_chinese_chars", "clean_text")
    return tuple(found[name] for name in names)


def found_in(folder: Path) -> tuple:
    found = read_checkpoint_tokenizer(folder)[1]
    return found.lowercase, found.strip_accents, found.tokenize_chinese_chars, found.clean_text


def configs():
    """Every choice of set, unset and contradicting settings in tokenizer_config.json."""
    lowercase, accents, chinese = (True, False, UNSET), (True, False, None, UNSET), (False, UNSET)
    for values in itertools.product(lowercase, accents, chinese):
        names = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
        given = dict(zip(names, values, strict=True))
        yield {name: value for name, value in given.items() if value != UNSET}


@pytest.mark.parametrize("kind", [None, "BertTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("txt", [True, False])
def test_settings_are_those_of_auto_tokenizer(tmp_path, saved, kind, file, txt):
    no_file = FILES[file] is None
    if no_file and (kind == "PreTrainedTokenizerFast" or not txt):
        pytest.skip("no tokenizer: AutoTokenizer refuses such a folder")
    named = {} if kind is None else {"tokenizer_class": kind}
    for number, config in enumerate(configs()):
        folder = tmp_path / str(number)
        write_folder(folder, saved, FILES[file], {**named, **config}, txt=txt)
        assert found_in(folder) == expected_of(folder), config


@pytest.mark.parametrize("kind", BERT_CLASSES)
def test_every_class_of_berts_kind_overrules_its_file(tmp_path, saved, kind):
    folder = tmp_path / kind
    write_folder(folder, saved, UNLIKE_THE_DEFAULTS, {"tokenizer_class": kind}, txt=False)
    assert found_in(folder) == expected_of(folder) == (True, None, True, True)


@pytest.mark.parametrize("kind", ["RobertaTokenizer", "PreTrainedTokenizerFast"])
def test_other_classes_leave_the_file_as_it_is(tmp_path, saved, kind):
    folder = tmp_path / kind
    config = {"tokenizer_class": kind, "do_lower_case": True}
    write_folder(folder, saved, UNLIKE_THE_DEFAULTS, config, txt=False)
    assert found_in(folder) == expected_of(folder) == (False, True, False, True)


def test_a_class_named_in_config_json_counts_where_no_other_is_named(tmp_path, saved):
    folder = write_folder(tmp_path / "folder", saved, UNLIKE_THE_DEFAULTS, {}, txt=False)
    config = {"model_type": "bert", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert found_in(folder) == expected_of(folder) == (False, True, False, True)


def test_a_folder_that_names_no_class_is_read_as_berts(tmp_path, saved):
    (tmp_path / "tokenizer.json").write_text(saved(UNLIKE_THE_DEFAULTS), encoding="utf-8")
    assert read_checkpoint_tokenizer(tmp_path)[1] == TokenizerSettings()


def test_one_warning_says_where_file_and_class_disagree(tmp_path, saved, caplog):
    folder = write_folder(
        tmp_path / "folder", saved, UNLIKE_THE_DEFAULTS, {"strip_accents": True}, txt=False
    )
    with caplog.at_level(logging.WARNING, logger="tfner"):
        assert found_in(folder) == expected_of(folder) == (True, True, True, True)
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder / 'tokenizer.json'}: says lowercase=False, tokenize_chinese_chars=False; "
        "transformers' BertTokenizer "
        "goes by tokenizer_config.json and its own defaults, and so does tfner: lowercase=True, "
        "tokenize_chinese_chars=True. Say do_lower_case, tokenize_chinese_chars in "
        "tokenizer_config.json "
        "if the file is right"
    ]


@pytest.mark.parametrize(
    ("normalizer", "config"),
    [
        (AS_THE_DEFAULTS, {}),
        (UNLIKE_THE_DEFAULTS, {"tokenizer_class": "PreTrainedTokenizerFast"}),
        (
            UNLIKE_THE_DEFAULTS,
            {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
        ),
    ],
)
def test_where_file_and_class_agree_nothing_is_said(tmp_path, saved, caplog, normalizer, config):
    folder = write_folder(tmp_path / "folder", saved, normalizer, config, txt=False)
    with caplog.at_level(logging.WARNING, logger="tfner"):
        assert found_in(folder) == expected_of(folder)
    assert not caplog.records
