"""Write runs as folders of transformers: what they answer, what is said, what is refused."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import tensorflow as tf
import tiny
from made_runs import write_run
from safetensors import safe_open
from safetensors.numpy import load_file

from tfner.conversion import transformers_folder
from tfner.conversion.fine_tuned import open_fine_tuned
from tfner.exceptions import ConfigError, ModelError
from tfner.model.heads.head import Head
from tfner.training.restore import restore_tagger, write_run_for_transformers

SENTENCES = [["Anna", "met", "Boris", "in", "old", "Oslo", "."], ["the", "roads"]]
TRANSITIONS = "left behind: the transitions of the CRF: "
DECODER = "left behind: the decoder: "


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "people", head="softmax", dropout=0.25)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    to = tmp_path_factory.mktemp("written") / "people"
    return write_run_for_transformers(run.path, to).path


def word_probabilities(tagger) -> np.ndarray:
    """Ask a tagger about each word of SENTENCES, [words, K]."""
    tokens = tagger.tokenizer.tokenize_words(tf.ragged.constant(SENTENCES))
    return np.exp(tagger.unit_log_probabilities(tokens).numpy())


def test_what_is_written_is_read_with_the_same_probabilities(run, written):
    expected = word_probabilities(restore_tagger(run, run.settings))
    tagger, _ = open_fine_tuned(written)
    found = word_probabilities(tagger)
    assert tagger.labels == run.load_labels()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(set(found.argmax(-1))) > 2


def test_tensors_have_the_names_and_the_layout_of_the_checkpoint(written):
    tensors = load_file(written / "model.safetensors")
    own = {name: value for name, value in tensors.items() if not name.startswith("classifier.")}
    assert own.keys() == {f"bert.{name}" for name in tiny.tensors()}
    for name, value in tiny.tensors().items():
        np.testing.assert_array_equal(own[f"bert.{name}"], value)
    assert tensors["classifier.weight"].shape == (5, tiny.CONFIG["hidden_size"])
    with safe_open(written / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}


def test_the_configuration_names_class_and_tags(written):
    config = json.loads((written / "config.json").read_text())
    tags = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["id2label"] == {str(number): tag for number, tag in enumerate(tags)}
    assert config["label2id"] == {tag: number for number, tag in enumerate(tags)}
    assert config["classifier_dropout"] == 0.25
    settings = set(tiny.CONFIG) - {"model_type"}
    assert {name: config[name] for name in settings} == {n: tiny.CONFIG[n] for n in settings}


def test_the_tokenizer_says_its_class_and_the_longest_text(written):
    config = json.loads((written / "tokenizer_config.json").read_text())
    longest = tiny.CONFIG["max_position_embeddings"]
    wanted = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    assert config == {**wanted, "model_max_length": longest}
    vocabulary = (tiny.checkpoint() / "vocab.txt").read_bytes()
    assert (written / "vocab.txt").read_bytes() == vocabulary


def test_what_a_checkpoint_says_of_code_and_machines_is_not_copied(tmp_path):
    foreign = {"auto_map": {"AutoModel": "evil.Model"}, "_name_or_path": "/home/me"}
    source = tiny.write_checkpoint(tmp_path / "checkpoint", None, **foreign)
    path = source / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **foreign}))
    config = transformers_folder.make_config(source / "config.json", ["O"], 0.1)
    transformers_folder.copy_tokenizer(tiny.tokenizer(), source, tmp_path, 64)
    copied = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert not set(foreign) & {*config, *copied}


@pytest.mark.parametrize(
    ("model", "export", "said"),
    [
        ({"head": "crf"}, {}, [TRANSITIONS]),
        ({"head": "softmax"}, {"threshold": 0.5}, [DECODER, "left behind: the threshold, 0.5"]),
        ({"head": "softmax", "decoder": "greedy"}, {}, []),
        (
            {"head": "softmax", "decoder": "greedy", "tag_scheme": "BIOES", "labelling": "piece"},
            {},
            ["left behind: the meaning of E- and S-: ", "left behind: the labelling, piece: "],
        ),
    ],
)
def test_what_stays_behind_is_said_in_the_log_and_in_the_card(
    tmp_path, caplog, model, export, said
):
    card = {"name": "people", "labels": ["PER"], "max_length": 32, "overlap": 8, "export": export}
    card |= {
        "tag_scheme": model.get("tag_scheme", "IOB2"),
        "decoder": model.get("decoder", "viterbi"),
    }
    card |= {"labelling": model.get("labelling", "word"), "tags": list(tiny.LABELS.tags)}
    classifier = tiny.classifier()
    if model["head"] == "crf":
        classifier = with_crf(classifier)
    inputs = (classifier, tiny.tokenizer(), card, tiny.checkpoint())
    with caplog.at_level(logging.WARNING):
        written = transformers_folder.write_transformers_folder(*inputs, tmp_path / "to")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(said) == len(written.left_behind)
    page = (tmp_path / "to" / "README.md").read_text()
    for message, begin, phrase in zip(messages, said, written.left_behind, strict=True):
        assert message.startswith(f"{tmp_path / 'to'}: {begin}")
        assert f"\n- {phrase}\n" in page
    strategy = "average" if model.get("labelling") == "piece" else "first"
    assert f'aggregation_strategy="{strategy}"' in page


def with_crf(model):
    """Build the same classifier with a CRF, of no transitions, over its product."""
    from tfner.model.heads.crf import CrfHead

    head = CrfHead(tiny.LABELS)
    head.build([None, None, tiny.CONFIG["hidden_size"]])
    kernel, bias = model.head.get_weights()
    head.set_weights([kernel, bias, np.zeros([len(bias)] * 2)])
    model.head = head
    return model


def test_the_command_writes_a_run_and_replaces_only_what_it_may(run, tmp_path, line):
    to = tmp_path / "people"
    ended = line("convert", run.path, "--to-hf", to)
    assert (ended.code, ended.stdout) == (0, f"written: {to}\n")
    assert DECODER in ended.stderr
    before = {path.name: path.read_bytes() for path in to.iterdir()}
    ended = line("convert", run.path, "--to-hf", to)
    expected = f"--to-hf: {to}: expected a new or an empty folder, got one with files; "
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == f"error: {expected}or add --overwrite\n"
    (to / "config.json").write_text('{"architectures": ["BertModel"]}')
    ended = line("convert", run.path, "--to-hf", to, "--overwrite")
    expected = "expected a folder whose config.json names a model …ForTokenClassification"
    assert ended.code == 2
    assert f"--to-hf: {to}: to overwrite, {expected}, got another" in ended.stderr
    (to / "config.json").write_bytes(before["config.json"])
    (to / "more").write_text("")
    assert line("convert", run.path, "--to-hf", to, "--overwrite").code == 0
    assert {path.name: path.read_bytes() for path in to.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["people"]


def test_what_fails_midway_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transformers_folder, "save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        write_run_for_transformers(run.path, tmp_path / "people")
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_somebody_elses_is_refused():
    with pytest.raises(ModelError, match=r"expected softmax or crf for transformers, got Head$"):
        transformers_folder.tensors_of_head(Head(tiny.LABELS))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--to-hf: expected a new or an empty folder, got a file"):
        transformers_folder.check_destination(tmp_path / "file", overwrite=True)
