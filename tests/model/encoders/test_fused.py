"""The fused pass against TFBertModel over the same weights: values, gradients, precision.

And the copy that an export holds.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

from tfner.model.classifier import TokenClassifier
from tfner.model.encoders import fused as fused_module
from tfner.model.encoders.bert import build_bert
from tfner.model.encoders.bert_weights import copy_weights, fused_pass, read_weights
from tfner.model.encoders.fused import gelu
from tfner.model.encoders.token_layout import PackedLayout, round_up
from tfner.model.heads.softmax import SoftmaxHead
from tfner.model.inference.frozen import FrozenClassifier


def batch(rows: int = 5, width: int = 14) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    ids = random.integers(5, len(tiny.vocabulary()), (rows, width)).astype(np.int32)
    mask = (np.arange(width) < random.integers(1, width + 1, (rows, 1))).astype(np.int32)
    return ids, mask


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu"])
def test_equal_to_the_reference(tmp_path, activation):
    keras.utils.set_random_seed(1)  # of the weights
    folder = tiny.write_checkpoint(tmp_path, None, hidden_act=activation, initializer_range=0.5)
    bert = build_bert(folder, pretrained=False).bert
    ids, mask = batch()
    want = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    encode, weights = fused_pass(bert, tf.float32), read_weights(bert)
    spec = tf.TensorSpec([None, None], tf.int32)
    got = tf.function(lambda ids, mask: encode(weights, ids, mask), input_signature=[spec, spec])(
        ids, mask
    )  # as an export runs it
    np.testing.assert_allclose(got[mask > 0], want[mask > 0], atol=1e-5)


def test_gradients_equal_to_those_of_the_reference():
    ids, mask = batch()
    y = np.random.default_rng(4).integers(0, len(tiny.LABELS.tags), ids.shape).astype(np.int32)
    gradients = {}
    for implementation in ("fused", "reference"):
        model = tiny.classifier(implementation=implementation)
        with tf.GradientTape() as tape:
            logits = model(
                {"input_ids": ids, "attention_mask": mask}, training=True
            )  # the tiny encoder drops nothing
            loss = tf.reduce_sum(
                tf.where(
                    mask > 0,
                    keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True),
                    0.0,
                )
            )
        found = tape.gradient(loss, model.trainable_variables)
        gradients[implementation] = [tf.convert_to_tensor(gradient).numpy() for gradient in found]
    for fused, reference in zip(gradients["fused"], gradients["reference"], strict=True):
        np.testing.assert_allclose(fused, reference, atol=2e-5 * max(1, np.abs(reference).max()))


def test_dropout_is_the_encoders_own(tmp_path):
    rates = {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5}
    encoder = build_bert(tiny.write_checkpoint(tmp_path, tiny.tensors(), **rates), pretrained=True)
    model = TokenClassifier(encoder, SoftmaxHead(tiny.LABELS), dropout=0.0).build_for_any_shape()
    inputs = dict(zip(("input_ids", "attention_mask"), batch(), strict=True))
    calm, once, again = model(inputs), model(inputs, training=True), model(inputs, training=True)
    assert not np.allclose(once, again)
    assert not np.allclose(calm, once)
    np.testing.assert_array_equal(calm, model(inputs))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near(policy):
    ids, mask = batch()
    model = tiny.classifier()
    bert = model.encoder.bert
    encode = fused_pass(bert, tf.as_dtype(policy.removeprefix("mixed_")))
    want = tiny.reference_states(model.encoder, ids, mask)
    got = encode(read_weights(bert), tf.constant(ids), tf.constant(mask))
    assert got.dtype == policy.removeprefix("mixed_")
    assert (
        np.abs(tf.cast(got, tf.float32).numpy() - want)[mask > 0].max() < 0.15 * np.abs(want).max()
    )


class TestRows:
    @pytest.mark.parametrize("lengths", [[3, 1, 5], [5, 5], [0, 4, 0], [0, 0], [1] * 300, []])
    def test_rows_are_the_real_positions_in_order_and_copies_that_fill_up(self, lengths):
        mask = (np.arange(5) < np.reshape(lengths, [-1, 1])).astype(np.int32)
        values = np.arange(100, 100 + mask.size)
        rows = PackedLayout(tf.constant(mask))
        taken = rows.gather(tf.constant(values)).numpy()
        real = values[mask.ravel() > 0]
        np.testing.assert_array_equal(taken[: len(real)], real)
        assert len(taken) == round_up(tf.constant(len(real) or min(mask.size, 1))).numpy()
        np.testing.assert_array_equal(
            rows.scatter(tf.constant(taken)).numpy()[mask.ravel() > 0], real
        )

    def test_numbers_of_rows_are_few_and_little_more_than_needed(self):
        counts = np.arange(1, 9000, dtype=np.int32)
        found = np.array([round_up(tf.constant(count)).numpy() for count in counts[::7]])
        assert ((found >= counts[::7]) & (found < counts[::7] * (1 + 1 / 16) + 8)).all()
        assert len(np.unique(found)) < 120
        assert not (found % 8).any()

    def test_packed_rows_too_are_computed_of_pieces_alone(self):
        model = tiny.classifier(implementation="fused")
        ids, _ = batch(2, 14)
        segments = np.array([[1] * 5 + [2] * 6 + [0] * 3, [1] * 2 + [0] * 12], np.int32)
        positions = np.array([[*range(5), *range(6), 0, 0, 0], [0, 1, *[0] * 12]], np.int32)
        bert = model.encoder.bert
        given = read_weights(bert), *map(tf.constant, (ids, segments, positions))
        encode = fused_pass(bert, tf.float32)
        every, real = encode(*given), encode(*given, wanted_BT=tf.constant(segments > 0))
        np.testing.assert_allclose(real[segments > 0], every[segments > 0], atol=1e-5)


class TestFrozen:
    @pytest.mark.parametrize("padding_is_left_out", [False, True])
    def test_gives_what_the_model_gave_when_it_was_copied(self, padding_is_left_out):
        model = tiny.classifier()
        frozen = FrozenClassifier(model, tf.float32)
        inputs = dict(zip(("input_ids", "attention_mask"), map(tf.constant, batch()), strict=True))
        want = model(inputs).numpy()
        if padding_is_left_out:
            inputs["wanted"] = inputs["attention_mask"] > 0
        for weight in model.weights:
            weight.assign(tf.zeros_like(weight))
        real = inputs["attention_mask"].numpy() > 0
        np.testing.assert_allclose(frozen(inputs)[real], want[real], atol=1e-4)

    @pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
    @pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
    def test_what_is_wanted_is_the_same_as_where_all_is(self, dtype, share):
        ids, mask = batch(6, 14)
        given = {"input_ids": tf.constant(ids), "attention_mask": tf.constant(mask)}
        wanted = (np.random.default_rng(3).random(ids.shape) < share) & (mask > 0)
        frozen = FrozenClassifier(tiny.classifier(), dtype)
        every = frozen({**given, "wanted": tf.constant(mask > 0)}).numpy()[wanted]
        asked = frozen({**given, "wanted": tf.constant(wanted)}).numpy()
        assert asked.shape[:2] == ids.shape
        np.testing.assert_allclose(asked[wanted], every, atol=1e-5)

    def test_the_last_layer_has_rows_of_what_is_wanted_alone(self, monkeypatch):
        rows = []

        def count_rows(x_NI):
            rows.append(x_NI.shape[0])
            return gelu(x_NI)

        monkeypatch.setattr(fused_module, "gelu", count_rows)
        mask = np.ones((8, 14), np.int32)
        wanted = np.zeros(mask.shape, bool)
        wanted[:, 1:5] = True
        frozen = FrozenClassifier(tiny.classifier(), tf.float32)
        rows.clear()
        frozen({"input_ids": mask, "attention_mask": mask, "wanted": wanted})
        assert rows == [*[8 * 14] * (len(rows) - 1), 8 * 4]

    def test_bfloat16_halves_tables_and_kernels_and_leaves_the_rest(self):
        model = tiny.classifier()
        frozen = FrozenClassifier(model, tf.bfloat16)
        kept = {
            variable.dtype for variable in frozen.prediction_weights if len(variable.shape) == 1
        }
        assert kept == {tf.float32}
        assert [
            variable.dtype for variable in frozen.prediction_weights if len(variable.shape) == 2
        ].count(tf.float32) == 1  # the tag layer
        assert (
            frozen(
                dict(zip(("input_ids", "attention_mask"), map(tf.constant, batch()), strict=True))
            ).dtype
            == tf.float32
        )

    def test_every_weight_is_copied_once(self):
        bert = tiny.classifier().encoder.bert
        _, variables = copy_weights(bert, tf.float32)
        size = sum(int(np.prod(variable.shape)) for variable in variables)
        unused = int(np.prod(bert.embeddings.token_type_embeddings[1:].shape))
        assert size == bert.count_params() - unused
