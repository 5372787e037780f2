"""`import tfner`: what it holds, how fast, and that its names stay what they are."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import tfner
from tfner.exceptions import ConfigError, DataError


def in_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_it_imports_no_tensorflow_and_no_command():
    code = "import json, sys, tfner; print(json.dumps(sorted(sys.modules)))"
    modules = set(json.loads(in_fresh_process(code)))
    assert not modules & {"tensorflow", "tf_keras", "transformers", "typer", "httpx", "numpy"}
    assert not modules & {"tfner.train", "tfner.evaluate"}


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import tfner.train, tfner.evaluate",
        "from tfner.train import train; from tfner.evaluate import evaluate",
        "import tfner.__main__",
        "from tfner import train, evaluate; import importlib; importlib.reload(train)",
    ],
)
def test_train_and_evaluate_can_be_called_whatever_was_imported_before(before):
    code = f"""
import tfner
{before}
for call in (lambda: tfner.train("/none.yaml"), lambda: tfner.evaluate("/none", "/none.conll")):
    try:
        call()
    except tfner.exceptions.TfnerError as error:
        print(type(error).__name__)
print(tfner.train.train.__module__, tfner.evaluate.evaluate.__module__)
"""
    printed = in_fresh_process(code).split("\n")
    assert printed == ["ConfigError", "DataError", "tfner.train tfner.evaluate"]


def test_a_wrong_setting_or_option_is_named(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("name: x\n")
    with pytest.raises(ConfigError, match=r"training\.epoks: unknown"):
        tfner.train(config, "training.epoks=3")
    with pytest.raises(ConfigError, match=r"evaluate: .*shceme: unknown"):
        tfner.evaluate(tmp_path, "none.conll", shceme="IOB2")
    with pytest.raises(DataError, match=r"none\.conll"):
        tfner.evaluate(tmp_path, str(tmp_path / "none.conll"), scheme="IOB2")


def test_what_it_does_not_have_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        tfner.trian  # noqa: B018
