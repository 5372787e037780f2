"""Published corpora.

The documents and entities that their descriptions promise, and nothing lost unseen.
"""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.tagging.spans import keep_longest
from tfner.tagging.word_tags import tags_on_words

pytestmark = pytest.mark.realdata

# file: documents, entities, groups, what the ledger counts
CORPORA = {
    "btc/dev.conll": (1001, 1730, 1, {}),
    "btc/train.conll": (6338, 8779, 1, {}),
    "crossner/ai/dev.txt": (350, 1549, 1, {}),
    "crossner/ai/test.txt": (431, 1809, 1, {}),
    "crossner/ai/train.txt": (100, 532, 1, {}),
    "crossner/science/dev.txt": (450, 2538, 1, {}),
    "crossner/science/test.txt": (543, 3089, 1, {}),
    "crossner/science/train.txt": (200, 1075, 1, {}),
    "europeana/enp_DE.onb.bio": (1, 3343, 1, {"repaired": 41}),
    "europeana/enp_DE.sbb.bio": (1, 1765, 1, {"repaired": 13, "untagged": 32}),
    "germeval2014/dev.tsv": (2200, 2674, 1, {}),
    "ler_de/dev.conll": (6666, 5044, 1, {}),
    "litbank/brat": (27, 3472, 1, {}),
    "mobie_de/dev.conll": (1082, 2793, 494, {"repaired": 28}),
    "ncbi_disease/dev.tsv": (923, 787, 1, {}),
    "ncbi_disease/standoff/dev": (100, 787, 1, {"skipped_annotation": 811}),
    "ncbi_disease/train.tsv": (5432, 5145, 1, {}),
    "sec_filings/train.conll": (1164, 1168, 5, {}),
    "stockmark_ja/ner.json": (5343, 13185, 1, {}),
    "turku_fi/dev.tsv": (1364, 1063, 76, {}),
    "uner_da_ddt/dev.iob2": (564, 379, 1, {}),
    "uner_da_ddt/train.iob2": (4383, 3028, 1, {"repaired": 6}),
    "uner_en_ewt/dev.iob2": (2001, 966, 318, {}),
    "uner_zh_gsdsimp/dev.iob2": (500, 753, 17, {}),
    "wikigold/all.conll": (1696, 3558, 145, {}),
    "wnut17/dev.conll": (1009, 836, 1, {}),
    "wnut17/train.conll": (3394, 1975, 1, {}),
}

# file: separator, token column, tag column, for a reader of five lines
PLAIN_COLUMNS = {
    "btc/dev.conll": ("\t", 0, 1),
    "wnut17/train.conll": ("\t", 0, 1),
    "germeval2014/dev.tsv": ("\t", 1, 2),
    "mobie_de/dev.conll": ("\t", 0, 3),
    "uner_da_ddt/train.iob2": ("\t", 1, 2),
    "uner_zh_gsdsimp/dev.iob2": ("\t", 1, 2),
    "sec_filings/train.conll": (" ", 0, 3),
    "wikigold/all.conll": (" ", 0, 1),
    "europeana/enp_DE.onb.bio": (" ", 0, 1),
}


def read(path: Path) -> tuple[list[Document], Ledger]:
    ledger = Ledger()
    return list(read_documents(path, ReadSettings(), ledger)), ledger


@pytest.mark.parametrize("name", CORPORA)
def test_documents_and_entities_are_as_many_as_promised(data_dir, name):
    documents, ledger = read(data_dir / name)
    entities = sum(len(document.entities) for document in documents)
    assert (
        len(documents),
        entities,
        len({document.group for document in documents}),
        ledger.counts,
    ) == CORPORA[name]
    for document in documents:
        assert all(
            document.text[entity.start : entity.end] == entity.text for entity in document.entities
        )


def test_every_corpus_is_in_the_table(data_dir):
    endings = {".conll", ".tsv", ".iob2", ".bio", ".json"}
    found = {
        path.relative_to(data_dir).as_posix()
        for path in data_dir.rglob("*")
        if path.suffix in endings
    }
    folders = {path.parent.relative_to(data_dir).as_posix() for path in data_dir.rglob("*.ann")}
    assert found | folders | {f"crossner/{part}" for part in ("ai", "science")} <= {
        *CORPORA,
        "crossner/ai",
        "crossner/science",
    }


@pytest.mark.parametrize("name", PLAIN_COLUMNS)
def test_a_reader_of_five_lines_and_seqeval_agree(data_dir, name):
    separator, token, tag = PLAIN_COLUMNS[name]
    lines = (data_dir / name).read_bytes().decode().replace("\r\n", "\n").split("\n")
    comments = ("-DOCSTART-", "# ") if separator == "\t" else ("-DOCSTART-",)
    rows = [line.split(separator) for line in lines if not line.startswith(comments)]
    rows = [row if len(row) > tag and row[tag][:1] in {"O", "B", "I"} else None for row in rows]
    sentences = [
        list(group) for filled, group in groupby(rows, key=lambda row: row is not None) if filled
    ]
    documents, _ = read(data_dir / name)
    assert [document.word_texts() for document in documents] == [
        [row[token] for row in sentence] for sentence in sentences
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [
            [label for label, _, _ in get_entities([row[tag] for row in sentence])]
            for sentence in sentences
        ]
    assert [[entity.label for entity in document.entities] for document in documents] == expected


def test_original_text_is_kept_where_the_comments_hold_it(data_dir):
    documents, _ = read(data_dir / "uner_zh_gsdsimp/dev.iob2")
    assert all(document.words for document in documents)
    joined = sum(" ".join(document.word_texts()) == document.text for document in documents)
    assert joined < 0.02 * len(documents)  # Chinese is written without spaces


def test_words_may_be_empty_or_hold_blanks(data_dir):
    words = [
        word for document in read(data_dir / "btc/dev.conll")[0] for word in document.word_texts()
    ]
    assert sorted(word for word in words if not word.strip()) == ["", "", "", " "]
    (document,), _ = read(data_dir / "europeana/enp_DE.sbb.bio")
    assert sum(" " in word for word in document.word_texts()) > 90


def test_nested_entities_are_all_there(data_dir):
    documents, _ = read(data_dir / "litbank/brat")
    dropped = [entity for document in documents for entity in keep_longest(document.entities)[1]]
    assert len(dropped) > 100


@pytest.mark.parametrize("name", ["wnut17/dev.conll", "ncbi_disease/dev.tsv", "btc/dev.conll"])
@pytest.mark.parametrize("layout", ["Kaggle's", "numbered", "entities", "tags"])
def test_a_corpus_written_as_a_table_says_the_same(data_dir, tmp_path, name, layout):
    documents = list(read_documents(data_dir / name, ReadSettings(), Ledger()))
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        write_table(csv.writer(file), documents, layout)
    has_words = layout != "entities"
    found = list(read_documents(path, ReadSettings(strict=has_words), Ledger()))
    if not has_words:  # blanks are trimmed inside of words too
        documents = [trimmed(replace(document, words=None)) for document in documents]
    assert [(one.text, one.entities, one.words) for one in found] == [
        (one.text, one.entities, one.words) for one in documents
    ]


def write_table(writer, documents, layout):
    headers = {"entities": ["text", "entities"], "tags": ["tokens", "ner_tags"]}
    writer.writerow(headers.get(layout, ["Sentence #", "Word", "POS", "Tag"]))
    for number, document in enumerate(documents, start=1):
        words, tags = document.word_texts(), tags_on_words(document, document.entities, Ledger())
        if layout == "entities":
            spans = [[entity.start, entity.end, entity.label] for entity in document.entities]
            writer.writerow([document.text, json.dumps(spans)])
        elif layout == "tags":
            writer.writerow([json.dumps(words), " ".join(tags)])
        else:
            for index, (word, tag) in enumerate(zip(words, tags, strict=True)):
                is_named = layout == "numbered" or index == 0
                writer.writerow([f"Sentence: {number}" if is_named else "", word, "X", tag])
