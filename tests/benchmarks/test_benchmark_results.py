"""Files of results: what is read of them after a crash, and which version their lines are of."""

from __future__ import annotations

import doctest
import json
import shutil
import subprocess

import pytest

from benchmarks.recipes import results
from benchmarks.recipes.results import append, describe_commit, describe_version, read_lines

FIRST, SECOND = '{"seed": 1, "f1": 50.0}', '{"seed": 2, "f1": 51.0}'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.jsonl"


def seeds(path):
    return [line["seed"] for line in read_lines(path, ["seed"])]


def test_worked_examples():
    assert doctest.testmod(results).failed == 0


def test_no_file_has_no_lines(path):
    assert seeds(path) == []
    append(path, {"seed": 1})
    assert path.read_text() == '{"seed": 1}\n'


@pytest.mark.parametrize("length", range(1, len(SECOND)))
def test_a_last_line_that_was_cut_off_is_left_out_and_the_next_replaces_it(path, length, capsys):
    path.write_text(f"{FIRST}\n{SECOND[:length]}")
    assert seeds(path) == [1]
    assert capsys.readouterr().err == f"{path}:2: the last line was cut off: left out\n"
    append(path, {"seed": 3})
    assert path.read_text() == f'{FIRST}\n{{"seed": 3}}\n'
    assert seeds(path) == [1, 3]
    assert capsys.readouterr().err == ""


def test_a_whole_last_line_without_its_line_end_stays(path, capsys):
    path.write_text(f"{FIRST}\n{SECOND}")
    assert seeds(path) == [1, 2]
    append(path, {"seed": 3})
    assert path.read_text() == f'{FIRST}\n{SECOND}\n{{"seed": 3}}\n'
    assert capsys.readouterr().err == ""


def test_blank_lines_are_no_lines(path):
    path.write_text(f"{FIRST}\n\n{SECOND}\n\n")
    assert seeds(path) == [1, 2]


@pytest.mark.parametrize(
    ("broken", "got"),
    [
        (SECOND[:9], """'{"seed": '"""),
        (SECOND[:9] + FIRST, """'{"seed": {"seed": 1, "f1": 50.0}'"""),  # once glued together
        ('{"f1": 50.0}', """'{"f1": 50.0}'"""),
        ("[1, 2]", "'[1, 2]'"),
    ],
)
def test_a_line_that_is_broken_elsewhere_is_named(path, broken, got):
    path.write_text(f"{FIRST}\n{broken}\n")
    with pytest.raises(SystemExit) as refusal:
        list(read_lines(path, ["seed"]))
    assert refusal.value.code == f"{path}:2: expected a JSON object with seed, got {got}"


def test_a_file_of_another_kind_is_refused(path):
    path.write_bytes(b"\xff\xfe no results")  # without a line end, as a line that was cut off
    with pytest.raises(SystemExit, match=r"results\.jsonl:1: expected a JSON object with seed"):
        list(read_lines(path, ["seed"]))


def test_a_version_holds_defaults_and_overrides_and_survives_json():
    version = describe_version(["training.learning_rate=7e-5", "model.tag_scheme=BIOES"])
    effective = version["effective"]
    assert set(effective) == {"training", "model"}
    assert effective["training"]["learning_rate"] == 7e-5
    assert effective["training"]["batch_size"] == 32
    assert effective["model"]["tag_scheme"] == "BIOES"
    assert json.loads(json.dumps(version)) == version
    assert describe_version(None)["effective"] is None


def test_an_unknown_setting_ends_with_its_path():
    with pytest.raises(SystemExit, match=r"training\.learning_rte: unknown; did you mean"):
        describe_version(["training.learning_rte=1e-4"])


def test_what_a_line_names_is_compared_with_what_its_overrides_mean():
    overrides = ["training.epochs=4"]
    line = describe_version(overrides)
    assert results.is_current(line, overrides)
    assert results.is_current(line, [*overrides, "training.batch_size=32"])  # the default
    assert not results.is_current(line, [*overrides, "training.batch_size=16"])
    assert not results.is_current(line, ["training.former=4"])  # a setting that is no more
    assert results.is_current({"seed": 1}, overrides)  # from before lines named settings


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_is_named_and_so_is_what_differs_from_it(tmp_path):
    def git(*arguments):
        author = ("-c", "user.name=Mara", "-c", "user.email=mara@example.org")
        command = ["git", "-C", str(tmp_path), *author, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert describe_commit(tmp_path) == ""
    (tmp_path / "code.py").write_text("rate = 1\n")
    git("init")
    git("add", "code.py")
    git("commit", "-m", "A rate")
    commit = git("rev-parse", "--short", "HEAD")
    assert describe_commit(tmp_path) == commit
    (tmp_path / "code.py").write_text("rate = 2\n")
    assert describe_commit(tmp_path) == f"{commit}-dirty"


def test_without_git_no_commit_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_commit(results.ROOT) == ""
