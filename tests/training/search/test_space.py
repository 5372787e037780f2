"""What a search tries: read from YAML, checked against the settings of a run."""

from __future__ import annotations

import subprocess
import sys

import pytest
import searches
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tfner.config import RunSettings, load_settings, load_with_tuning
from tfner.exceptions import ConfigError
from tfner.training.search.dimensions import Choices, Numbers
from tfner.training.search.space import read_tuning

EXAMPLE = """
space:
  training.learning_rate: {low: 5e-5, high: 5e-4, log: true}
  training.batch_size: [16, 32]
  model.head: [softmax, crf]
  training.epochs: {low: 2, high: 6}
"""


def read(text, head="crf", **training):
    values = {"name": "a", "encoder": {"checkpoint": "none"}, "model": {"head": head}}
    values["training"] = {"learning_rate": 3e-5, **training}
    settings = RunSettings.model_validate(values)
    return read_tuning(yaml.safe_load(text), settings, "run.yaml")


def test_a_space_holds_what_its_settings_hold():
    space, prunes = read(EXAMPLE, epochs=3)
    assert prunes
    assert space.dimensions == {
        "training.learning_rate": Numbers(5e-5, 5e-4, log=True, step=None, whole=False),
        "training.batch_size": Choices((16, 32)),
        "model.head": Choices(("softmax", "crf")),
        "training.epochs": Numbers(2, 6, log=False, step=None, whole=True),
    }
    assert [type(bound) for bound in vars(space.dimensions["training.epochs"]).values()][:2] == [
        int,
        int,
    ]


def test_groups_may_hold_their_settings_and_numbers_may_be_text():
    space, prunes = read(
        "{pruner: none, space: {training: {head_learning_rate: [auto, 2e-3, null],"
        " clip_norm: {low: 1, high: 3}}, model: {dropout: {low: 0, high: 0.5, step: 1e-1}}}}"
    )
    assert not prunes
    assert space.dimensions == {
        "training.head_learning_rate": Choices(("auto", 2e-3, None)),
        "training.clip_norm": Numbers(1.0, 3.0, log=False, step=None, whole=False),
        "model.dropout": Numbers(0.0, 0.5, log=False, step=0.1, whole=False),
    }


REFUSED = [
    ("spce: {}", "tune.spce: unknown; did you mean tune.space?"),
    ("3", "tune: input should be a valid dictionary or instance of TuneSettings, got 3"),
    ("pruner: mean", "tune.pruner: input should be 'median' or 'none', got 'mean'"),
    ("space: {}", "tune.space: expected at least one setting, got none"),
    ("space: {training.learning_rte: [1, 2]}",
     "tune.space: training.learning_rte: unknown; did you mean training.learning_rate?"),
    ("space: {trainin.epochs: [1, 2]}",
     "tune.space: trainin.epochs: unknown; did you mean training.epochs?"),
    ("space: {training.lr: [1e-4, 2e-4]}",
     "tune.space: training.lr: unknown; did you mean training.learning_rate?"),
    ("space: {training.teachers: [a, b]}",
     "tune.space: training.teachers: expected a setting of plain values, got one of tuples"),
    ("space: {training.batch_size: [16, many]}",
     "tune.space: training.batch_size: input should be a valid integer, unable to parse string as "
     "an integer, got 'many'"),
    ("space: {training.batch_size: [16]}",
     "tune.space: training.batch_size: expected two values or more; one is set in its group, got "
     "[16]"),
    ("space: {training.bucket_lengths: [[8, 16], [8]]}",
     "tune.space: training.bucket_lengths: expected plain values, got [8, 16]"),
    ("space: {training.epochs: 3}",
     "tune.space: training.epochs: expected a list of values, or low and high, got 3"),
    ("space: {training.epochs: {low: 2}}",
     "tune.space: training.epochs: high: required, but not given"),
    ("space: {training.epochs: {low: 2.5, high: 4}}",
     "tune.space: training.epochs: expected auto or a whole number of at least 1, got 2.5"),
    ("space: {training.epochs: {low: 2, high: 6, step: 1.5}}",
     "tune.space: training.epochs: step: expected a whole number, got 1.5"),
    ("space: {training.learning_rate: {low: 5e-4, high: 5e-5}}",
     "tune.space: training.learning_rate: expected low below high, got 0.0005 and 5e-05"),
    ("space: {model.dropout: {low: 0, high: 0.5, log: true}}",
     "tune.space: model.dropout: low: expected a number above 0 with log, got 0"),
    ("space: {model.dropout: {low: 0, high: 1}}",
     "tune.space: model.dropout: input should be less than 1, got 1"),
    ("space: {model.dropout: {low: 0, high: 0.3, step: 5}}",
     "tune.space: model.dropout: step: expected at most 0.3, which lies between low and high, "
     "got 5"),
    ("space: {training.deterministic: {low: 0, high: 1}}",
     "tune.space: training.deterministic: expected a list of values, such as [true, false], got "
     "low and high"),
    ("space: {training.label_smoothing: [0, 0.1]}",
     "tune.space: training.label_smoothing: expected 0 with model.head crf; model.head softmax "
     "takes it"),
    ("space: {training.precision: {low: 1, high: 2}}",
     "tune.space: training.precision: input should be 'float32', 'mixed_bfloat16' or "
     "'mixed_float16', got 1"),
    ("space: {seed: [1, 2]}",
     "tune.space: seed: expected a setting of encoder, model or training"),
    ("space: {data.dev: [a.conll, b.conll]}",
     "tune.space: data.dev: expected a setting of encoder, model or training"),
    ("space: {encoder.max_length: [16, 64]}",
     "tune.space: encoder: overlap: at most half of max_length - 2, that is 7, got 32"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text for text, _ in REFUSED])
def test_a_space_that_is_wrong_is_named_with_file_and_key(text, message):
    with pytest.raises(ConfigError) as refused:
        read(text)
    assert str(refused.value) == f"run.yaml: {message}"


def test_without_a_space_values_around_those_of_the_configuration_are_tried():
    space, _ = read("", epochs=3, learning_rate=1e-3, batch_size=1)
    assert space.dimensions["training.learning_rate"] == Numbers(2.5e-4, 4e-3, True, None, False)
    assert space.dimensions["training.batch_size"] == Choices((1, 2))
    assert space.dimensions["training.epochs"] == Numbers(1, 6, False, None, True)
    assert space.base_values() == space.values_of(space.base)
    auto, _ = read("pruner: none")
    assert "training.epochs" not in auto.dimensions


def test_a_step_that_leads_to_the_highest_number_is_taken():
    space, _ = read("space: {model.dropout: {low: 0.1, high: 0.3, step: 0.2}}")
    assert space.dimensions["model.dropout"].step == 0.2


def test_a_crf_is_tried_where_it_goes_together_with_the_other_settings():
    space, _ = read("", head="softmax")
    assert space.dimensions["model.head"] == Choices(("softmax", "crf"))
    for other in ({"label_smoothing": 0.1}, {"class_weights": {"O": 0.5}}):
        space, _ = read("", head="softmax", **other)
        assert "model.head" not in space.dimensions
        assert "training.learning_rate" in space.dimensions


def test_values_of_the_configuration_that_lie_outside_are_left_out():
    space, _ = read(EXAMPLE, epochs="auto", learning_rate=1e-3, batch_size=16)
    assert space.base_values() == {"training.batch_size": 16, "model.head": "crf"}
    stepped = Numbers(0.0, 0.5, log=False, step=0.1, whole=False)
    assert stepped.holds(0.3)
    assert not stepped.holds(0.25)
    assert not Choices((1, 2)).holds(True)


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.floats(0, 1))
def test_a_number_that_is_drawn_is_short_and_within_its_bounds(one, other, share):
    low, high = sorted((one, other))
    numbers = Numbers(low, high, log=False, step=None, whole=False)
    drawn = min(max(low + share * (high - low), low), high)
    rounded = numbers.rounded(drawn)
    assert low <= rounded <= high
    assert rounded in (low, high) or rounded == float(f"{rounded:.3g}")
    assert rounded == pytest.approx(drawn, rel=0.01)
    assert numbers.rounded(rounded) == rounded


def test_settings_with_drawn_values_are_the_configuration_otherwise(tmp_path):
    space = searches.stub_space(tmp_path)
    drawn = space.settings({"model.dropout": 0.123456, "training.learning_rate": 3e-4})
    assert drawn.model.dropout == 0.123
    restored = drawn.model_copy(update={"model": space.base.model})
    restored = restored.model_copy(update={"training": space.base.training})
    assert restored.model_dump() == space.base.model_dump()


def test_other_commands_pass_the_group_over(tmp_path):
    path = tmp_path / "run.yaml"
    text = "name: a\nencoder: {checkpoint: 'hub/name'}\n"
    path.write_text(text)
    plain = load_settings(path)
    path.write_text(f"{text}tune: {{space: {{training.epochs: [2, 3]}}}}\n")
    assert load_settings(path) == plain
    settings, tuning = load_with_tuning(path, ["tune.pruner=none", "training.epochs=5"])
    assert settings.training.epochs == 5
    assert tuning == {"space": {"training.epochs": [2, 3]}, "pruner": "none"}


BAD_CONFIGS = {
    "key.yaml": (
        "data: {train: x.conll, dev: x.conll}\ntune: {space: {training.epoks: [1, 2]}}",
        "tune.space: training.epoks: unknown; did you mean training.epochs?",
    ),
    "dev.yaml": (
        "data: {train: x.conll}",
        "data.dev: required for a search, which compares trials by their F1 on it, but not given",
    ),
    "devices.yaml": (
        "data: {train: x.conll, dev: x.conll}\ndevices: multi_worker",
        "devices: expected a trial in one process; several processes may share a search, "
        "got multi_worker",
    ),
}
COMMANDS = """import json, sys
from tfner.commands import run
from tfner.tune import tune
for config in sys.argv[1:]:
    sys.argv = ["tune", config, "--trials", "2"]
    try:
        run(tune)
    except SystemExit as error:
        print(error.code, sorted({"tensorflow", "transformers", "optuna"} & set(sys.modules)))"""


def test_a_search_is_refused_before_tensorflow_loads(tmp_path):
    (tmp_path / "x.conll").write_text("a O\n")
    head = "name: a\nencoder: {checkpoint: hub/name}\n"
    for name, (config, _) in BAD_CONFIGS.items():
        (tmp_path / name).write_text(head + config)
    command = [sys.executable, "-c", COMMANDS, *BAD_CONFIGS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    messages = [f"error: {name}: {message}" for name, (_, message) in BAD_CONFIGS.items()]
    assert done.stderr.splitlines() == messages
    assert done.stdout.splitlines() == ["2 []"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*BAD_CONFIGS, "x.conll"])
