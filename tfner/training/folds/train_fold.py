"""Train the run of a fold as `tfner.train` trains any, and predict what it has not learned."""

from __future__ import annotations

import gc
import shutil

import tf_keras as keras
from rich.console import Console

from tfner.config import RunSettings
from tfner.model.inference.tagger import Tagger
from tfner.training.card import recognizer_of_run
from tfner.training.folds.cross_validation import HeldOut
from tfner.training.folds.folder import FoldsFolder
from tfner.training.folds.out_of_fold import OutOfFold, write_predictions
from tfner.training.restore import restore_tagger
from tfner.training.run import train
from tfner.training.teachers import teacher_in_memory
from tfner.training.unit_answers import ask_units


def train_fold(
    settings: RunSettings, held_out: HeldOut, folder: FoldsFolder, console: Console
) -> None:
    """Train a fold, and write what its model predicts for the documents that are held out.

    Raises:
        KeyboardInterrupt: Ctrl-C has stopped it; the state is saved.
        TfnerError, Terminated: see `tfner.training.run.train`.
    """
    try:
        outcome = train(settings, console)
        if outcome.state == "interrupted":
            raise KeyboardInterrupt
        run = outcome.folder
        tagger = restore_tagger(run, settings)
        predictions = predict(tagger, settings, held_out)
    finally:
        # What Keras keeps of the models before would fill the memory.
        keras.backend.clear_session()
        gc.collect()
    # A finished run needs no states to go on from, which are most of what it keeps.
    shutil.rmtree(run.last, ignore_errors=True)
    path = folder.predictions_of(held_out.fold)
    write_predictions(path, predictions)


def predict(tagger: Tagger, settings: RunSettings, held_out: HeldOut) -> list[OutOfFold]:
    """Find the entities of documents, and how probable each tag is for each unit."""
    documents = held_out.documents
    recognizer = recognizer_of_run(settings, tagger)
    found = recognizer.documents(documents)
    model = teacher_in_memory(tagger)
    said = ask_units(model, tagger.tokenizer, documents)
    predictions = []
    fold = held_out.fold
    in_order = zip(documents, held_out.numbers, found, said, strict=True)
    for document, number, entities, (units, said_UK) in in_order:
        one = OutOfFold(document, number, fold, tuple(entities), units, said_UK)
        predictions.append(one)
    return predictions
