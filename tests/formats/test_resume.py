"""Going on after a kill.

Whatever byte an output ends at, the resumed run ends in the bytes of an undisturbed one.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import tiny
from fake_server import TOY

from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats.resume import Nothing, open_earlier
from tfner.formats.writers import open_writer
from tfner.predict import mark
from tfner.serving.runtime import recognizer as blocks

FRAMED = ("csv", "html", "label-studio")
FORMATS = ("jsonl", "columns", "text")
DOCUMENTS = [
    Document("Anna met Bo", id="a"),
    Document("", id="a"),
    Document("one line\n\nAnna [in] Three\n", id="A"),
    Document.from_words(["Åse", "", "New\tYork", " ", "-X-", "\r\n", "東京"], id="words"),
    Document("nothing\x85here\u2028 👩🏽‍🚀 \x1b[31m", id="\ud800"),
    Document.from_words([], id=""),
    Document("\ud83d\ude80 lone \ude80 Bo", id="7"),
    Document("\n", id="8"),
    Document("  Bo\tAnna", id="9"),
]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "DOCUMENTS_IN_BLOCK", 4)


def write(
    path: Path, format: str, documents=DOCUMENTS, *, resume: bool = False, recognizer=TOY
) -> bytes:
    """What `predict` does with its arguments.

    The bytes of the output, or of all files of a folder with their names.
    """
    earlier = open_earlier(str(path), format) if resume else Nothing()
    with open_writer(format, path, resume=resume) as writer:
        mark(recognizer, iter(documents), writer, earlier)
    return contents(path)


def contents(path: Path) -> bytes:
    if path.is_file():
        return path.read_bytes()
    return b"".join(
        chain.from_iterable(
            (file.name.encode(), b"\0", file.read_bytes()) for file in sorted(path.iterdir())
        )
    )


def ends(whole: bytes, format: str) -> list[int]:
    """Every byte; of formats with a beginning and an end every 97th, and those about line ends."""
    every = range(len(whole) + 1)
    if format not in FRAMED:
        return list(every)
    return [end for end in every if end % 97 == 0 or b"\n" in whole[max(end - 2, 0) : end + 1]]


@pytest.mark.parametrize("format", [*FORMATS, *FRAMED])
def test_an_output_cut_off_at_any_byte_ends_in_the_bytes_of_an_undisturbed_run(tmp_path, format):
    path = tmp_path / "out"
    whole = write(path, format)
    assert len(whole) > 100
    for end in ends(whole, format):
        path.write_bytes(whole[:end])
        assert write(path, format, resume=True) == whole, end


@pytest.mark.parametrize("format", FORMATS)
def test_documents_that_are_there_are_not_asked_about_again(tmp_path, format, capsys):
    path = tmp_path / "out"
    whole = write(
        path, format, documents := [replace(document, words=None) for document in DOCUMENTS]
    )
    asked = []

    def ask_texts(texts):
        asked.extend(texts)
        return TOY._ask_texts(texts)

    path.write_bytes(whole[:-1])
    watched = blocks.Recognizer(ask_texts, TOY._ask_words, {})
    assert write(path, format, documents, resume=True, recognizer=watched) == whole
    assert [text.decode() for text in asked] == [
        documents[-1].text
    ]  # the block of the document that was torn
    assert "written by an earlier run: 8 documents" in capsys.readouterr().err


def test_a_model_gives_the_same_last_digits_in_the_middle_of_a_block(tmp_path):
    texts = [" ".join(tiny.WORDS[place : place + 1 + place % 7]) for place in range(0, 30, 3)]
    path = tmp_path / "out"
    whole = write(path, "jsonl", documents := list(map(Document, texts)), recognizer=tiny.live())
    for line in range(len(texts)):
        path.write_bytes(b"".join(whole.splitlines(keepends=True)[:line]))
        assert write(path, "jsonl", documents, resume=True, recognizer=tiny.live()) == whole


@pytest.mark.parametrize("format", [*FORMATS, "brat"])
def test_without_an_output_it_begins(tmp_path, format):
    assert write(tmp_path / "new", format, resume=True) == write(tmp_path / "other", format)


class TestFolder:
    """BRAT: a file of text and one of annotations a document."""

    def test_a_kill_at_any_file_and_byte_leaves_a_folder_that_is_completed(self, tmp_path):
        whole = write(tmp_path / "whole", "brat")
        documents = [document.id for document in DOCUMENTS]
        names = ["a", "a-2", "A-3", "words", "_", "document", "7", "8", "9"]
        assert sorted(file.stem for file in (tmp_path / "whole").glob("*.ann")) == sorted(names)
        assert len(names) == len(documents)
        for number, name in enumerate(names):
            for state, folder in enumerate(self.killed(tmp_path, names[:number], name)):
                assert write(folder, "brat", resume=True) == whole, (name, state)
                shutil.rmtree(folder)

    @staticmethod
    def killed(tmp_path, done, name):
        """The folders that a kill may leave at one document.

        Its text torn anywhere, or its annotations in a part file torn anywhere.
        """
        whole, folder = tmp_path / "whole", tmp_path / "killed"
        text, annotations = (
            (whole / f"{name}{suffix}").read_bytes() for suffix in (".txt", ".ann")
        )
        steps = [{f"{name}.txt": text[:end]} for end in range(len(text) + 1)]
        steps += [
            {f"{name}.txt": text, f".{name}.part": annotations[:end]}
            for end in range(len(annotations) + 1)
        ]
        for files in [{}, *steps]:
            folder.mkdir()
            for other in done:
                for suffix in (".txt", ".ann"):
                    shutil.copy(whole / f"{other}{suffix}", folder)
            for file, content in files.items():
                (folder / file).write_bytes(content)
            yield folder

    def test_another_input_is_told_by_its_text(self, tmp_path):
        write(tmp_path, "brat", [Document("Anna", id="a")])
        with pytest.raises(
            DataError,
            match=r"a\.txt: expected the text of document 'a' of this input, got another; "
            r"--resume goes on only",
        ):
            write(tmp_path, "brat", [Document("Bo", id="a")], resume=True)


@pytest.mark.parametrize("format", FORMATS)
def test_another_input_is_refused_and_the_output_stays(tmp_path, format):
    path = tmp_path / "out"
    whole = write(path, format, [Document("Anna Bo", id="x:1"), Document("Bo is", id="x:2")])
    with pytest.raises(
        DataError,
        match=r"out: record 2: expected document 'y' of this input, got another; --resume goes on "
        r"only with",
    ):
        write(
            path,
            format,
            [Document("Anna Bo", id="x:1"), Document("Bi is", id="y"), Document("new")],
            resume=True,
        )
    with pytest.raises(
        DataError, match=r"out: expected 1 records, as many as the input has documents, got more"
    ):
        write(path, format, [Document("Anna Bo", id="x:1")], resume=True)
    assert path.read_bytes() == whole


def test_another_format_is_refused(tmp_path):
    write(tmp_path / "out", "columns")
    for format in ("jsonl", "text"):
        with pytest.raises(
            DataError, match="record 1: expected document 'a' of this input, got another"
        ):
            write(tmp_path / "out", format, resume=True)


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"id": "b", "text": "Anna met Bo"}\n', b"\xff\n"]
)
def test_a_line_that_is_no_record_of_the_input_is_refused(tmp_path, line):
    (tmp_path / "out").write_bytes(line)
    with pytest.raises(DataError, match="record 1: expected document 'a'"):
        write(tmp_path / "out", "jsonl", resume=True)


@pytest.mark.parametrize(
    ("output", "format", "message"),
    [
        ("-", "jsonl", "--resume: expected --output FILE, got standard output"),
        (
            "out",
            "conlleval",
            r"--resume: expected one of the formats brat, columns, .*, text, got 'conlleval'",
        ),
        ("out", "spacy", r"--resume: expected one of the formats .*, got 'spacy'"),
        (".", "jsonl", r"--resume: expected a file, got \., which is none"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(output, format, message):
    with pytest.raises(ConfigError, match=message):
        open_earlier(output, format)
