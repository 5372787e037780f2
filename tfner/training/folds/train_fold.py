"""Train the run of a fold as `tfner.train` trains any, and predict what it has not learned."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Sequence
from itertools import starmap

import numpy as np
import tf_keras as keras
from rich.console import Console

from tfner.config import RunSettings
from tfner.data.encoded_corpus import TokenRow, tokenize
from tfner.data.soft_labels import unit_texts
from tfner.documents import Document
from tfner.model.inference.tagger import Tagger
from tfner.serving.export.signatures import Signatures
from tfner.training.card import recognizer_of_run
from tfner.training.folds.cross_validation import HeldOut
from tfner.training.folds.folder import FoldsFolder
from tfner.training.folds.out_of_fold import OutOfFold, write_predictions
from tfner.training.restore import restore_tagger
from tfner.training.run import train
from tfner.training.teachers import Teacher, answers


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
    tokenized = list(tokenize(documents, tagger.tokenizer))
    probabilities = unit_probabilities(tagger, tokenized)
    predictions = []
    fold = held_out.fold
    said = zip(tokenized, held_out.numbers, found, probabilities, strict=True)
    for (document, tokens), number, entities, said_UK in said:
        units = spans_of_units(document, tokens)
        one = OutOfFold(document, number, fold, tuple(entities), units, said_UK)
        predictions.append(one)
    return predictions


def spans_of_units(document: Document, tokens: TokenRow) -> tuple[tuple[int, int], ...]:
    """List the given words, or else the units that were found in the text."""
    if document.words is not None:
        return document.words
    starts = tokens.unit_start.tolist()
    ends = tokens.unit_end.tolist()
    return tuple(zip(starts, ends, strict=True))


def unit_probabilities(
    tagger: Tagger, tokenized: Sequence[tuple[Document, TokenRow]]
) -> list[np.ndarray]:
    """Compute the probabilities of tags for the units of documents, each read alone.

    Returns:
        float16 [U, K] a document; zeros for a unit that the model does not see.
    """
    sentences = list(starmap(unit_texts, tokenized))
    signatures = Signatures(tagger)
    ask = signatures.word_probabilities
    model = Teacher("", tagger.labels, "", ask, signatures)
    said_WK = answers(model, sentences)
    lengths = list(map(len, sentences))
    ends = np.cumsum(lengths)
    return np.split(said_WK, ends[:-1])
