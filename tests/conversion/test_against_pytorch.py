"""Convert a tagger that PyTorch wrote, and compare it with PyTorch's and its pipeline's answers.

TFNER_PEER_PYTHON names a Python with torch and transformers, in an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tfner.conversion.fine_tuned import open_fine_tuned
from tfner.corpus.ledger import Ledger
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.serving.export.bundle import live_recognizer
from tfner.tagging.schemes import read_spans

pytestmark = [pytest.mark.slow, pytest.mark.realdata, pytest.mark.encoder]
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SENTENCES = 500
# Of entities; the pipeline cuts given words at hyphens and quotes, and finds some inside of them.
OTHER_BORDERS = 0.005


@pytest.fixture(scope="module")
def peer():
    python = os.environ.get("TFNER_PEER_PYTHON")
    if not python:
        pytest.skip("TFNER_PEER_PYTHON is not set: it names a Python with torch and transformers")
    return python


@pytest.fixture(scope="module")
def sentences(data_dir):
    documents = read_documents(data_dir / "wnut17" / "dev.conll", ReadSettings(), Ledger())
    words = [document.word_texts() for document in documents]
    return [list(filter(str.strip, each)) for each in words[:SENTENCES]]


@pytest.fixture(scope="module")
def answered(peer, sentences, encoder_dir, tmp_path_factory):
    """The tagger's folder and PyTorch's answers."""
    folder = tmp_path_factory.mktemp("peer")
    files = {name: folder / f"{name}.json" for name in ("sentences", "labels", "answers")}
    files["sentences"].write_text(json.dumps(sentences))
    files["labels"].write_text(json.dumps(NAMES))
    command = [peer, "-m", "benchmarks.peers.fine_tuned", encoder_dir, folder / "tagger"]
    root = Path(__file__).parents[2]
    subprocess.run(list(map(str, [*command, *files.values()])), cwd=root, check=True)
    return folder / "tagger", json.loads(files["answers"].read_text())


@pytest.fixture(scope="module")
def tagged(answered, sentences):
    tagger, card = open_fine_tuned(answered[0], overrides=["decoder=greedy"])
    return live_recognizer(tagger, card).tag_batch(sentences)


def test_first_pieces_have_the_probabilities_of_pytorch(answered, tagged):
    for answer, (tags, found) in zip(answered[1], tagged, strict=True):
        expected = np.array(answer["probabilities"])
        np.testing.assert_allclose(found, expected.max(-1), atol=1e-5)
        seen = expected.any(-1)
        best = [NAMES[number] for number in expected.argmax(-1)]
        assert [tag for tag, is_seen in zip(tags, seen, strict=True) if is_seen] == [
            tag for tag, is_seen in zip(best, seen, strict=True) if is_seen
        ]


def test_entities_are_those_of_the_pipeline(answered, tagged):
    other, count = 0, 0
    for answer, (tags, _) in zip(answered[1], tagged, strict=True):
        spans, _ = read_spans(tags, "IOB2")
        found = {(first, end - 1, label) for first, end, label in spans}
        expected = {tuple(entity) for entity in answer["entities"]}
        other += len(found ^ expected)
        count += len(expected)
    assert count > SENTENCES
    assert other <= OTHER_BORDERS * count
