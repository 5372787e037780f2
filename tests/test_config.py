"""Settings: what is right is resolved and runs again, what is wrong is named with its key."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tfner.config import RunSettings, load_settings
from tfner.exceptions import ConfigError
from tfner.safeio.validation import validate
from tfner.training.state.run_folder import RunFolder


@pytest.fixture
def encoder(tmp_path):
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "max_position_embeddings": 64})
    )
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    return folder


@pytest.fixture
def write(tmp_path, encoder):
    def write_config(**values):
        path = tmp_path / "run.yaml"
        smallest = {
            "name": "trial",
            "encoder": {"checkpoint": str(encoder), "max_length": 32, "overlap": 8},
        }
        path.write_text(yaml.safe_dump({**smallest, **values}))
        return path

    return write_config


def test_the_resolved_configuration_gives_the_same_settings(write, tmp_path):
    settings = load_settings(
        write(training={"epochs": 7}),
        ["seed=3", "model.head=softmax", "training.class_weights={O: 0.5}", "labels=[PER, LOC]"],
    )
    again = tmp_path / "resolved.yaml"
    again.write_text(settings.to_yaml())
    assert load_settings(again) == settings
    assert (settings.training.epochs, settings.seed, settings.labels) == (7, 3, ("PER", "LOC"))
    assert settings.training.class_weights == {"O": 0.5}


def test_paths_follow_the_environment_and_the_working_directory(write, tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS", str(tmp_path))
    (tmp_path / "train.conll").write_text("a O\n")
    settings = load_settings(write(data={"train": "${CORPUS}/train.conll"}))
    assert settings.data.train == str(tmp_path / "train.conll")
    monkeypatch.chdir(tmp_path)
    assert load_settings(write(data={"train": "train.conll"})).data.train == "train.conll"
    assert str(settings.run_dir) == "runs/trial"
    assert str(settings.export_dir) == "saved_models/trial"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training.learning_rte=1"],
            "training.learning_rte: unknown; did you mean training.learning_rate?",
        ),
        (["training.lr=1"], "training.lr: unknown; did you mean training.learning_rate?"),
        (["training.bs=1"], "training.bs: unknown; did you mean training.batch_size?"),
        (["training.rate=1"], "training.rate: unknown; did you mean training.learning_rate?"),
        (["training.xyz=1"], "training.xyz: unknown; known here: training.epochs, training.min_"),
        (["training.max_length=9"], "training.max_length: unknown; did you mean encoder.max_len"),
        (["training.droput=1"], "training.droput: unknown; did you mean model.dropout?"),
        (["trainig.epochs=1"], "trainig: unknown; did you mean training?"),
        (["learning_rate=1"], "learning_rate: unknown; did you mean training.learning_rate?"),
        (["data.xyzzy=1"], "data.xyzzy: unknown; known here: data.format, data.encoding"),
        (
            ["training.batch_size=many"],
            "training.batch_size: input should be a valid integer, unable to parse string as an "
            "integer, got 'many'",
        ),
        (
            ["training.batch_size=0"],
            "training.batch_size: input should be greater than or equal to 1, got 0",
        ),
        (
            ["training.epochs=many"],
            "training.epochs: expected auto or a whole number of at least 1, got 'many'",
        ),
        (
            ["training.learning_rate=-1"],
            "training.learning_rate: expected auto or a number above 0, got -1",
        ),
        (
            ["training.head_learning_rate=.nan"],
            "training.head_learning_rate: expected auto, a number above 0 or null, got nan",
        ),
        (
            ["training.head_learning_rate=0"],
            "training.head_learning_rate: expected auto, a number above 0 or null, got 0",
        ),
        (
            ["training.transition_learning_rate=-1"],
            "training.transition_learning_rate: expected auto, a number above 0 or null, got -1",
        ),
        (
            ["training.tag_prior=1.5"],
            "training.tag_prior: expected auto or a number from 0 to 1, got 1.5",
        ),
        (
            ["training.tag_prior=true"],
            "training.tag_prior: expected auto or a number from 0 to 1, got True",
        ),
        (
            ["training.precision=float64"],
            "precision: input should be 'float32', 'mixed_bfloat16' or 'mixed_float16', got "
            "'float64'",
        ),
        (
            ["training.batching=sorted"],
            "training.batching: input should be 'bucketed', 'packed' or 'padded', got 'sorted'",
        ),
        (
            ["training.bucket_lengths=[32, 16]"],
            "training: bucket_lengths: expected rising lengths of at least 4, got [32, 16]",
        ),
        (
            ["export.threshold=50"],
            "export: threshold: expected probabilities between 0 and 1, got 50.0",
        ),
        (
            ["export.threshold={PER: -1}"],
            "export: threshold: expected probabilities between 0 and 1, got {'PER': -1.0}",
        ),
        (
            ["training.label_smoothing=0.1"],
            "training.label_smoothing: expected 0 with model.head crf; model.head softmax takes it",
        ),
        (
            ["training.class_weights={O: 0.5}"],
            "training.class_weights: expected none with model.head crf; model.head softmax takes "
            "it",
        ),
        (["labels=PER"], "labels: expected a list in brackets, got 'PER'"),
        (
            ["training.bucket_lengths=16"],
            "training.bucket_lengths: expected a list in brackets, got 16",
        ),
        (
            ["training.teachers=3"],
            "training.teachers: expected a list in brackets, got 3",
        ),
        (["training.monitor=val_f1"], "training.monitor: input should be 'val_entity_f1'"),
        (
            ["encoder.overlap=20"],
            "encoder: overlap: at most half of max_length - 2, that is 15, got 20",
        ),
        (
            ["name=a/b"],
            "name: expected letters, digits, '.', '_' and '-', beginning with a letter or digit, "
            "got 'a/b'",
        ),
        (["name=.."], "name: expected letters"),
        (["encoder.max_length=65"], "encoder.max_length: at most 64, the positions of"),
        (["data.train=nowhere.conll"], "data.train: no such file or folder: nowhere.conll"),
        (
            ["data.train=$UNSET_HERE/x"],
            "data.train: the environment variable UNSET_HERE is not set",
        ),
        (
            ["data.train=embedded:no/such"],
            "embedded:no/such: the package holds no such file or folder",
        ),
        (
            ["encoder.checkpoint=./no/such/folder"],
            "encoder.checkpoint: no such folder: ./no/such/folder",
        ),
        (["epochs"], "'epochs': expected key.path=value, for example training.epochs=3"),
        (["seed.x=1", "seed.x.y=2"], "seed.x.y: x is a value, not a group of settings"),
        (["training.epochs=[1"], "training.epochs: not a YAML value: '[1'"),
    ],
)
def test_a_mistake_is_named_with_its_key(write, overrides, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_settings(write(), overrides)


def test_a_head_of_another_name_says_for_itself_what_it_does_not_take(write):
    for head in ("softmax", "of_a_stranger"):
        chosen = f"model.head={head}", "training.label_smoothing=0.1"
        assert load_settings(write(), chosen).training.label_smoothing == 0.1


def test_one_teacher_needs_no_list(write, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELS", str(tmp_path))
    expected = (str(tmp_path),)
    for given in (str(tmp_path), "$MODELS", "[$MODELS]"):
        settings = load_settings(write(), [f"training.teachers={given}"])
        assert settings.training.teachers == expected
    assert load_settings(write(training={"teachers": "$MODELS"})).training.teachers == expected


def test_all_mistakes_are_told_at_once(write):
    with pytest.raises(ConfigError) as error:
        load_settings(write(), ["training.epochs=0", "sed=3"])
    assert "training.epochs" in str(error.value)
    assert "did you mean seed?" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- 1\n", "expected a mapping of settings, got list"),
        (b"name: [\n", "2:1: not valid YAML: while parsing a flow node, expected the node content"),
        (b"\xff\xfe\x00", "1: expected text in utf-8, got the byte 0xff"),
        (b"name: x\n", "encoder: required, but not given"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{re.escape(str(path))}: ?{message}"):
        load_settings(path)


def test_a_configuration_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read: No such file or directory"):
        load_settings(tmp_path / "none.yaml")


def test_an_encoder_folder_must_hold_a_vocabulary_and_a_configuration(write, encoder):
    (encoder / "vocab.txt").unlink()
    with pytest.raises(
        ConfigError,
        match=r"expected the vocabulary, vocab.txt or tokenizer.json or sentencepiece.bpe.model or "
        r"vocab.json, in this folder, found none",
    ):
        load_settings(write())
    (encoder / "config.json").write_text("{}")
    (encoder / "vocab.txt").touch()
    with pytest.raises(
        ConfigError, match="expected max_position_embeddings to be a whole number, got None"
    ):
        load_settings(write())
    (encoder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"expected a config.json in this folder, found none"):
        load_settings(write())


@pytest.mark.parametrize(
    ("values", "overrides", "notice"),
    [
        ({"export": {"slice_pieces": 1024}}, [], "{path}: export.slice_pieces is now {new}"),
        ({}, ["export.slice_pieces=1024"], "command line: export.slice_pieces is now {new}"),
    ],
)
def test_a_key_of_an_earlier_version_is_taken_with_a_notice(
    write, caplog, values, overrides, notice
):
    path = write(**values)
    settings = load_settings(path, overrides)
    assert settings.export.max_pieces_per_pass == 1024
    new = "export.max_pieces_per_pass"
    assert caplog.messages == [notice.format(path=path, new=new)]
    assert "slice_pieces" not in settings.to_yaml()


def test_windows_overlap_by_what_they_can_unless_it_is_said(write):
    for longest, overlap in ((128, 32), (64, 31), (16, 7)):
        encoder = {"checkpoint": "embedded:quickstart/encoder", "max_length": longest}
        assert load_settings(write(encoder=encoder)).encoder.overlap == overlap
    with pytest.raises(ConfigError) as caught:
        load_settings(write(encoder={**encoder, "max_length": "long"}))
    (mistake,) = str(caught.value).split("; ")
    assert "encoder.max_length: input should be a valid integer" in mistake


def test_an_old_and_a_new_key_together_are_refused(write):
    path = write(export={"slice_pieces": 1024, "max_pieces_per_pass": 512})
    message = "export.slice_pieces: is now export.max_pieces_per_pass, which is given too"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        load_settings(path)


def test_a_run_folder_of_an_earlier_version_has_its_settings_without_a_notice(write, caplog):
    path = write()
    settings = load_settings(path, ["model.head=softmax"])
    folder = RunFolder(path.parent / "run")
    folder.create(settings, path.parent / "encoder", {})
    values = yaml.safe_load(folder.config.read_text())
    del values["model"]["head"]
    values["export"]["slice_pieces"] = values["export"].pop("max_pieces_per_pass")
    folder.config.write_text(yaml.safe_dump(values))
    RunFolder(folder.path).check_same(settings)
    assert RunFolder(folder.path).settings == settings
    assert caplog.messages == []


def test_every_configuration_that_we_ship_is_valid_and_opens_with_its_command(
    pytestconfig, monkeypatch
):
    for variable in ("TFNER_DATA", "TFNER_ENCODER", "TFNER_MULTILINGUAL", "CONLL2003"):
        monkeypatch.setenv(variable, "somewhere")
    paths = sorted((pytestconfig.rootpath / "configs").glob("*.yaml"))
    assert {path.stem for path in paths} == {
        "quickstart",
        "wnut17",
        "conll2003",
        "ncbi_disease",
        "documents",
        "multilingual",
    }
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert f"python -m tfner.train configs/{path.name}" in text.splitlines()[0]
        validate(yaml.safe_load(text), RunSettings, path.name)


def test_the_head_learns_faster_unless_told_otherwise(write):
    path = write()
    for override, wanted in (("1e-3", 1e-3), ("null", None), ("auto", 1.8e-3)):
        settings = load_settings(path, [f"training.head_learning_rate={override}"])
        rate = settings.training.optimizer_options(384)["head_learning_rate"]
        assert rate == (wanted and pytest.approx(wanted))
    settings = load_settings(path, ["training.learning_rate=5e-5"])
    assert settings.training.optimizer_options(384)["head_learning_rate"] == pytest.approx(7.5e-4)


def test_transitions_have_a_rate_of_their_own_unless_told_otherwise(write):
    path = write()

    def rate_of(*overrides: str) -> float | None:
        settings = load_settings(path, [f"training.{override}" for override in overrides])
        return settings.training.optimizer_options(384)["transition_learning_rate"]

    assert rate_of() == rate_of("learning_rate=1e-3", "head_learning_rate=null") == 2e-2
    assert rate_of("transition_learning_rate=3e-3") == 3e-3
    assert rate_of("transition_learning_rate=null") is None


def test_a_wide_encoder_learns_more_slowly_unless_told_otherwise(write):
    settings = load_settings(write(), ["training.learning_rate=auto"])
    rates = {width: settings.training.optimizer_options(width) for width in (384, 768)}
    assert rates[384]["learning_rate"] == pytest.approx(1.2e-4)
    assert rates[768]["learning_rate"] == pytest.approx(3e-5)
    assert rates[768]["head_learning_rate"] == pytest.approx(4.5e-4)
