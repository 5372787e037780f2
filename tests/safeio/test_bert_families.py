"""The table of families that are BERT inside, by its names alone."""

from __future__ import annotations

import json

import pytest

from tfner.exceptions import ConfigError
from tfner.safeio import bert_families
from tfner.safeio.bert_families import BERT_FAMILIES, BertFamily, find_bert_family
from tfner.safeio.sources import check_encoder, read_size

BERT_WEIGHTS = (
    "bert.embeddings.word_embeddings.weight",
    "bert.embeddings.LayerNorm.bias",
    "bert.encoder.layer.10.attention.self.query.weight",
    "bert.encoder.layer.1.attention.output.dense.weight",
    "bert.encoder.layer.1.attention.output.LayerNorm.weight",
    "bert.encoder.layer.1.intermediate.dense.bias",
    "bert.encoder.layer.1.output.dense.bias",
    "bert.encoder.layer.1.output.LayerNorm.bias",
)


@pytest.mark.parametrize("family", BERT_FAMILIES.values(), ids=BERT_FAMILIES)
@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_names_of_weights_lead_to_berts_and_back(family, prefix):
    names = [prefix + name.removeprefix("bert.") for name in BERT_WEIGHTS]
    own = [family.own_weight(name) for name in names]
    assert [family.bert_weight(name) for name in own] == names
    assert len(set(own)) == len(names)
    assert all(name.startswith(family.prefix if prefix else "e") for name in own) or not prefix


@pytest.mark.parametrize(
    ("config", "unused"),
    [
        ({"model_type": "bert", "pad_token_id": 3}, 0),
        ({"model_type": "roberta", "pad_token_id": 1}, 2),
        ({"model_type": "roberta", "pad_token_id": 0}, 1),
        ({"model_type": "camembert"}, 2),
        ({"model_type": "xlm-roberta", "pad_token_id": None}, 2),
        ({"model_type": "xlm-roberta", "pad_token_id": -7}, 2),
        ({"model_type": "xlm-roberta", "pad_token_id": "x"}, 2),
    ],
)
def test_positions_that_no_text_has(config, unused):
    assert find_bert_family(config).unused_positions(config) == unused


@pytest.mark.parametrize("kind", ["albert", "", None, 7, ["bert"], {}])
def test_what_is_no_family(kind):
    assert find_bert_family({"model_type": kind}) is None


@pytest.fixture
def write(tmp_path):
    def write_folder(**config):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "vocab.txt").touch()
        return str(tmp_path)

    return write_folder


def test_a_window_is_no_longer_than_the_positions_of_the_family(write):
    folder = write(model_type="roberta", max_position_embeddings=514, pad_token_id=1)
    check_encoder(folder, 512)
    with pytest.raises(ConfigError, match=r"max_length: at most 512, the positions of .*, got 513"):
        check_encoder(folder, 513)


def test_a_size_may_have_a_name_of_the_familys_own(write, tmp_path):
    write(model_type="distilbert", dim=96)
    assert read_size(tmp_path / "config.json", "hidden_size") == 96
    write(model_type="distilbert", hidden_size=96)
    with pytest.raises(ConfigError, match="expected dim to be a whole number, got None"):
        read_size(tmp_path / "config.json", "hidden_size")


def test_without_a_vocabulary_an_unknown_family_is_named_with_the_known_ones(write, tmp_path):
    folder = write(model_type="deberta-v2")
    (tmp_path / "vocab.txt").unlink()
    known = "bert, camembert, distilbert, electra, roberta or xlm-roberta"
    with pytest.raises(ConfigError, match=f"expected model_type {known}, got 'deberta-v2'$"):
        check_encoder(folder, 32)


def test_a_family_is_an_entry_of_a_table(monkeypatch, write, tmp_path):
    strange = BertFamily(
        "strange",
        "odd.",
        settings={"hidden_size": "breadth"},
        weights=(("stack.", "encoder.layer."),),
        skips_positions=True,
    )
    monkeypatch.setitem(bert_families.BERT_FAMILIES, "strange", strange)
    folder = write(model_type="strange", max_position_embeddings=34, pad_token_id=1, breadth=8)
    check_encoder(folder, 32)
    assert read_size(tmp_path / "config.json", "hidden_size") == 8
    assert strange.bert_weight("odd.stack.0.output.dense.bias") == (
        "bert.encoder.layer.0.output.dense.bias"
    )
