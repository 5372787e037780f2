"""Documents, dicts, DataFrames, datasets and Docs are read as files of the same content are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.in_memory import is_source, read_given
from tfner.formats.settings import ReadSettings

ROWS = [
    ("Mara", "B-PER", 1),
    ("Lund", "I-PER", 1),
    ("left", "O", 1),
    ("Oslo", "B-LOC", 2),
    ("slept", "O", 2),
]
MARA = ("Mara Lund left", [(0, 9, "PER")])
OSLO = ("Oslo slept", [(0, 4, "LOC")])


@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.fixture(scope="module")
def datasets():
    return pytest.importorskip("datasets", reason="the extra hub is not installed")


def read(data, ledger=None, **settings) -> list[Document]:
    ledger = Ledger() if ledger is None else ledger
    return list(read_given(data, "train", ReadSettings(**settings), ledger))


def marked(documents) -> list:
    return [(each.text, [entity.key for entity in each.entities]) for each in documents]


def error_of(data, **settings) -> str:
    with pytest.raises(DataError) as caught:
        read(data, **settings)
    return str(caught.value)


def test_documents_and_dicts_are_read_in_their_order():
    document = Document("Bo left", (entity_at("Bo left", 0, 2, "PER"),), group="g")
    data = [
        document,
        {"text": "Oslo slept", "entities": [[0, 4, "LOC"]], "id": 7},
        ("Lima", {"entities": [(0, 4, "LOC")]}),
        {"tokens": ["Mara", "left"], "tags": ("B-PER", "O")},
    ]
    found = read(iter(data))
    assert marked(found) == [
        ("Bo left", [(0, 2, "PER")]),
        ("Oslo slept", [(0, 4, "LOC")]),
        ("Lima", [(0, 4, "LOC")]),
        ("Mara left", [(0, 4, "PER")]),
    ]
    assert [each.id for each in found] == ["train[0]", "7", "train[2]", "train[3]"]
    assert found[0].group == "g"


def test_values_of_numpy_are_plain_ones():
    record = {"tokens": np.array(["Bo", "left"]), "ner_tags": np.array(["B-PER", "O"])}
    spans = {"text": "Bo", "entities": [{"start": np.int64(0), "end": np.int64(2), "label": "X"}]}
    assert marked(read([record, spans])) == [("Bo left", [(0, 2, "PER")]), ("Bo", [(0, 2, "X")])]


def test_what_is_dropped_is_in_the_ledger_with_its_row():
    ledger = Ledger()
    broken = {"text": "Bo", "entities": [[0, 9, "PER"]]}
    assert marked(read([{"text": "a"}, broken], ledger)) == [("a", []), ("Bo", [])]
    assert [(entry.reason, entry.where) for entry in ledger.entries] == [
        ("invalid_span", "train[1]")
    ]
    expected = "expected spans that fit the text, got PER 0..9 in a text of 2 characters"
    assert error_of([{"text": "a"}, broken], strict=True) == f"train[1]: {expected}"


KINDS = "Documents, dicts, spaCy Docs, a DataFrame, a Dataset, or the name of a file"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, f"train: expected {KINDS}, got int 5"),
        ({"tokens": [["a"]]}, f"train: expected {KINDS}, got dict "),
        (Document("a"), f"train: expected {KINDS}, got Document "),
        (b"a.conll", f"train: expected {KINDS}, got bytes "),
        (
            [{"text": "a"}, 5],
            "train[1]: expected a Document, a dict or a spaCy Doc, got int 5",
        ),
        (
            ["a.conll", {"text": "a"}],
            "train[0]: expected a Document, a dict or a spaCy Doc, got str 'a.conll'",
        ),
        (
            [{"words": ["a"]}],
            "train[0]: expected a record with text or tokens, got the keys words, id",
        ),
        (
            [{"tokens": ["a"], "tags": ["B-X", "O"]}],
            "train[0]: expected as many tags as tokens, got 2 and 1",
        ),
        (
            [{"text": "a", "entities": [[0, "1", "X"]]}],
            "train[0]: expected end to be a whole number of characters, got '1'",
        ),
        ([{"text": "a", "entities": [{(0, 1): "X"}]}], "train[0]: expected values that JSON has: "),
    ],
)
def test_what_is_no_data_is_said_with_its_row(data, message):
    assert error_of(data).startswith(message)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ("a.conll", True),
        (Path("a.conll"), True),
        (["a.conll", Path("b")], True),
        ([], False),
        ([Document("a")], False),
        (("text", {"entities": []}), False),
        (None, False),
    ],
)
def test_the_name_of_a_source_is_told_from_data(data, answer):
    assert is_source(data) is answer


class TestDataFrames:
    """A DataFrame is read as the CSV file that it could be written to."""

    @pytest.mark.parametrize(
        "columns", [["Word", "Tag", "Sentence #"], ["token", "ner_tags", "sentence_id"]]
    )
    def test_a_token_a_row(self, pd, columns, tmp_path):
        frame = pd.DataFrame(ROWS, columns=columns)
        found = read(frame)
        assert marked(found) == [MARA, OSLO]
        assert [each.id for each in found] == ["train[0]", "train[3]"]
        frame.to_csv(tmp_path / "a.csv", index=False)
        from_file = read_documents(tmp_path / "a.csv", ReadSettings(), Ledger())
        assert marked(from_file) == marked(found)

    def test_sentences_named_on_their_first_row_alone(self, pd):
        frame = pd.DataFrame(ROWS, columns=["Word", "Tag", "Sentence #"])
        frame["Sentence #"] = ["Sentence: 1", None, float("nan"), "Sentence: 2", pd.NA]
        assert marked(read(frame)) == [MARA, OSLO]

    def test_a_text_a_row(self, pd):
        spans = [[(0, 9, "PER")], [{"start": np.int64(0), "end": 4, "label": "LOC"}]]
        texts = [MARA[0], OSLO[0]]
        frame = pd.DataFrame({"text": texts, "entities": spans, "id": ["a", "b"]})
        frame["when"] = pd.Timestamp("2020-01-01")
        found = read(frame)
        assert marked(found) == [MARA, OSLO]
        assert [each.id for each in found] == ["a", "b"]
        as_json = frame.assign(entities=[json.dumps(MARA[1]), "[[0, 4, 'LOC']]"])
        assert marked(read(as_json)) == [MARA, OSLO]

    def test_lists_of_tokens_and_tags(self, pd):
        words = [["Mara", "Lund", "left"], np.array(["Oslo", "slept"])]
        tags = [["B-PER", "I-PER", "O"], np.array(["B-LOC", "O"])]
        frame = pd.DataFrame({"tokens": words, "ner_tags": tags})
        assert marked(read(frame)) == [MARA, OSLO]

    def test_columns_that_settings_name(self, pd, caplog):
        frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
        named = {"token_column": "a", "tag_column": "b", "sentence_column": 2}
        assert marked(read(frame, **named)) == [MARA, OSLO]
        message = "train: tag_column is 'x', but the columns are 'a', 'b', 'c'"
        assert error_of(frame, tag_column="x") == message

    def test_columns_that_could_be_tags_are_named(self, pd, caplog):
        frame = pd.DataFrame(ROWS, columns=["word", "tag", "sentence_id"])
        frame["ner"] = frame["tag"]
        assert marked(read(frame)) == [MARA, OSLO]
        (message,) = caplog.messages
        assert message.startswith("train: columns 'tag', 'ner' could be tags: 'ner' is read")

    def test_what_is_missing_or_of_another_type_is_said_with_row_and_column(self, pd):
        frame = pd.DataFrame(ROWS, columns=["Word", "Tag", "Sentence #"])
        hint = "; read_csv(…, keep_default_na=False) keeps words such as null"
        frame.loc[2, "Word"] = float("nan")
        assert error_of(frame) == f"train[2]: column Word: expected a text, got nan{hint}"
        frame = frame.astype(object)
        frame.loc[2, "Word"] = 5
        assert error_of(frame) == "train[2]: column Word: expected a text, got 5"
        frame.loc[2, "Word"], frame.loc[4, "Tag"] = "left", None
        assert error_of(frame) == f"train[4]: column Tag: expected a text, got None{hint}"
        texts = pd.DataFrame({"text": ["a", None], "entities": [[], []]})
        message = "train[1]: column text: expected a text or a list, got "
        assert error_of(texts).startswith(message)

    def test_a_frame_without_tags_says_what_it_has(self, pd):
        frame = pd.DataFrame({"text": ["a b"], "name": ["c d"]})
        expected = "expected a column of tags or entities, found none among 'text', 'name'"
        assert error_of(frame) == f"train: {expected}; set tag_column"


class TestDatasets:
    """Rows of a Dataset are records, whose integer tags have names."""

    def test_integer_tags_have_the_names_of_their_classes(self, datasets):
        names = datasets.ClassLabel(names=["O", "B-PER", "I-PER", "B-LOC"])
        tags = datasets.Sequence(names)
        features = datasets.Features(
            {"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": tags}
        )
        rows = {"tokens": [["Mara", "Lund", "left"], ["Oslo", "slept"]]}
        rows["ner_tags"] = [[1, 2, 0], [3, 0]]
        dataset = datasets.Dataset.from_dict(rows, features=features)
        assert marked(read(dataset)) == [MARA, OSLO]
        assert marked(read(dataset.to_iterable_dataset())) == [MARA, OSLO]
        both = datasets.DatasetDict(train=dataset, test=dataset)
        message = "train: expected one split of a dataset, got several: 'train', 'test'"
        assert error_of(both) == message


def test_docs_of_spacy_are_read():
    spacy = pytest.importorskip("spacy", reason="the extra spacy is not installed")
    doc = spacy.blank("xx")("Mara Lund left")
    doc.ents = [doc.char_span(0, 9, "PER")]
    assert marked(read([doc])) == [MARA]


def test_no_library_is_imported_for_documents():
    code = """
import sys
from tfner.corpus.ledger import Ledger
from tfner.formats.in_memory import read_given
from tfner.formats.settings import ReadSettings
assert len(list(read_given([{"text": "a"}], "x", ReadSettings(), Ledger()))) == 1
print({"pandas", "datasets", "spacy", "tensorflow"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
