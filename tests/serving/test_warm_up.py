"""What a server is asked while it loads: every signature and width, and never a request that
fails."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_bytes
import tiny_pieces

from tfner.exceptions import ModelError
from tfner.serving.export import bundle, warm_up
from tfner.serving.export.bundle import export_model
from tfner.serving.export.layout import WARM_UP
from tfner.serving.export.warm_up import (
    TEXTS_AT_MOST,
    read_warm_up,
    replay,
    warm_up_requests,
    write_warm_up,
)

CARD_OF_TINY = {"format": 1, "tag_scheme": "IOB2", "name": "tiny"}


def widths_asked(signature: str, tagger) -> set[int]:
    """Pieces of the longest row of each request, [CLS] and [SEP] included, no longer than a
    window."""
    tokenizer, found = tagger.tokenizer, set()
    for name, inputs in warm_up_requests(tagger):
        if name != signature:
            continue
        if name == "features":
            found.add(inputs["input_ids"].shape[1])
            continue
        if name == "words":
            tokens = tokenizer.tokenize_words(
                tf.RaggedTensor.from_tensor(tf.constant(inputs["words"].tolist()))
            )
        else:
            tokens = tokenizer.tokenize_text(tf.constant(inputs["text"].tolist()))
        found.add(min(int(tf.reduce_max(tokens.ids.row_lengths())) + 2, tagger.max_length))
    return found


@pytest.mark.parametrize("signature", ["serving_default", "words", "features"])
def test_every_width_of_every_signature_is_asked_for(signature):
    tagger = tiny.tagger(widths=(8, 16))
    assert widths_asked(signature, tagger) >= set(tagger.plan.widths)


@pytest.mark.parametrize("maker", [tiny_pieces, tiny_bytes])
@pytest.mark.parametrize("signature", ["serving_default", "words", "features"])
def test_every_width_is_filled_where_a_word_has_two_pieces(signature, maker):
    tagger = maker.tagger(widths=(9, 16))
    word = tagger.tokenizer.tokenize_words(tf.ragged.constant([[warm_up.WORD]]))
    assert tf.size(word.ids.values) == 2
    asked = widths_asked(signature, tagger)
    narrower = 0
    for width in tagger.plan.widths:
        assert any(narrower < found <= width for found in asked)
        narrower = width


def test_texts_without_anything_of_other_scripts_and_not_utf_8_are_among_them():
    texts = [
        text
        for name, inputs in warm_up_requests(tiny.tagger())
        if name == "serving_default"
        for text in inputs["text"]
    ]
    assert b"" in texts
    assert any(
        not text.isascii() and text.decode("utf-8", "ignore").encode() == text for text in texts
    )
    assert any(text.decode("utf-8", "ignore").encode() != text for text in texts)


def test_every_compiled_shape_is_asked_for_as_far_as_a_server_batches():
    tagger = tiny.tagger(widths=(16,), compiled=True, max_pieces_per_pass=512 * 32)
    asked = {
        inputs["text"].shape[0]
        for name, inputs in warm_up_requests(tagger)
        if name == "serving_default"
    }
    assert asked >= {1, 8, TEXTS_AT_MOST}
    assert max(asked) == TEXTS_AT_MOST


def test_what_is_written_is_read_and_answered():
    requests = list(read_warm_up(tiny.exported()))
    wanted = warm_up_requests(tiny.tagger())
    assert [name for name, _ in requests] == [name for name, _ in wanted]
    for (_, inputs), (_, given) in zip(requests, wanted, strict=True):
        assert inputs.keys() == given.keys()
        for name, value in inputs.items():
            np.testing.assert_array_equal(value, given[name])
    assert replay(tiny.exported()) == len(wanted) <= warm_up.AT_MOST


@pytest.mark.long
def test_a_request_that_fails_fails_the_export(monkeypatch, tmp_path):
    too_wide = (
        "features",
        {"input_ids": np.ones((1, 40), np.int32), "length": np.array([40], np.int32)},
    )
    monkeypatch.setattr(
        bundle, "warm_up_requests", lambda tagger: [*warm_up_requests(tagger)[:2], too_wide]
    )
    with pytest.raises(
        ModelError,
        match=r"(?s)fails on its warm-up request 3: .*input_ids: expected at most 32 pieces a row",
    ):
        export_model(tiny.tagger(), CARD_OF_TINY, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_compiled_export_answers_as_the_other(tmp_path):
    from tfner.serving.runtime.saved_model import load_recognizer

    programs = {"widths": (32,), "max_pieces_per_pass": 8 * 32}  # of 1 and of 8 rows
    folder = export_model(tiny.tagger(compiled=True, **programs), CARD_OF_TINY, tmp_path)
    texts = ["anna met boris in oslo", "", "the acme corp runs near paris " * 9]
    for got, want in zip(
        load_recognizer(folder).batch(texts), tiny.live().batch(texts), strict=True
    ):
        assert [(e.start, e.end, e.label) for e in got] == [(e.start, e.end, e.label) for e in want]
        np.testing.assert_allclose([e.score for e in got], [e.score for e in want], atol=1e-4)


def test_requests_are_where_the_server_looks_and_name_the_model(tmp_path):
    from tensorflow_serving.apis import prediction_log_pb2

    write_warm_up(warm_up_requests(tiny.tagger())[:1], tmp_path, "mine")
    assert WARM_UP.as_posix() == "assets.extra/tf_serving_warmup_requests"
    (record,) = tf.data.TFRecordDataset(str(tmp_path / WARM_UP)).as_numpy_iterator()
    spec = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request.model_spec
    assert (spec.name, spec.signature_name) == ("mine", "serving_default")
