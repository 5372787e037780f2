"""The training itself: batches, a compiled model, callbacks and Keras's fit."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.config import RunSettings
from tfner.data.batching.batches import Batches, BatchSettings
from tfner.data.batching.collate import ROUNDING
from tfner.data.batching.packed_batches import PackedBatches, PackSettings
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.shards.batches import ShardBatches
from tfner.data.shards.sharded_corpus import ShardedCorpus
from tfner.evaluation.evaluate import score_documents
from tfner.exceptions import Terminated
from tfner.model.build import build_classifier, build_tagger
from tfner.model.classifier import TokenClassifier
from tfner.model.losses import MaskedSparseCategoricalCrossentropy
from tfner.model.metrics import EntityF1, MaskedAccuracy
from tfner.model.optimizer import build_optimizer
from tfner.monitoring.input_monitor import InputMonitor
from tfner.monitoring.machine import has_accelerator, log_precision, processor_features
from tfner.monitoring.step_metrics import StepMetrics
from tfner.monitoring.telemetry import EventLines, Scalars
from tfner.serving.export.bundle import live_recognizer, make_card
from tfner.training.callbacks import (
    BestWeights,
    EntityReport,
    MetricsLog,
    ProgressBar,
    Settle,
    Throughput,
)
from tfner.training.devices.non_chief import ChiefsScores, NoCheckpoints, SharedCheckpoints
from tfner.training.devices.strategy import Devices
from tfner.training.non_finite import NonFiniteSteps, documents_by_step
from tfner.training.run_inputs import Prepared, class_weights, timed
from tfner.training.state.resume_callback import LastState, Place
from tfner.training.state.termination import interruption

logger = logging.getLogger(__name__)
ROW = 64  # pieces
Callbacks = list[keras.callbacks.Callback]
TrainingBatches = Batches | PackedBatches | ShardBatches
Data = Callable[[Place], tf.data.Dataset]  # the batches from a place on


def fit(prepared: Prepared, devices: Devices) -> tuple[TokenClassifier, bool]:
    """Train until the end or Ctrl-C; the model comes back with the best weights, in the chief. -> (model, interrupted)"""
    settings, folder = prepared.settings, prepared.folder
    make_repeatable(settings)
    log_precision(settings.training.precision, processor_features(), has_accelerator())
    batches = make_batches(prepared)
    with devices.strategy.scope():
        model = compile_model(prepared, batches.steps_per_epoch)
    best = BestWeights(folder.best, training_monitor(prepared), patience=settings.training.patience)
    last = LastState(folder.last, best, steps=settings.training.checkpoint_steps, minutes=settings.training.checkpoint_minutes,
                     data=describe_data(batches))  # fmt: skip
    if devices.workers > 1:
        last.checkpoints = SharedCheckpoints(last.checkpoints, devices)
    if not devices.chief:
        best.checkpoints = NoCheckpoints()
    for callback in (best, last):
        callback.set_model(model)
    with devices.strategy.scope():
        place = last.restore()
    if place != Place():
        logger.info("%s: going on from %s", folder.path, place)
    throughput = Throughput(len(batches.lengths))
    supply, bar = InputMonitor(), ProgressBar(prepared.console)
    written = (
        [MetricsLog(folder.metrics), bar, EventLines(), Scalars(folder.tensorboard)]
        if devices.chief
        else []
    )
    non_finite = NonFiniteSteps(
        settings.training.skipped_in_a_row, documents_by_step(prepared, batches), last
    )
    callbacks = [
        StepMetrics(supply),
        throughput,
        non_finite,
        Settle(),
        *dev_report(prepared, model, devices),
        best,
        *written,
        last,
    ]

    def data(place: Place) -> tf.data.Dataset:
        return devices.distribute(
            lambda share: supply.watch(batches.training(settings.training.epochs, *place, share))
        )

    with timed(prepared.seconds, "fit"):
        interrupted = run_fit(model, batches, data, settings.training.epochs, callbacks, last)
    model.settle()
    bar.close()
    best.restore()
    prepared.seconds["training"] = throughput.seconds
    if int(model.unlabelled_batches.numpy()):
        logger.warning(
            "%d batches held no labelled position: they had loss 0 and gradient 0",
            int(model.unlabelled_batches.numpy()),
        )
    return model, interrupted


def run_fit(
    model: TokenClassifier,
    batches: TrainingBatches,
    data: Data,
    epochs: int,
    callbacks: Callbacks,
    last: LastState,
) -> bool:
    """Keras's fit from where the training stands; whether Ctrl-C ended it.

    Raises:
        DataError: prepared data are damaged.
        Terminated: the process has been asked to end; what it has learned is saved.
    """
    try:
        go_on(model, batches.steps_per_epoch, data, epochs, callbacks, last)
    except BaseException as error:
        stopped = interruption(error)
        if isinstance(stopped, KeyboardInterrupt):
            last.save_interrupted()
            return True
        if stopped is not None:
            # A step that failed because another process was told earlier may have changed some of the weights.
            place = (
                last.saved
                if isinstance(stopped.__context__, tf.errors.OpError)
                else last.save_interrupted()
            )
            saved = f"saved at {place}" if last.checkpoints.mine else "only the first process saves"
            raise Terminated(
                f"{last.checkpoints.folder}: {saved}; the same command goes on from there"
            ) from None
        if isinstance(error, tf.errors.OpError):
            raise getattr(batches, "failure", None) or error from None
        raise
    return False


def go_on(
    model: TokenClassifier,
    steps: int,
    data: Data,
    epochs: int,
    callbacks: Callbacks,
    last: LastState,
) -> None:
    """The epochs that are left."""
    together = keras.callbacks.CallbackList(
        callbacks, model=model, epochs=epochs, steps=steps, verbose=0
    )
    if 0 < steps == last.place.step:
        finish_epoch(model, together, last.place.epoch)
    if last.ended or last.place.epoch >= epochs:
        return
    model.first_step = last.place.step
    model.fit(
        data(last.place),
        epochs=epochs,
        initial_epoch=last.place.epoch,
        steps_per_epoch=steps,
        callbacks=together,
        verbose=0,
    )


def finish_epoch(
    model: TokenClassifier, callbacks: keras.callbacks.CallbackList, epoch: int
) -> None:
    """What comes after the last step of an epoch, of a training that was stopped there: Keras would ask for another step."""
    model.stop_training = False
    callbacks.on_epoch_begin(epoch)
    callbacks.on_epoch_end(
        epoch, {name: float(value) for name, value in model.get_metrics_result().items()}
    )


def describe_data(batches: TrainingBatches) -> str:
    """What a place in the data means something for."""
    return f"{batches.steps_per_epoch} steps, {len(batches.lengths)} windows, lengths {zlib.crc32(batches.lengths.tobytes()):08x}"


def make_repeatable(settings: RunSettings) -> None:
    """Seed everything; dropout draws from generators that checkpoints hold, so that a resumed run goes on with their state."""
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(settings.seed)
    if settings.training.deterministic:
        tf.config.experimental.enable_op_determinism()


def make_batches(prepared: Prepared) -> TrainingBatches:
    """The batches of the training data, as `training.batching` says."""
    settings, training = prepared.settings, prepared.settings.training
    corpus, pad_id = prepared.corpora["train"], prepared.tokenizer.pad_id
    if training.batching == "packed":
        lengths = corpus.blocks.lengths if isinstance(corpus, ShardedCorpus) else corpus.lengths
        how = PackSettings(
            training.batch_size,
            training.row_length or usual_row(lengths, training.batch_size),
            pad_id,
            settings.seed,
        )
    else:
        how = BatchSettings(
            training.batch_size, training.batching, training.bucket_lengths, pad_id, settings.seed
        )
    if isinstance(corpus, ShardedCorpus):
        return ShardBatches(corpus, how)
    return PackedBatches(corpus, how) if isinstance(how, PackSettings) else Batches(corpus, how)


def usual_row(lengths_N: np.ndarray, batch_size: int) -> int:
    """Pieces of a packed row: as many as the longest window has, at least ROW, but no more than a batch is to have.

    Longer rows fill no better, and attention grows with their square.
    """
    pieces = round(batch_size * float(lengths_N.mean())) if len(lengths_N) else ROW
    longest = int(lengths_N.max(initial=0))
    return max(longest, min(ROW, pieces), min(-(-longest // ROUNDING) * ROUNDING, pieces))


def compile_model(prepared: Prepared, steps_per_epoch: int) -> TokenClassifier:
    """A compiled classifier with its optimizer built, ready for a saved state."""
    settings, training = prepared.settings, prepared.settings.training
    model = build_classifier(
        settings,
        prepared.checkpoint,
        prepared.labels,
        pretrained=settings.encoder.initialize == "pretrained",
        policy=training.precision,
    )
    if settings.encoder.implementation == "fused":
        model.train_rows(ids_in_training(prepared))
    optimizer = build_optimizer(
        training.learning_rate,
        steps_per_epoch * training.epochs,
        warmup_ratio=training.warmup_ratio,
        schedule=training.schedule,
        weight_decay=training.weight_decay,
        clip_norm=training.clip_norm,
        head_learning_rate=training.head_learning_rate,
    )
    if training.precision == "mixed_float16":
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer,
        loss=MaskedSparseCategoricalCrossentropy(
            training.label_smoothing, class_weights(training.class_weights, prepared.labels)
        ),
        weighted_metrics=[MaskedAccuracy(), EntityF1(list(prepared.labels.tags))],
        jit_compile=training.batching == "packed" and is_one_program(),
    )
    return model


def ids_in_training(prepared: Prepared) -> np.ndarray:
    """What the model can meet in training, ascending: padding with 0 included; of shards that is not known beforehand, so all ids."""
    tokenizer, corpus = prepared.tokenizer, prepared.corpora["train"]
    if not isinstance(corpus, EncodedCorpus):
        return np.arange(len(tokenizer.vocabulary))
    return np.unique(np.append(corpus.input_ids.values, [0, tokenizer.pad_id]))


def is_one_program() -> bool:
    """Whether XLA compiles a whole step: on one GPU. A CPU's own products are faster, a TPU has nothing else, replicas meet in between."""
    return (
        bool(tf.config.get_visible_devices("GPU"))
        and tf.distribute.get_strategy().num_replicas_in_sync == 1
    )


def training_monitor(prepared: Prepared) -> str | None:
    """The metric that picks the best epoch; None without a dev split, unless it is one of the training data."""
    monitor = prepared.settings.training.monitor
    if "dev" in prepared.corpora or not monitor.startswith("val_"):
        return monitor
    logger.warning("data.dev is not given: the weights of the last epoch are kept, not the best")
    return None


def dev_report(prepared: Prepared, model: TokenClassifier, devices: Devices) -> Callbacks:
    """Scores on the dev split by the same path that evaluation and serving take; none without a dev split."""
    if "dev" not in prepared.corpora:
        return []
    shared = (
        [ChiefsScores(devices, [f"val_entity_{name}" for name in ("precision", "recall", "f1")])]
        if devices.workers > 1
        else []
    )
    if not devices.chief:
        return shared
    tagger = build_tagger(model, prepared.tokenizer, prepared.labels, prepared.settings)
    recognizer = live_recognizer(tagger, make_card(tagger))
    documents = prepared.splits.documents["dev"]
    return [EntityReport(lambda: score_documents(recognizer.documents, documents)), *shared]
