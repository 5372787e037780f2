"""The cache gives what encoding gives, the ledger's entries included, and never anything else.

Nothing comes of other data or from a damaged file.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.data import cache
from tfner.data.cache import cache_key, encode_cached
from tfner.data.encoded_corpus import encode
from tfner.documents import Document, entity_at
from tfner.exceptions import DataError
from tfner.safeio.whole_files import read_arrays, write_arrays, written_whole
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.vocabulary import TokenizerSettings
from tfner.tokenizers.wordpiece import WordPieceTokenizer

TEXT = "annason met boris near the old bank of oslo"
DOCUMENTS = [
    Document(
        TEXT,
        (
            entity_at(TEXT, 0, 7, "PER"),
            entity_at(TEXT, 12, 15, "PER"),
            entity_at(TEXT, 39, 43, "GOD"),
        ),
        id="raw",
    ),
    Document.from_words(["\x00", "oslo", "\ud800"], [(0, 1, "LOC"), (1, 2, "LOC")], id="words"),
    Document(""),
    Document.from_words(["anna"] * 40, [(3, 5, "PER")], id="long"),
]
OPTIONS = {"max_length": 16, "overlap": 4, "labelling": "word"}


def cached(folder: Path, documents=DOCUMENTS, tokenizer=None, labels=tiny.LABELS, **options):
    """-> (corpus, entries of the ledger, what stood in it before among them)"""
    ledger = Ledger()
    ledger.record("repaired", "before", "by a reader")
    corpus = encode_cached(
        documents, tokenizer or tiny.tokenizer(), labels, ledger, folder, **{**OPTIONS, **options}
    )
    return corpus, ledger.entries


def assert_same(one, other) -> None:
    for name in ("input_ids", "labels", "label_mask"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert (ours.dtype, ours.row_splits.dtype) == (theirs.dtype, theirs.row_splits.dtype)
        assert ours.to_list() == theirs.to_list()
    np.testing.assert_array_equal(one.pieces, other.pieces)
    assert one.pieces.dtype == other.pieces.dtype


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def no_encoding(monkeypatch):
    """Encoding would be an error."""

    def encode_again(*_, **__):
        raise RuntimeError("encoded again")

    return lambda: monkeypatch.setattr(cache, "encode", encode_again)


@pytest.mark.parametrize("documents", [DOCUMENTS, [], [Document("")]])
def test_what_comes_back_is_what_encoding_gives_losses_included(tmp_path, no_encoding, documents):
    ledger = Ledger()
    ledger.record("repaired", "before", "by a reader")
    plain = encode(documents, tiny.tokenizer(), tiny.LABELS, ledger, **OPTIONS)
    first, entries = cached(tmp_path / "made" / "here", documents)
    no_encoding()
    again, entries_again = cached(tmp_path / "made" / "here", documents)
    assert entries == entries_again == ledger.entries
    assert_same(first, plain)
    assert_same(again, plain)


def test_the_losses_in_the_example_are_of_several_kinds(tmp_path):
    assert [(entry.reason, entry.where) for entry in cached(tmp_path)[1]] == [
        ("repaired", "before"),
        ("unknown_label", "raw"),
        ("misaligned", "raw"),
        ("vanished", "words"),
    ]


def other_tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer(tiny.tokenizer().vocabulary, TokenizerSettings(lowercase=False))


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 17},
        {"overlap": 3},
        {"labelling": "piece"},
        {"labels": LabelSet(("LOC", "PER", "ORG"))},
        {"labels": tiny.BIOES},
        {"tokenizer": other_tokenizer()},
        {"documents": DOCUMENTS[::-1]},
        {"documents": DOCUMENTS[1:]},
        {"documents": [replace(DOCUMENTS[0], id="another"), *DOCUMENTS[1:]]},
        {"documents": [replace(DOCUMENTS[0], entities=DOCUMENTS[0].entities[1:]), *DOCUMENTS[1:]]},
        {
            "documents": [
                *DOCUMENTS[:3],
                Document("anna " * 39 + "anna", DOCUMENTS[3].entities, id="long"),
            ]
        },  # words found, not given
    ],
)
def test_whatever_changes_the_encoding_or_the_losses_has_a_file_of_its_own(tmp_path, change):
    cached(tmp_path)
    corpus, entries = cached(tmp_path, **change)
    assert len(list(tmp_path.iterdir())) == 2
    assert_same(cached(tmp_path, **change)[0], corpus)
    assert cached(tmp_path, **change)[1] == entries


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=3),
    st.lists(st.tuples(st.text(), st.text()), max_size=3),
)
def test_a_key_belongs_to_one_corpus(one, other):
    keys = [
        cache_key([Document(text, id=id) for text, id in pairs], tiny.tokenizer(), tiny.LABELS, {})
        for pairs in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(fraction: float):
    def damage(content: bytes) -> bytes:
        at = int(fraction * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_off, "damaged or cut off"),
        (lambda content: content[:-1], "damaged or cut off"),
        (lambda content: content + b"\0", "damaged or cut off"),
        (lambda content: b"", "expected a file that begins with"),
        (lambda content: content[:3], "expected a file that begins with"),
        (lambda content: b"PK\x03\x04" + content[4:], "expected a file that begins with"),
        *((flip(fraction), "damaged or cut off") for fraction in (0.05, 0.3, 0.6, 0.9, 1.0)),
    ],
)
def test_a_damaged_file_is_said_in_one_line_and_written_anew(
    tmp_path, caplog, no_encoding, damage, said
):
    corpus, entries = cached(tmp_path)
    path = only_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    again, entries_again = cached(tmp_path)
    assert [
        record.getMessage()
        for record in caplog.records
        if said in record.getMessage() and str(path) in record.getMessage()
    ]
    assert len(caplog.records) == 1
    assert path.read_bytes() == whole
    assert entries == entries_again
    assert_same(corpus, again)
    no_encoding()
    cached(tmp_path)


def test_a_file_of_other_data_under_this_name_is_not_taken(tmp_path, caplog):
    cached(tmp_path / "one")
    corpus, _ = cached(tmp_path / "other", DOCUMENTS[1:])
    path = only_file(tmp_path / "other")
    path.write_bytes(only_file(tmp_path / "one").read_bytes())
    assert_same(cached(tmp_path / "other", DOCUMENTS[1:])[0], corpus)
    assert "expected the corpus with the key" in caplog.text
    write_arrays(path, {}, {})
    assert_same(cached(tmp_path / "other", DOCUMENTS[1:])[0], corpus)
    assert "got another kind of file" in caplog.text


def test_a_cache_that_cannot_be_written_is_said_and_the_corpus_given(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    corpus, _ = cached(tmp_path / "file")
    assert_same(corpus, cached(tmp_path / "elsewhere")[0])
    assert caplog.records[0].levelno == logging.WARNING
    assert "cannot be kept" in caplog.text


def test_what_is_written_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def fail_half_way() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


@given(
    values=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9),
    dtype=st.sampled_from(["int32", "int64", "float64"]),
    width=st.integers(0, 3),
)
def test_arrays_come_back_as_they_were(tmp_path_factory, values, dtype, width):
    path = tmp_path_factory.mktemp("arrays") / "x"
    arrays = {
        "flat": np.array(values, dtype),
        "none": np.zeros([0, 3], np.uint8),
        "wide": np.full([2, width], 7, np.int16),
    }
    write_arrays(path, {"a": [1, "b"]}, arrays)
    header, found = read_arrays(path)
    assert header == {"a": [1, "b"]}
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none: cannot be read: No such file"):
        read_arrays(tmp_path / "none")


def test_context_and_the_groups_that_it_goes_by_decide_the_file(tmp_path):
    documents = [replace(document, group="a") for document in DOCUMENTS]
    others = [replace(document, group="b" * number) for number, document in enumerate(DOCUMENTS)]
    keys = set()
    for context, grouped in (("none", documents), ("document", documents), ("document", others)):
        options = {**OPTIONS, "context": context}
        keys.add(cache_key(grouped, tiny.tokenizer(), tiny.LABELS, options))
        cached(tmp_path, grouped, context=context)
    assert len(keys) == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_without_context_groups_are_no_reason_to_encode_again(tmp_path, no_encoding):
    corpus, entries = cached(tmp_path)
    no_encoding()
    found, again = cached(tmp_path, [replace(document, group="a") for document in DOCUMENTS])
    assert_same(found, corpus)
    assert again == entries


def test_passages_come_back_from_the_file(tmp_path, no_encoding):
    documents = [replace(document, words=None, group="a") for document in DOCUMENTS]
    corpus, _ = cached(tmp_path, documents, context="document")
    alone, _ = cached(tmp_path)
    no_encoding()
    found, _ = cached(tmp_path, documents, context="document")
    assert_same(found, corpus)
    np.testing.assert_array_equal(found.passages, corpus.passages)
    np.testing.assert_array_equal(found.piece_counts, corpus.piece_counts)
    assert alone.passages is cached(tmp_path)[0].passages is None


def test_words_of_scripts_without_spaces_have_another_key_than_in_earlier_versions(monkeypatch):
    """These labelled the first piece of such a word alone."""
    chinese = Document.from_words(["北京", "oslo"], [(0, 1, "LOC")])
    latin = Document.from_words(["oslo"], [(0, 1, "LOC")])

    def keys() -> list[str]:
        others = (tiny.tokenizer(), tiny.LABELS, OPTIONS)
        return [cache_key([document], *others) for document in (chinese, latin)]

    now = keys()
    monkeypatch.setattr(cache, "stand_alone", lambda text: np.zeros(len(text), np.bool_))
    before = keys()
    assert now[0] != before[0]
    assert now[1] == before[1]
