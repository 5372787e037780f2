"""An update sees about as many sentences, whether they are read alone or together."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tiny

from tfner.config import RunSettings
from tfner.corpus.ledger import Ledger
from tfner.data.encoded_corpus import encode
from tfner.documents import Document
from tfner.training.batches import make_batches, windows_of_sentences


def batches_of(documents, context: str, batching: str):
    encoder = {"checkpoint": str(tiny.checkpoint()), "max_length": 64, "overlap": 8}
    training = {"batching": batching, "batch_size": 64}
    values = {"name": "a", "encoder": encoder, "training": training, "data": {"context": context}}
    settings = RunSettings.model_validate(values)
    options = settings.encoding_options()
    corpus = encode(documents, tiny.tokenizer(), tiny.LABELS, Ledger(), **options)
    inputs = SimpleNamespace(
        settings=settings, corpora={"train": corpus}, tokenizer=tiny.tokenizer()
    )
    return make_batches(inputs)


@pytest.mark.parametrize("batching", ["packed", "padded"])
def test_an_epoch_has_about_as_many_updates_with_context(batching):
    words = ["anna", "met", "boris", "in", "oslo"]
    documents = [Document.from_words(words, group=f"{number // 50}") for number in range(1600)]
    alone, together = (batches_of(documents, context, batching) for context in ("none", "document"))
    assert len(together.lengths) < len(alone.lengths) / 2
    assert alone.steps_per_epoch == pytest.approx(25, rel=0.2)
    assert together.steps_per_epoch == pytest.approx(25, rel=0.2)


def test_long_texts_are_no_reason_for_more_windows_in_a_batch():
    assert windows_of_sentences(8, sentences=10, windows=500) == 8
    assert windows_of_sentences(8, sentences=5000, windows=10) == 1
