"""The commands as a user meets them: help at once, results on standard output, mistakes in one line and exit code 2."""

from __future__ import annotations

import subprocess
import sys

import pytest
from subprocesses import call

COMMANDS = ("train", "prepare", "evaluate", "predict", "beam", "export", "inspect", "runs", "serve")


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, tfner; print(sorted({'tensorflow', 'tf_keras', 'keras', 'transformers', 'pydantic'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_no_tensorflow(command):
    code = f"import sys, tfner.{command}; print('tensorflow' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "False"
    )


def test_help_names_the_arguments():
    result = call("tfner.train", "--help")
    assert result.returncode == 0
    assert "--resume" in result.stdout
    assert "KEY=VALUE" in result.stdout


def test_the_console_script_has_all_commands():
    result = call("tfner.__main__", "--help")
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["tfner.train", "none.yaml"],
            "error: none.yaml: cannot be read: No such file or directory\n",
        ),
        (["tfner.predict", "none", "--text", "x"], "error: none: no such folder\n"),
        (
            ["tfner.export", "none"],
            "error: none: expected a run folder with config.yaml, or an exported model\n",
        ),
        (["tfner.inspect", "none.conll"], "error: none.conll: no such file or folder\n"),
        (["tfner.evaluate", "none", "none.conll"], "error: none.conll: no such file or folder\n"),
        (
            ["tfner.inspect", "none.conll", "--scheme", "IOB3"],
            "error: command line: scheme: input should be 'auto', 'IO'",
        ),
        (
            ["tfner.predict", "none", "--input-format", "pdf"],
            "error: --input-format: expected one of auto, brat",
        ),
        (
            ["tfner.predict", "none", "--format", "pdf", "--text", "x"],
            "error: output format: expected one of brat",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    result = call(*arguments, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert result.returncode == 2
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
