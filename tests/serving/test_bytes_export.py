"""An export with a byte-level BPE: that it loads, and answers the same."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_bytes

import tfner
from tfner.serving.export.bundle import live_recognizer, make_card
from tfner.serving.export.graph_guard import check_graph
from tfner.serving.export.warm_up import replay, warm_up_requests

pytestmark = pytest.mark.slow  # tests/tokenizers/test_byte_pair_export.py has the quick ones
TEXTS = [
    "Anna Svensson met Boris in New Oslo near the ACME Corp. house.",
    "東京都の大阪市でアンナがボリスに会った。",
    "</s> anna <mask> don't we'll boris <pad><s>",
    "E\u0301lodie ﬁrm\u200d 👩🏽‍🚀 \x00 oslo",
    "internationalization of Bundesverfassungsgericht " * 8,
    "",
]


def test_the_guard_takes_it_and_its_warm_up_passes():
    check_graph(tiny_bytes.exported())
    assert replay(tiny_bytes.exported()) == len(warm_up_requests(tiny_bytes.tagger()))


def test_what_is_loaded_again_answers_as_the_model_that_was_written():
    model = tfner.load(tiny_bytes.exported())
    card = make_card(tiny_bytes.tagger(), name="bytes")
    assert model.card["tokenizer"] == card["tokenizer"] == tiny_bytes.tokenizer().fingerprint()
    found, wanted = model.batch(TEXTS), live_recognizer(tiny_bytes.tagger(), card).batch(TEXTS)
    assert sum(map(len, found)) > 10
    assert found[-1] == []
    for text, entities, others in zip(TEXTS, found, wanted, strict=True):
        spans = [(e.start, e.end, e.label) for e in entities]
        assert spans == [(e.start, e.end, e.label) for e in others]
        scores = [e.score for e in entities]
        np.testing.assert_allclose(scores, [e.score for e in others], atol=1e-5)
        assert all(text[e.start : e.end] == e.text for e in entities)


def test_an_empty_word_has_a_tag_and_no_score():
    import tensorflow as tf

    signature = tiny_bytes.served().signatures["words"]
    answer = signature(words=tf.constant([["anna", "", "boris", "\u200b"]]))
    assert [score > 0 for score in answer["score"].numpy()[0]] == [True, False, True, True]
