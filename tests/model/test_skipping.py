"""Steps that are not finite.

Nothing changes, all replicas agree, they are counted and their documents named, and too many end
the run.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from replicas import on_replicas, two_replicas

from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.encoded_corpus import encode
from tfner.documents import Document
from tfner.exceptions import DivergedError
from tfner.model.heads.head import LossSums
from tfner.model.metrics import EntityF1
from tfner.model.optimizer import FusedAdamW, build_optimizer
from tfner.training.non_finite import NonFiniteSteps, documents_by_step

BAD = 77  # the piece whose embedding is not finite
SHAPES = ((11, 3), (3, 4), (4,))


def state_of(optimizer, variables) -> list[np.ndarray]:
    return [value.numpy() for value in (*variables, *optimizer._momentums, *optimizer._velocities)]


def gradients_of(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES]


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, 1e38]
)  # the square of the last is not finite
@pytest.mark.parametrize("place", [0, 2, "slices"])
def test_an_update_that_is_not_finite_changes_no_bit_but_its_number(clip, value, place):
    variables = [tf.Variable(gradient) for gradient in gradients_of(1)]
    optimizer = FusedAdamW(0.1, global_clipnorm=clip)
    apply = tf.function(
        lambda gradients: optimizer.apply_gradients(zip(gradients, variables, strict=True))
    )
    apply([tf.constant(gradient) for gradient in gradients_of(2)])
    before = state_of(optimizer, variables)
    gradients = gradients_of(3)
    gradients[place if place != "slices" else 0][1, ...] = value
    tensors = [tf.constant(gradient) for gradient in gradients]
    if place == "slices":
        tensors[0] = tf.IndexedSlices(tensors[0], tf.range(11), tf.constant(SHAPES[0]))
    apply(tensors)
    for old, new in zip(before, state_of(optimizer, variables), strict=True):
        assert old.tobytes() == new.tobytes()
    assert optimizer.iterations.numpy() == 2
    apply([tf.constant(gradient) for gradient in gradients_of(4)])
    assert all(np.isfinite(value).all() for value in state_of(optimizer, variables))
    assert any(
        old.tobytes() != new.tobytes()
        for old, new in zip(before, state_of(optimizer, variables), strict=True)
    )


def a_model(*, scale: float | None = None, policy: str = "float32", **options):
    """A compiled tiny classifier for which the piece BAD is not finite."""
    model = tiny.classifier(policy=policy, implementation="fused", **options)
    words = next(weight for weight in model.trainable_variables if "word_embeddings" in weight.name)
    words.assign(tf.tensor_scatter_nd_update(words, [[BAD]], [[np.nan] * words.shape[1]]))
    optimizer = build_optimizer(1e-3, 100, warmup_ratio=0.0, schedule="constant", weight_decay=0.0)
    if scale:
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=scale)
    model.compile(optimizer, label_metrics=[EntityF1(list(tiny.LABELS.tags))])
    return model


def batch_of(seed: int, bad: bool = False, rows: int = 6):
    """(x, y, label_mask) of random pieces, with or without BAD among them."""
    random = np.random.default_rng(seed)
    ids = random.integers(80, len(tiny.vocabulary()), (rows, 12)).astype(np.int32)
    if bad:
        ids[-1, 3] = BAD
    y, mask = (
        random.integers(0, len(tiny.LABELS), ids.shape).astype(np.int32),
        (random.random(ids.shape) < 0.5).astype(np.float32),
    )
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}, y, mask


def stacked(batches) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *values: np.stack(values), *batches)
    )


@pytest.mark.long
@pytest.mark.parametrize("parts", [3])
def test_a_training_leaves_out_bad_steps_and_is_otherwise_as_without_them(parts):
    bad = {1, 4}
    batches = [batch_of(seed, bad=seed in bad) for seed in range(6)]
    model = a_model(gradient_accumulation=parts)
    logs = model.fit(stacked(batches), epochs=2, verbose=0).history
    assert logs["skipped_steps"] == [2, 4]
    assert np.isfinite(logs["loss"]).all()
    assert model.optimizer.iterations.numpy() == 12
    assert model.train_function.experimental_get_tracing_count() == 1
    other = a_model(gradient_accumulation=parts)
    good = stacked([batch for seed, batch in enumerate(batches) if seed not in bad])
    for epoch in range(2):
        for number, batch in zip((0, 2, 3, 5), good, strict=True):
            other.optimizer.iterations.assign(
                6 * epoch + number
            )  # as in the first training, so that Adam corrects alike
            other.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    for one, two in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.name)


@pytest.mark.parametrize(("what", "parts"), [("gradient", 2), ("loss", 1)])
def test_what_one_replica_cannot_do_none_does(what, parts):
    strategy = two_replicas()
    with strategy.scope():
        model = a_model(gradient_accumulation=parts)
        model.optimizer.build(model.trainable_variables)
        model.make_train_function()
    if what == "loss":  # not finite where its gradient is
        real = model.compute_loss
        model.compute_loss = lambda x, *values: (
            real(x, *values) + tf.where(tf.reduce_any(x["input_ids"] == BAD), np.inf, 0.0)
        )
        words = next(
            weight for weight in model.trainable_variables if "word_embeddings" in weight.name
        )
        words.assign(tf.where(tf.math.is_nan(words), 0.0, words))

    def train(ids: tf.Tensor, y: tf.Tensor, mask: tf.Tensor) -> list[tf.Tensor]:
        return [
            model.train_step(({"input_ids": ids, "attention_mask": tf.ones_like(ids)}, y, mask))[
                "skipped_steps"
            ]
        ]

    run = on_replicas(strategy, train)

    def step(*batches) -> list[int]:
        return [
            int(found[0]) for found in run([(x["input_ids"], y, mask) for x, y, mask in batches])
        ]

    assert step(batch_of(1), batch_of(2)) == [0, 0]
    before = [value.numpy() for value in model.trainable_variables]
    assert step(batch_of(3), batch_of(4, bad=True)) == [1, 1]
    for variable, old in zip(model.trainable_variables, before, strict=True):
        for copy in strategy.experimental_local_results(variable):
            assert copy.numpy().tobytes() == old.tobytes()
    assert step(batch_of(5), batch_of(6)) == [1, 1]
    assert any(
        variable.numpy().tobytes() != old.tobytes()
        for variable, old in zip(model.trainable_variables, before, strict=True)
    )


@pytest.mark.long
@pytest.mark.parametrize("parts", [1, 2])
def test_overflows_of_a_loss_scale_are_not_counted_but_a_bad_loss_is(parts):
    model = a_model(policy="mixed_float16", scale=2.0**30, gradient_accumulation=parts)
    before = [value.numpy() for value in model.trainable_variables]
    assert model.fit(stacked([batch_of(1)]), verbose=0).history["skipped_steps"] == [0]
    assert float(model.optimizer.loss_scale) == 2.0**29  # it was too large
    assert all(
        old.tobytes() == new.numpy().tobytes()
        for old, new in zip(before, model.trainable_variables, strict=True)
    )
    model.optimizer._loss_scale.current_loss_scale.assign(64.0)
    assert model.fit(stacked([batch_of(1), batch_of(2, bad=True), batch_of(3)]), verbose=0).history[
        "skipped_steps"
    ] == [1]


def test_gradients_that_overflow_without_a_scale_are_counted():
    model = a_model(policy="mixed_float16", scale=1.0)
    real = model.head.loss_sums

    def huge(*values):
        total, weight = real(*values)
        return LossSums(total * 1e9, weight)

    model.head.loss_sums = huge
    assert model.fit(stacked([batch_of(1)]), verbose=0).history["skipped_steps"] == [1]


def watched(bad: set[int], most: int):
    steps = NonFiniteSteps(most, lambda epoch, step: [f"document {epoch}.{step}"])
    model = a_model()
    model.fit(
        stacked([batch_of(seed, bad=seed in bad) for seed in range(8)]),
        callbacks=[steps],
        verbose=0,
    )
    return steps


@pytest.mark.parametrize("batching", ["packed", "bucketed", "padded"])
def test_the_documents_of_a_step_are_those_of_its_windows(batching):
    """Each document is one word, over and over; some have several windows, and one has no name."""
    words = [word for word in tiny.WORDS if tiny.vocabulary().count(word) == 1][:12]
    documents = [
        Document.from_words([word] * (3 + 5 * number), id="" if number == 7 else word)
        for number, word in enumerate(words)
    ]
    how = {"max_length": 16, "overlap": 4}
    corpus = encode(documents, tiny.tokenizer(), tiny.LABELS, Ledger(), **how)
    pack, pad = PackedSettings(4, 16, 0, 1), PaddedSettings(4, batching, (8,), 0, 1)
    batches = PackedBatches(corpus, pack) if batching == "packed" else Batches(corpus, pad)
    splits, settings = (
        SimpleNamespace(documents={"train": documents}),
        SimpleNamespace(encoder=SimpleNamespace(**how)),
    )
    names = documents_by_step(SimpleNamespace(splits=splits, settings=settings), batches)
    number_of = {tiny.vocabulary().index(word): number for number, word in enumerate(words)}
    for place, (x, _, _) in enumerate(batches.training(2).as_numpy_iterator()):
        numbers = sorted(
            {number_of[piece] for piece in x["input_ids"].ravel().tolist() if piece in number_of}
        )
        want = ["number 8" if number == 7 else words[number] for number in numbers]
        assert names(*divmod(place, batches.steps_per_epoch)) == want


def test_of_sentences_that_were_read_together_those_of_the_window_are_named():
    words = [word for word in tiny.WORDS if tiny.vocabulary().count(word) == 1][:12]
    documents = [Document.from_words([word] * 5, id=word, group="a") for word in words]
    how = {"max_length": 16, "overlap": 4}
    labels = tiny.LABELS
    corpus = encode(documents, tiny.tokenizer(), labels, Ledger(), context="document", **how)
    assert len(corpus.passages) < len(documents)
    batches = Batches(corpus, PaddedSettings(2, "padded", (8,), 0, 1))
    splits = SimpleNamespace(documents={"train": documents})
    settings = SimpleNamespace(encoder=SimpleNamespace(**how))
    names = documents_by_step(SimpleNamespace(splits=splits, settings=settings), batches)
    owners = set()
    for step, (x, _, label_mask) in enumerate(batches.training(1).as_numpy_iterator()):
        labelled = x["input_ids"][label_mask > 0]
        wanted = {tiny.vocabulary()[number] for number in labelled.tolist()}
        assert names(0, step) == sorted(wanted, key=words.index)
        owners |= wanted
    assert owners == set(words)


def test_documents_of_skipped_steps_are_named(caplog):
    steps = watched({2, 3, 7}, 3)
    named = [
        record.getMessage().rpartition(": ")[2]
        for record in caplog.records
        if "not finite" in record.getMessage()
    ]
    assert named == ["document 0.2", "document 0.3", "document 0.7"]
    assert steps.in_a_row == 1


def test_too_many_in_a_row_end_the_training():
    with pytest.raises(
        DivergedError,
        match=r"^epoch 1, step 6: 3 steps in a row .*documents of the last one: document 0.5",
    ):
        watched({1, 3, 4, 5}, 3)
