"""Meet the commands as a user does: help at once, results on standard output, exit codes.

A mistake is one line and exit code 2.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
from subprocesses import call

import tfner
from tfner.__main__ import COMMANDS as COMMANDS_OF_PACKAGE
from tfner.commands import add_command, new_app
from tfner.config import RunSettings, override_export
from tfner.exceptions import ConfigError
from tfner.help_examples import EXAMPLES

COMMANDS = (
    *(
        "init",
        "train",
        "cross_validate",
        "prepare",
        "evaluate",
        "compare",
        "predict",
        "beam",
        "spark",
        "export",
        "inspect",
        "runs",
    ),
    "serve",
)


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"tensorflow", "tf_keras", "keras", "transformers", "pydantic"}
    code = f"import sys, tfner; print(sorted({heavy} & set(sys.modules)))"
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


def test_every_command_has_two_examples_whose_options_it_knows():
    """Click parses each as a shell would hand it over; nothing is run."""
    app = new_app()
    for command in COMMANDS_OF_PACKAGE:
        add_command(app, command)
    group = typer.main.get_command(app)
    for command in COMMANDS_OF_PACKAGE:
        examples = EXAMPLES[command.__name__]
        assert len(examples) == 2
        for example in examples:
            program, name, *arguments = shlex.split(example)
            assert (program, name.replace("-", "_")) == ("tfner", command.__name__)
            parsed = group.commands[name].make_context(name, arguments)
            assert isinstance(parsed.params, dict)


def test_help_ends_with_the_examples():
    result = call("tfner.runs", "--help")
    assert result.stdout.endswith("Examples:\n    tfner runs\n    tfner runs runs --json\n")


def test_a_shell_can_complete_commands():
    code = "import sys; sys.argv = ['tfner']; from tfner.__main__ import main; main()"
    asked = {"_TFNER_COMPLETE": "complete_bash", "COMP_WORDS": "tfner cross", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True)
    assert (found.returncode, found.stdout.split()) == (0, ["cross-validate"])


def test_help_names_the_arguments():
    result = call("tfner.train", "--help")
    assert result.returncode == 0
    assert "--resume" in result.stdout
    assert "KEY=VALUE" in result.stdout


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_package_as_a_command_shows_all_commands(arguments):
    result = call("tfner", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    names = [command.replace("_", "-") for command in COMMANDS]
    assert all(f"\n  {name} " in result.stdout for name in names)


def test_the_package_as_a_command_runs_one(tmp_path):
    result = call("tfner", "runs", str(tmp_path))
    assert (result.returncode, result.stdout) == (0, "no runs\n")


def test_the_version_is_that_of_the_package():
    result = call("tfner", "--version")
    assert (result.returncode, result.stdout) == (0, f"tfner {tfner.__version__}\n")


def test_the_console_script_is_the_package_as_a_command(pytestconfig):
    project = (pytestconfig.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    assert 'tfner = "tfner.__main__:main"' in project


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("foo=1", "command line: foo: unknown; known here: enabled, precision, "),
        ("treshold=1", "command line: treshold: unknown; did you mean threshold?"),
        ("export.xla=1", "command line: export: unknown; known here: enabled, precision, "),
        ("precision=3", "command line: precision: input should be 'float32' or 'bfloat16', got 3"),
    ],
)
def test_a_mistake_in_a_setting_of_an_export_names_the_key_that_was_given(override, message):
    settings = RunSettings(name="x", encoder={"checkpoint": "none"})
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        override_export(settings, [override])


def test_an_old_setting_of_an_export_is_taken_with_a_notice(caplog):
    settings = RunSettings(name="x", encoder={"checkpoint": "none"})
    changed = override_export(settings, ["slice_pieces=512", "threshold.PER=0.5"])
    assert changed.export.max_pieces_per_pass == 512
    assert changed.export.threshold == {"PER": 0.5}
    assert caplog.messages == ["command line: slice_pieces is now max_pieces_per_pass"]


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
            "error: none: expected the folder of a run, with config.yaml, found none\n",
        ),
        (["tfner.inspect", "none.conll"], "error: none.conll: no such file or folder\n"),
        (["tfner.evaluate", "none", "none.conll"], "error: none.conll: no such file or folder\n"),
        (
            ["tfner.compare", "none", "none", "none.conll"],
            "error: none.conll: no such file or folder\n",
        ),
        (
            ["tfner.compare", "none.txt", "none.txt"],
            "error: none.txt: cannot be read: No such file or directory\n",
        ),
        (
            ["tfner.inspect", "none.conll", "--scheme", "IOB3"],
            "error: command line: scheme: input should be 'auto', 'IO'",
        ),
        (
            ["tfner.predict", "none", "--input-format", "pdf"],
            "error: --input-format: expected one of auto, arrow, brat",
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
