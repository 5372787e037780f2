"""Several files, folders and patterns for one split are read one behind the other."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import tiny
from command_line import CommandLine, refused
from hypothesis import given
from hypothesis import strategies as st

from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.reading import read_unlabelled, read_unmarked
from tfner.formats.settings import ReadSettings
from tfner.safeio.sources import check_source, expand_source

MARA, BO = "Mara B-PER\nleft O\n", "Bo B-PER\n\nso O\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "a.conll": MARA,
        "more/b.conll": BO,
        "more/a.conll": MARA,
        "more/deep/c.csv": "word,tag\nLund,B-LOC\n",
        "more/notes.txt": "Mara left\n",
        "odd[1].conll": BO,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def read(source, **settings) -> list[Document]:
    return list(read_documents(source, ReadSettings(**settings), Ledger()))


def test_a_list_and_a_pattern_are_the_files_one_behind_the_other(folder):
    everything = read(["a.conll", "more/*.conll"])
    apart = [
        document for name in ("a.conll", "more/a.conll", "more/b.conll") for document in read(name)
    ]
    assert [(one.text, one.entities) for one in everything] == [
        (one.text, one.entities) for one in apart
    ]
    assert read([folder / "a.conll"]) == read("a.conll")
    assert [document.text for document in read("more/**/*.c*")] == ["Mara left", "Bo", "so", "Lund"]


def test_a_folder_is_its_files_in_the_order_of_their_names(folder):
    (folder / "more" / ".hidden.conll").write_text(BO)
    assert read("more") == read(["more/a.conll", "more/b.conll"])
    assert read(["a.conll", "more/deep"]) == read(["a.conll", "more/deep/c.csv"])
    (folder / "more" / "notes.txt").unlink()
    assert read("more", format="columns") == read("more")
    assert list(read_unmarked("more/deep", ReadSettings())) == read_words("more/deep/c.csv")


def test_a_folder_with_texts_is_read_for_these_where_marks_are_not_wanted(folder):
    assert [each.text for each in read_unmarked("more", ReadSettings())] == ["Mara left\n"]
    by_name = [each.text for each in read_unmarked("more/deep", ReadSettings(), "csv")]
    assert by_name == ["Lund"]


def read_words(path: str) -> list[Document]:
    return list(read_unmarked(path, ReadSettings()))


def test_documents_of_files_of_one_name_have_different_ids(folder):
    (folder / "a.conll").write_text(f"-DOCSTART- O\n\n{MARA}")
    (folder / "more" / "a.conll").write_text(f"-DOCSTART- O\n\n{MARA}")
    documents = read(["a.conll", "more/*.conll"])
    assert [document.id for document in documents] == [
        "a.conll:3",
        "more/a.conll:3",
        "b.conll:1",
        "b.conll:3",
    ]
    assert [document.group for document in documents] == ["a.conll:1", "more/a.conll:1", "", ""]


def test_each_source_is_read_once_in_the_order_that_is_given(folder):
    assert expand_source(("more/b.conll", "more/*.conll", "more/b.conll")) == [
        "more/b.conll",
        "more/a.conll",
    ]
    assert expand_source("mor[ea]") == ["more"]  # a folder where no file matches
    assert expand_source("odd[1].conll") == ["odd[1].conll"]  # a file of this name
    assert expand_source(("hub:a/b:tr[a]in", "embedded:x*")) == ["hub:a/b:tr[a]in", "embedded:x*"]


@given(
    st.lists(
        st.sampled_from(["a.conll", "more/a.conll", "more/b.conll", "more/*.conll"]), min_size=1
    )
)
def test_expanding_is_idempotent_and_lists_nothing_twice(tmp_path_factory, sources):
    root = tmp_path_factory.getbasetemp() / "drawn"
    for name in ("a.conll", "more/a.conll", "more/b.conll"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(MARA)
    given_sources = tuple(str(root / name) for name in sources)
    found = expand_source(given_sources)
    assert expand_source(tuple(found)) == found
    assert len(set(found)) == len(found)
    assert all(Path(one).is_file() for one in found)
    assert set(found) >= {one for one in given_sources if "*" not in one}


def test_errors_name_the_file(folder):
    (folder / "more" / "b.conll").write_text("Bo B-PER\nso quickly\n")
    tag = "expected O or a tag such as B-PER in column 1, got 'quickly'"
    for source, message in {
        "more/*.conll": f"more/b.conll:2: {tag}",
        ("a.conll", "none.conll"): "none.conll: no such file or folder",
        ("a.conll", "more/*.iob"): "more/*.iob: no file or folder matches this pattern",
        ("a.conll", "prepared:x"): "prepared:x: expected documents, got windows",
    }.items():
        with pytest.raises(DataError) as caught:
            read(source)
        assert str(caught.value).startswith(message)


def test_a_source_without_documents_is_said(folder, caplog):
    (folder / "more" / "a.conll").write_text("")
    with caplog.at_level(logging.WARNING):
        assert len(read("more/*.conll")) == 2
    assert caplog.messages == ["more/a.conll: holds no document"]


def test_texts_and_unlabelled_data_come_from_several_files_too(folder):
    source = ("more/notes.txt", "more/*.conll")
    assert [one.text for one in read_unmarked(source, ReadSettings())] == [
        "Mara left",
        "Mara left",
        "Bo",
        "so",
    ]
    unlabelled = list(read_unlabelled(source, ReadSettings()))
    assert len(unlabelled) == 4
    assert not any(one.entities for one in unlabelled)


def write_settings(folder: Path, train: str) -> Path:
    path = folder / "run.yaml"
    checkpoint = tiny.checkpoint()
    path.write_text(
        f"name: many\ndata:\n  train: {train}\nencoder:\n  checkpoint: {checkpoint}\n"
        "  max_length: 16\n  overlap: 4\n"
    )
    return path


def test_a_configuration_takes_lists_and_patterns(folder, monkeypatch):
    monkeypatch.setenv("WHERE", "more")
    path = write_settings(folder, "[a.conll, $WHERE/*.conll]")
    settings = load_settings(path)
    assert settings.data.train == ("a.conll", "more/*.conll")
    (folder / "again.yaml").write_text(settings.to_yaml())
    assert load_settings(folder / "again.yaml") == settings
    assert load_settings(path, ["data.train=[a.conll]"]).data.train == "a.conll"
    assert load_settings(path, ["data.train=*.conll"]).data.train == "*.conll"
    assert load_settings(path, ["data.dev=[more/a.conll,a.conll]"]).data.sources()["dev"] == (
        "more/a.conll",
        "a.conll",
    )


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("[]", r"data\.train: expected a path or a list of paths, got \[\]"),
        ("3", r"data\.train: expected a path or a list of paths, got 3"),
        ("[a.conll, 3]", r"data\.train: expected a path or a list of paths, got \['a\.conll', 3\]"),
        ("[a.conll, none.conll]", r"data\.train: no such file or folder: none\.conll"),
        ("more/*.iob", r"data\.train: more/\*\.iob: no file or folder matches this pattern"),
        (
            "[a.conll, 'prepared:x']",
            r"data\.train: expected prepared:FOLDER alone, or documents, got a\.conll, prepared:x",
        ),
    ],
)
def test_a_wrong_list_is_refused_with_its_key(folder, train, message):
    with pytest.raises(ConfigError, match=message):
        load_settings(write_settings(folder, train))


def test_the_sources_of_every_split_are_checked(folder):
    check_source("data.dev", ("a.conll", "more/*.conll", "hub:x"))
    with pytest.raises(ConfigError, match=r"^data\.dev: no such file or folder: b\.conll$"):
        check_source("data.dev", ("a.conll", "b.conll"))


@pytest.fixture
def line(capsys, monkeypatch, folder) -> CommandLine:
    return CommandLine(capsys, monkeypatch)


def test_commands_take_several_files_and_patterns(line, folder):
    done = line("predict", tiny.exported(), "more/notes.txt", "more/*.conll", "--output", "o.jsonl")
    assert done.code == 0, done.stderr
    assert (folder / "o.jsonl").read_text().count("\n") == 4
    done = line("evaluate", tiny.exported(), "a.conll", "more/*.conll", "--report", "r.json")
    assert done.code == 0, done.stderr
    assert "a.conll, more/*.conll" in done.stdout
    refused(line("inspect", "more/*.iob"), "more/*.iob: no file or folder matches this pattern")
    refused(
        line("predict", tiny.exported(), "a.conll", "-", "--output", "p.jsonl"),
        "INPUT: expected - alone or files, got a.conll, -",
    )
