"""Ask the models of all folds about every document: most have learned it, one has not."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence

import numpy as np
import tf_keras as keras

from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.monitoring.progress import Meter
from tfner.safeio.whole_files import read_arrays, write_arrays
from tfner.training.folds.folder import FoldsFolder
from tfner.training.folds.out_of_fold import OutOfFold
from tfner.training.restore import restore_tagger
from tfner.training.state.run_folder import RunFolder
from tfner.training.teachers import teacher_in_memory
from tfner.training.unit_answers import ask_units

logger = logging.getLogger(__name__)
ANSWERS = "answers.arrays"  # in the folder of a fold
HEADER = {"asked": 1}  # another whenever a model is asked in another way


def average_models(
    folder: FoldsFolder, predictions: Sequence[OutOfFold], shown: Meter
) -> list[np.ndarray]:
    """Average what the models of all folds say of each document.

    What a model says is kept in the folder of its fold, so that it is asked once.

    Args:
        predictions: of all documents, by number.

    Returns:
        float32 [U, K] a document; zeros for a unit that no model sees.

    Raises:
        ModelError: the weights of a fold are gone.
    """
    documents = [each.document for each in predictions]
    folds = {each.fold for each in predictions}
    lengths = [len(each.units) for each in predictions]
    total_WK = np.zeros((), np.float32)
    for fold in sorted(folds):
        said_WK = kept_answers(folder.run(fold), documents, sum(lengths))
        total_WK = total_WK + said_WK.astype(np.float32)
        shown.advance(len(documents), sum(lengths))
    mean_WK = total_WK / len(folds)
    ends = np.cumsum(lengths)
    return np.split(mean_WK, ends[:-1])


def kept_answers(run: RunFolder, documents: Sequence[Document], units: int) -> np.ndarray:
    """Read what the model of a fold says from its file; ask, and write it, where there is none.

    Returns:
        float16 [W, K] of the units of all documents.
    """
    path = run.path / ANSWERS
    if path.exists():
        try:
            header, arrays = read_arrays(path)
            said_WK = arrays["answers"]
            if len(said_WK) == units and header == HEADER:
                return said_WK
            logger.warning("%s: of other documents; asking again", path)
        except (DataError, LookupError) as error:
            logger.warning("%s; asking again", error)
    said_WK = ask_model(run, documents)
    write_arrays(path, HEADER, {"answers": said_WK})
    return said_WK


def ask_model(run: RunFolder, documents: Sequence[Document]) -> np.ndarray:
    """Ask the model of a fold for the units of all documents."""
    tagger = restore_tagger(run, run.settings)
    model = teacher_in_memory(tagger)
    answers = ask_units(model, tagger.tokenizer, documents)
    said = [answer.probabilities for answer in answers]
    # What Keras keeps of the models before would fill the memory.
    keras.backend.clear_session()
    gc.collect()
    return np.concatenate(said)
