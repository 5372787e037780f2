"""TokenClassifier under plain Keras.

One update however a batch is split up, no poison from padding, any precision, any callback.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from replicas import two_replicas
from split_batches import BATCHES, WAYS, data_of, random_batch

from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.encoded_corpus import encode
from tfner.documents import Document
from tfner.model.encoders.encoder import Encoder, EncoderInput
from tfner.model.heads.head import LossOptions
from tfner.model.metrics import EntityF1, MaskedAccuracy
from tfner.model.optimizer import build_optimizer


def compiled(optimizer=None, **options):
    model = tiny.classifier(**options)
    optimizer = optimizer or keras.optimizers.SGD(1.0)
    model.compile(optimizer, label_metrics=[MaskedAccuracy()])
    return model


@functools.cache
def trainer(way: str):
    """A model compiled for one way, with its weights before any update."""
    if not way.startswith("replicas"):
        model = compiled(gradient_accumulation=WAYS[way])
    else:
        with two_replicas().scope():
            model = compiled(gradient_accumulation=WAYS[way])
    return model, model.get_weights()


def update(way: str, batch) -> tuple[dict[str, float], list[np.ndarray]]:
    """What `fit` logs for one step, and by how much that step moves each weight.

    With SGD of rate 1, minus the gradient.
    """
    model, before = trainer(way)
    model.set_weights(before)
    history = model.fit(data_of(batch), verbose=0).history
    logs = {name: values[-1] for name, values in history.items()}
    moved = [after.numpy() - value for after, value in zip(model.variables, before, strict=True)]
    return logs, moved


def direct_gradients(batch) -> tuple[float, list[np.ndarray]]:
    """Loss and gradients of the mean over labelled positions, written out for one device."""
    model, before = trainer("whole")
    model.set_weights(before)
    x, y, mask = batch
    with tf.GradientTape() as tape:
        chosen = tf.boolean_mask(model(x, training=True), mask > 0)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y[mask > 0], chosen))
    return float(loss), [
        tf.convert_to_tensor(gradient).numpy()
        for gradient in tape.gradient(loss, model.trainable_variables)
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in BATCHES if name != "no label"])
def test_a_batch_gives_one_update_however_it_is_split(way, name):
    loss, gradients = direct_gradients(BATCHES[name])
    logs, moved = update(way, BATCHES[name])
    assert logs["loss"] == pytest.approx(loss, rel=1e-5)
    trainable = trainer(way)[0].trainable_variables
    for gradient, step, variable in zip(gradients, moved, trainable, strict=False):
        np.testing.assert_allclose(-step, gradient, rtol=1e-4, atol=1e-5, err_msg=variable.name)
    assert max(np.abs(gradient).max() for gradient in gradients) > 0.01


@pytest.mark.parametrize("way", WAYS)
def test_metrics_see_the_whole_batch(way):
    x, y, mask = BATCHES["rows that no split divides"]
    model, before = trainer("whole")
    model.set_weights(before)
    right = model(x).numpy().argmax(-1) == y
    assert update(way, (x, y, mask))[0]["accuracy"] == pytest.approx(
        (right * mask).sum() / mask.sum()
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_without_labels_is_counted_and_moves_nothing(way):
    model, _ = trainer(way)
    count = [variable.name for variable in model.variables].index("unlabelled_batches:0")
    logs, moved = update(way, BATCHES["no label"])
    assert logs["loss"] == 0.0
    assert int(moved.pop(count)) == 1
    assert not any(step.any() for step in moved)
    assert int(update(way, BATCHES["a replica without labels"])[1][count]) == 0


class PoisonedPadding(Encoder):
    """An encoder whose hidden states are NaN at padded positions."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def call(self, inputs, training=False):
        hidden = self.encoder(inputs, training=training)
        return tf.where(inputs.segment_ids[..., None] > 0, hidden, np.nan)


def test_nan_at_padded_positions_reaches_no_gradient():
    batch = BATCHES["uneven labels"]
    assert not batch[0]["attention_mask"].all()
    model = compiled()
    variables = model.trainable_variables
    before = [variable.numpy() for variable in variables]
    model.encoder = PoisonedPadding(model.encoder)
    loss = model.fit(data_of(batch), verbose=0).history["loss"][0]
    clean, gradients = direct_gradients(batch)
    assert loss == pytest.approx(clean, rel=1e-5)
    for variable, value, gradient in zip(variables, before, gradients, strict=True):
        np.testing.assert_allclose(value - variable.numpy(), gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("policy", "parts"), [("mixed_bfloat16", 1), ("mixed_float16", 1), ("mixed_float16", 2)]
)
def test_mixed_precision_learns_with_float32_weights_and_logits(policy, parts):
    optimizer = keras.optimizers.SGD(0.02)
    if policy == "mixed_float16":
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    model = compiled(optimizer, policy=policy, gradient_accumulation=parts)
    data = data_of(random_batch(6)).repeat()
    losses = model.fit(data, steps_per_epoch=1, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[1] / 2 < losses[0]
    assert {variable.dtype for variable in model.trainable_variables} == {tf.float32}
    assert model(random_batch(2)[0]).dtype == tf.float32
    pieces = EncoderInput.from_batch(random_batch(2)[0])
    assert model.encoder(pieces).dtype == policy.removeprefix("mixed_")


def test_plain_fit_evaluate_and_predict_over_bucketed_batches_with_keras_callbacks(tmp_path):
    keras.utils.set_random_seed(1)  # of the dropout
    documents = [
        Document.from_words(
            ["anna", "met", *["boris"] * (n % 7), "in", "oslo"], [(0, 1, "PER")], id=str(n)
        )
        for n in range(24)
    ]
    corpus = encode(documents, tiny.tokenizer(), tiny.LABELS, Ledger(), max_length=16, overlap=4)
    batches = Batches(corpus, PaddedSettings(6, "bucketed", (6, 8), tiny.tokenizer().pad_id, 1))
    model = tiny.classifier(dropout=0.1)
    optimizer = build_optimizer(5e-3, 3 * batches.steps_per_epoch, warmup_ratio=0.0)
    model.compile(optimizer, label_metrics=[EntityF1(list(tiny.LABELS.tags))])
    callbacks = [
        keras.callbacks.ModelCheckpoint(
            tmp_path / "weights",
            "val_entity_f1",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
        ),
        keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = model.fit(
        batches.training(3),
        epochs=3,
        steps_per_epoch=batches.steps_per_epoch,
        validation_data=batches.training(1),
        callbacks=callbacks,
        verbose=0,
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_entity_f1"][-1] == 1.0
    assert model.train_tf_function.experimental_get_tracing_count() == 1
    assert (tmp_path / "weights.index").is_file()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    scores = model.evaluate(batches.training(1), verbose=0, return_dict=True)
    assert scores["entity_f1"] == 1.0
    x, _, _ = random_batch(10)
    np.testing.assert_allclose(
        model.predict(x, batch_size=3, verbose=0), model(x).numpy(), rtol=1e-5, atol=1e-5
    )


def test_class_weights_divide_by_the_weights_of_the_whole_batch():
    batch = BATCHES["uneven labels"]
    weights = np.linspace(0.2, 3.0, len(tiny.LABELS)).tolist()
    moved = []
    for parts in (1, 3):
        model = tiny.classifier(gradient_accumulation=parts, loss=LossOptions(0.1, weights))
        model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
        before = model.head.kernel.numpy()
        model.fit(data_of(batch), verbose=0)
        moved.append(model.head.kernel.numpy() - before)
    np.testing.assert_allclose(*moved, rtol=1e-4, atol=1e-5)


def test_the_loss_of_an_evaluation_does_not_depend_on_the_batches():
    model, before = trainer("whole")
    model.set_weights(before)
    x, y, mask = BATCHES["uneven labels"]
    data = tf.data.Dataset.from_tensor_slices((x, y, mask))
    losses = [
        model.evaluate(data.batch(size), verbose=0, return_dict=True)["loss"] for size in (1, 3, 8)
    ]
    np.testing.assert_allclose(losses, direct_gradients((x, y, mask))[0], rtol=1e-5)


def test_a_loss_beside_the_heads_is_an_error():
    expected = "^compile: expected no loss, which the head of a TokenClassifier has$"
    with pytest.raises(TypeError, match=expected):
        tiny.classifier().compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy())


def test_dropout_works_in_training_alone():
    model = tiny.classifier(dropout=0.5)
    x, _, _ = random_batch(4)
    np.testing.assert_array_equal(model(x), model(x, training=False))
    assert np.abs(model(x, training=True) - model(x)).max() > 0.1
