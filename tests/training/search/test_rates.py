"""A learning rate of `auto` in a search: it stays, its number is that of the encoder's width."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import searches
from huggingface_hub.errors import LocalEntryNotFoundError

from tfner.config import RunSettings
from tfner.exceptions import ConfigError, ModelError
from tfner.training.search.records import TrialRecord
from tfner.training.search.results import best_settings
from tfner.training.search.space import read_tuning
from tfner.training.search.study import Study

RATE = "training.learning_rate"
COMMIT = "0" * 40


def write_encoder(folder: Path, width: int) -> str:
    folder.mkdir(parents=True)
    config = {"model_type": "bert", "hidden_size": width}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Give a hub's cache that is empty, and a hub that cannot be reached."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))

    def unreachable(name, file):
        raise LocalEntryNotFoundError(f"no {file} of {name}")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    return cache


def keep_on_hub(cache: Path, name: str, width: int) -> str:
    """Write what the hub's cache holds of an encoder."""
    folder = cache / f"models--{name.replace('/', '--')}"
    write_encoder(folder / "snapshots" / COMMIT, width)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    return name


def read(checkpoint: str, tuning=None, **training):
    encoder = {"checkpoint": checkpoint, "overlap": 4}
    values = {"name": "a", "encoder": encoder, "training": training}
    space, _ = read_tuning(tuning, RunSettings.model_validate(values), "run.yaml")
    return space


def check_centre(space, rate: float) -> None:
    """Check that rates around a number are tried, and that the configuration is as it was."""
    tried = space.dimensions[RATE]
    assert (tried.low, tried.high) == pytest.approx((rate / 4, 4 * rate))
    assert space.base_values()[RATE] == pytest.approx(rate)
    assert space.base.training.learning_rate == "auto"


def test_numbers_around_the_one_of_the_encoders_width_are_tried(tmp_path, hub):
    check_centre(read(write_encoder(tmp_path / "encoder", 1536)), 7.5e-6)
    check_centre(read(keep_on_hub(hub, "someone/l6-h384", 384)), 1.2e-4)
    check_centre(read(keep_on_hub(hub, "someone/large", 1024)), 1.2e-4 * (384 / 1024) ** 2)


def test_of_an_encoder_that_is_not_here_the_configuration_alone_is_downloaded(
    tmp_path, hub, monkeypatch
):
    downloaded = write_encoder(tmp_path / "downloaded", 384)
    asked = set()

    def download(name, file):
        asked.add((name, file))
        return f"{downloaded}/{file}"

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    check_centre(read("someone/bert"), 1.2e-4)
    assert asked == {("someone/bert", "config.json")}


def test_an_encoder_that_cannot_be_had_is_said_before_the_search_begins(hub):
    expected = "^encoder.checkpoint: someone/bert is no local folder and could not be had from the "
    with pytest.raises(ModelError, match=expected + "hub: no config.json of someone/bert$"):
        read("someone/bert")


def test_a_rate_that_is_no_number_and_not_searched_asks_for_no_width(hub):
    space = read("someone/bert", {"space": {"training.batch_size": [16, 32]}})
    assert space.rate is None
    assert space.base.training.learning_rate == "auto"


def test_each_encoder_that_is_tried_has_the_rate_of_its_own_width(tmp_path):
    checkpoints = [
        write_encoder(tmp_path / name, width) for name, width in (("a", 384), ("b", 768))
    ]
    space = read(checkpoints[0], {"space": {"encoder.checkpoint": checkpoints}})
    for checkpoint in checkpoints:
        best = TrialRecord(2, "finished", 0.5, settings={"encoder.checkpoint": checkpoint})
        settings = best_settings(space, best)
        assert settings.encoder.checkpoint == checkpoint
        assert settings.training.learning_rate == "auto"


@pytest.mark.parametrize("rates", [{"low": 1e-5, "high": 1e-4, "log": True}, ["auto", 3e-5]])
def test_numbers_of_the_rate_are_not_tried_of_encoders_of_several_widths(tmp_path, rates):
    checkpoints = [
        write_encoder(tmp_path / name, width) for name, width in (("a", 384), ("b", 768))
    ]
    same = write_encoder(tmp_path / "c", 384)
    with pytest.raises(ConfigError) as refused:
        read(checkpoints[0], {"space": {"encoder.checkpoint": checkpoints, RATE: rates}})
    expected = "expected encoders of one width beside encoder.checkpoint"
    got = f"got {checkpoints[0]} (384), {checkpoints[1]} (768)"
    advice = "left out, it may be auto, which goes by each one's width"
    assert str(refused.value) == f"run.yaml: tune.space: {RATE}: {expected}, {got}; {advice}"
    one_width = [checkpoints[0], same]
    space = read(same, {"space": {"encoder.checkpoint": one_width, RATE: rates}})
    assert set(space.dimensions) == {"encoder.checkpoint", RATE}


def test_the_first_trial_has_auto_and_is_compared_by_its_number(tmp_path):
    checkpoint = write_encoder(tmp_path / "encoder", 384)
    settings = searches.base_settings(tmp_path, learning_rate="auto")
    encoder = settings.encoder.model_copy(update={"checkpoint": checkpoint})
    settings = settings.model_copy(update={"encoder": encoder})
    space, _ = read_tuning({"space": searches.SPACE}, settings, "run.yaml")
    asked = []

    def objective(settings, observe):
        asked.append(settings.training.learning_rate)
        return 0.5 if len(asked) == 1 else 0.25

    records = searches.run_search(space, objective, 2)
    assert asked[0] == "auto"
    assert asked[1] == records[1].settings[RATE]
    assert records[0].settings[RATE] == pytest.approx(1.2e-4)
    assert best_settings(space, records[0]).training.learning_rate == "auto"
    study = Study(searches.new_folder(space), space)
    assert study.study.trials[0].params[RATE] == pytest.approx(1.2e-4)
