"""Train: build callbacks around a compiled model, and call Keras's fit until no epoch is left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.config import RunSettings
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.evaluation.evaluate import score_documents
from tfner.model.build import build_classifier, build_tagger
from tfner.model.classifier import TokenClassifier
from tfner.model.metrics import EntityF1, MaskedAccuracy
from tfner.model.optimizer import build_optimizer
from tfner.model.traced_gradients import traced_gradients_forgotten
from tfner.monitoring.input_monitor import InputMonitor
from tfner.monitoring.machine import has_accelerator, log_precision, processor_features
from tfner.monitoring.step_metrics import StepMetrics
from tfner.monitoring.telemetry import EventLines, Scalars
from tfner.training import callbacks
from tfner.training.batches import TrainingBatches, describe_batches, make_batches
from tfner.training.card import recognizer_of_run
from tfner.training.devices.non_chief import BroadcastScores, NoCheckpoints, SharedCheckpoints
from tfner.training.devices.strategy import Devices
from tfner.training.loop import OneTraining, fit_until_stopped
from tfner.training.non_finite import NonFiniteSteps, documents_by_step
from tfner.training.run_inputs import RunInputs, is_pretrained, loss_options
from tfner.training.schedule import Schedule, choose_schedule, log_schedule
from tfner.training.state.resume_callback import ResumeCheckpoint, TrainingPosition
from tfner.training.tag_prior import begin_from_prior, prior_strength

logger = logging.getLogger(__name__)
Callbacks = Sequence[keras.callbacks.Callback]


@traced_gradients_forgotten()
def fit(inputs: RunInputs, devices: Devices, more: Callbacks = ()) -> tuple[TokenClassifier, bool]:
    """Train until the end or Ctrl-C; `more` callbacks are called once dev has been scored.

    Returns:
        The model, in the chief with its best weights, and whether Ctrl-C ended the training.
    """
    settings = inputs.settings
    make_repeatable(settings)
    log_precision(settings.training.precision, processor_features(), has_accelerator())
    batches = make_batches(inputs)
    schedule = choose_schedule(settings.training, batches.steps_per_epoch)
    if not inputs.taught:  # else it was said before the teachers began
        log_schedule(settings.training, schedule)
    with devices.strategy.scope():
        model = compile_model(inputs, schedule)
    run_callbacks = RunCallbacks(inputs, devices, model, batches, schedule, more)
    with devices.strategy.scope():
        position = run_callbacks.resume.restore()
    if position != TrainingPosition():
        logger.info("%s: going on from %s", inputs.folder.path, position)

    def dataset_from(position: TrainingPosition) -> tf.data.Dataset:
        watch = run_callbacks.input_monitor.watch
        passes = schedule.all_passes
        begin = schedule.position_in_data(*position)
        return devices.distribute(lambda share: watch(batches.training(passes, *begin, share)))

    counts = {"epochs": schedule.epochs, "steps": schedule.steps_per_epoch}
    together = OneTraining(run_callbacks.ordered, model=model, verbose=0, **counts)
    try:
        interrupted = fit_until_stopped(dataset_from, together, run_callbacks.resume, batches)
    finally:
        run_callbacks.bar.close()
    elapsed = run_callbacks.throughput.elapsed()
    inputs.seconds.update(fit=elapsed.fit, training=elapsed.training)
    warn_unlabelled(model)
    return model, interrupted


class RunCallbacks:
    """Build the callbacks of a run.

    Attributes:
        ordered: all of them, in the order that `callbacks` asks for.
        resume: knows the position; it is to be restored before the training.
    """

    def __init__(
        self,
        inputs: RunInputs,
        devices: Devices,
        model: TokenClassifier,
        batches: TrainingBatches,
        schedule: Schedule,
        more: Callbacks = (),
    ):
        settings = inputs.settings.training
        folder = inputs.folder
        self.input_monitor = InputMonitor()
        self.bar = callbacks.ProgressBar(inputs.console)
        self.throughput = callbacks.Throughput(schedule.passes * len(batches.lengths))
        monitor = training_monitor(inputs)
        self.best = callbacks.BestWeights(folder.best, monitor, patience=settings.patience)
        saved = (folder.last, self.best, self.throughput)
        steps = settings.checkpoint_steps
        minutes = settings.checkpoint_minutes
        data = describe_batches(batches)
        self.resume = ResumeCheckpoint(*saved, steps=steps, minutes=minutes, data=data)
        if devices.workers > 1:
            self.resume.checkpoints = SharedCheckpoints(self.resume.checkpoints, devices)
        if not devices.chief:
            self.best.checkpoints = NoCheckpoints()
        for callback in (self.best, self.resume):
            callback.set_model(model)
        documents_at = documents_by_step(inputs, batches)

        def documents_of(epoch: int, step: int) -> list[str]:
            return documents_at(*schedule.position_in_data(epoch, step))

        metrics = callbacks.MetricsLog(folder.metrics)
        scalars = Scalars(folder.tensorboard)
        writers = [*more, metrics, self.bar, EventLines(), scalars] if devices.chief else []
        non_finite = NonFiniteSteps(settings.skipped_in_a_row, documents_of, self.resume)
        watchers = [StepMetrics(self.input_monitor), self.throughput, non_finite]
        scoring = [*dev_report(inputs, model, devices), self.best]
        self.ordered = [*watchers, *scoring, *writers, self.resume]


def warn_unlabelled(model: TokenClassifier) -> None:
    """Say once how many batches taught nothing."""
    unlabelled = int(model.unlabelled_batches.numpy())
    if unlabelled:
        message = "%d batches held no labelled position: they had loss 0 and gradient 0"
        logger.warning(message, unlabelled)


def make_repeatable(settings: RunSettings) -> None:
    """Seed everything; dropout draws from generators whose state checkpoints hold."""
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(settings.seed)
    if settings.training.deterministic:
        tf.config.experimental.enable_op_determinism()


def compile_model(inputs: RunInputs, schedule: Schedule) -> TokenClassifier:
    """Build a compiled classifier with its optimizer, ready for a saved state."""
    settings = inputs.settings
    training = inputs.settings.training
    loss = loss_options(settings, inputs.labels)
    options: Any = {
        "pretrained": is_pretrained(settings),
        "policy": training.precision,
        "loss": loss,
    }
    model = build_classifier(settings, inputs.checkpoint, inputs.labels, **options)
    corpus = inputs.corpora["train"]
    strength = prior_strength(training.tag_prior, corpus.sentences)
    begin_from_prior(model.head, corpus, strength)
    if inputs.warm_start is not None:
        inputs.warm_start.apply(model)
    model.restrict_embedding_update(ids_in_training(inputs))
    optimizer_options = training.optimizer_options(model.encoder.hidden_size)
    log_rates(optimizer_options, has_transitions=hasattr(model.head, "transitions"))
    optimizer = build_optimizer(total_steps=schedule.updates, **optimizer_options)
    if training.precision == "mixed_float16":
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    metrics = [MaskedAccuracy(), EntityF1(list(inputs.labels.tags))]
    one_program = training.batching == "packed" and is_one_program()
    model.compile(optimizer, label_metrics=metrics, jit_compile=one_program)
    return model


def log_rates(options: Mapping[str, Any], *, has_transitions: bool) -> None:
    """Say how fast the encoder, the head and, of a CRF, the transitions learn."""
    rate = options["learning_rate"]
    head_rate = options["head_learning_rate"] or rate
    said = f"learning rate {rate:.2g} at its peak, {head_rate:.2g} for the head"
    if has_transitions:
        transition_rate = options["transition_learning_rate"] or head_rate
        said += f", {transition_rate:.2g} for a CRF's transitions"
    logger.info(said)


def ids_in_training(inputs: RunInputs) -> np.ndarray:
    """Collect the ids that the model can meet in training, ascending, int [I].

    They include padding's, and the 0 of rows that fill up a micro-batch. Of shards they are not
    known beforehand, so all are given.
    """
    tokenizer = inputs.tokenizer
    corpus = inputs.corpora["train"]
    if not isinstance(corpus, EncodedCorpus):
        return np.arange(len(tokenizer.vocabulary))
    return np.unique(np.append(corpus.input_ids.values, [0, tokenizer.pad_id]))


def is_one_program() -> bool:
    """Tell whether XLA is asked to compile a whole step, which is done on one GPU.

    A CPU's own products are faster, a TPU has nothing else, replicas meet within a step.
    """
    one_replica = tf.distribute.get_strategy().num_replicas_in_sync == 1
    return one_replica and bool(tf.config.get_visible_devices("GPU"))


def training_monitor(inputs: RunInputs) -> str | None:
    """Choose the metric that picks the best epoch; None without a dev split that gives it."""
    monitor = inputs.settings.training.monitor
    if "dev" in inputs.corpora or not monitor.startswith("val_"):
        return monitor
    logger.warning("data.dev is not given: the weights of the last epoch are kept, not the best")
    return None


def dev_report(inputs: RunInputs, model: TokenClassifier, devices: Devices) -> Callbacks:
    """Make what scores the dev split, if there is one, as evaluation and serving do."""
    if "dev" not in inputs.corpora:
        return []
    names = [f"val_entity_{name}" for name in ("precision", "recall", "f1")]
    shared = [BroadcastScores(devices, names)] if devices.workers > 1 else []
    if not devices.chief:
        return shared
    tagger = build_tagger(
        model, inputs.tokenizer, inputs.labels, inputs.settings, inputs.sentences_per_document
    )
    recognizer = recognizer_of_run(inputs.settings, tagger)
    documents = inputs.splits.documents["dev"]
    report = callbacks.EntityReport(lambda: score_documents(recognizer.documents, documents))
    return [report, *shared]
