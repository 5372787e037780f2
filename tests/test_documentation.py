"""What the documents show works."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from tfner.safeio.bert_families import BERT_FAMILIES


def code_blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("keras", ["keras", "tf_keras"])
def test_the_keras_example_runs_and_learns_in_both_kerases(pytestconfig, keras):
    example, head_of_keras_2 = code_blocks(pytestconfig.rootpath / "docs" / "keras.md", "python")
    head, body = example.split("\ntags = ")
    if keras == "tf_keras":
        head = head_of_keras_2
    assert f"from tfner.{keras} import" in head
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(f"{head}\ntags = {body}", "docs/keras.md", "exec"), {})
    result = eval(output.getvalue())
    assert result["entity_f1"] == pytest.approx(1.0)
    assert result["accuracy"] == pytest.approx(1.0)


def test_the_page_of_families_names_tests_that_there_are(pytestconfig):
    root = pytestconfig.rootpath
    page = (root / "docs" / "families.md").read_text(encoding="utf-8")
    tests = (root / "tests/model/encoders/test_bert_families.py").read_text(encoding="utf-8")
    names = set(re.findall(r"`(test_\w+)`", page))
    assert len(names) >= 8
    assert all(f"def {name}(" in tests for name in names)
    files = set(re.findall(r"`(tests/[\w/.]+)`", page))
    assert all((root / file).is_file() for file in files)
    types = re.findall(r"\| `([a-z-]+)` \| (?!what)", page)
    assert sorted(types) == sorted(BERT_FAMILIES)


def test_the_readme_opens_with_one_command_to_train_and_one_to_test(pytestconfig):
    train, test = code_blocks(pytestconfig.rootpath / "README.md", "sh")[:2]
    assert "tfner.train configs/quickstart.yaml" in train
    assert "pytest" in test
    assert all(command.startswith("python3 -m venv .venv && ") for command in (train, test))
