"""`tfner.serving.ray.mark` on Ray in two processes: what `predict` finds, row by row."""

from __future__ import annotations

import os

import many_texts
import pytest
import tiny
from many_texts import SENTENCES, predicted

from tfner.exceptions import ConfigError, MissingExtraError
from tfner.serving.ray import mark, marking

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def ray():
    """Start Ray here, without a token in the home folder and without a dashboard."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'tfner[ray]'")
    tiny.exported()  # before the actors take the processors
    os.environ["RAY_AUTH_MODE"] = "disabled"
    options = {"include_dashboard": False, "log_to_driver": False}
    ray.init("local", num_cpus=2, object_store_memory=200 << 20, **options)
    yield ray
    ray.shutdown()


def dataset_of(ray, rows, blocks=4):
    items = [{"key": key, "text": text} for key, text in rows]
    return ray.data.from_items(items, override_num_blocks=blocks)


@pytest.mark.ray
def test_all_sentences_have_the_entities_of_predict(ray):
    texts = many_texts.sentences()
    rows = list(enumerate(texts))
    skewed = dataset_of(ray, rows[:30], 3).union(dataset_of(ray, rows[30:], 1))
    found = mark(skewed, str(tiny.exported()), actors=2).take_all()
    assert len(found) == SENTENCES
    assert all(row["text"] == texts[row["key"]] and row["error"] is None for row in found)
    many_texts.assert_equal(found, dict(enumerate(predicted(texts))))


@pytest.mark.ray
def test_what_is_no_document_has_a_reason_and_strict_fails(ray):
    from ray.exceptions import RayError

    rows = [(1, "Anna met Boris"), (2, None), (3, "x" * 40)]
    dataset = dataset_of(ray, rows, 1)
    found = mark(dataset, str(tiny.exported()), max_characters=30).take_all()
    by_key = {row["key"]: row for row in found}
    assert by_key[1]["entities"] == predicted(["Anna met Boris"])[0]
    assert by_key[2]["error"] == "expected a text, got null"
    assert by_key[3]["error"].startswith("expected a text of at most 30 characters")
    assert by_key[2]["entities"] is None
    strict = mark(dataset, str(tiny.exported()), strict=True)
    with pytest.raises(RayError, match=r"row \{'key': 2\}: expected a text, got null"):
        strict.take_all()


@pytest.mark.ray
def test_mistakes_are_told_before_the_job_begins(ray):
    dataset = dataset_of(ray, [(1, "Anna")], 1)
    with pytest.raises(ConfigError, match="expected a column body of texts, got the columns key"):
        mark(dataset, str(tiny.exported()), text="body")
    with pytest.raises(ConfigError, match="column key: the input has it already"):
        mark(dataset, str(tiny.exported()), entities="key")


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(marking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tfner\[ray\]'"):
        mark(None, "model")
