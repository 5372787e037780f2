"""Open teachers, models that were trained before, and ask them for the tags of words.

What a teacher says of some words is kept in a file, so that a run that goes on, and another student
of the same teacher, need not ask again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfner.config import RunSettings
from tfner.conversion.fine_tuned import open_fine_tuned
from tfner.data.soft_labels import tag_projection
from tfner.exceptions import ConfigError, DataError, ModelError
from tfner.model.inference.tagger import Tagger
from tfner.safeio.printable import show
from tfner.safeio.sources import is_fine_tuned
from tfner.safeio.whole_files import read_arrays, write_arrays
from tfner.serving.export.signatures import Signatures
from tfner.serving.runtime.graph_functions import load_graph
from tfner.serving.runtime.recognizer import padded_words
from tfner.serving.runtime.saved_model import check_version, find_version
from tfner.tagging.schemes import LabelSet
from tfner.training.environment import describe_folder
from tfner.training.restore import restore_tagger
from tfner.training.state.run_folder import RunFolder

logger = logging.getLogger(__name__)
Sentences = Sequence[Sequence[str]]
ANSWERS = 1  # one more whenever a teacher is asked in another way
SENTENCES_AT_ONCE = 128
WORDS_AT_ONCE = 1 << 14  # padded to the longest sentence
NAME_LENGTH = 32


@dataclass(frozen=True)
class Teacher:
    """Hold a model that says how probable each of its tags is for a word.

    Args:
        path: as it is set.
        labels: its tags.
        fingerprint: a hash of all that decides its answers.
        ask: words string [B, W], "" behind the last one -> float32 [B, W, K], zeros for a word that
            it does not see.
        owner: the object that `ask` belongs to, which a function holds only weakly.
        context: `document` if it learned to read the sentences of a document together.
        by_sentence: whether it reads raw text sentence by sentence; `ask_units` asks it so.
    """

    path: str
    labels: LabelSet
    fingerprint: str
    ask: Callable[[tf.Tensor], tf.Tensor]
    owner: Any = None
    context: str = "none"
    by_sentence: bool = False


def open_teachers(settings: RunSettings, labels: LabelSet) -> list[Teacher]:
    """Open the teachers of a run, and check that they can teach its tags.

    Raises:
        ConfigError: one of them cannot.
        ModelError: one is no model, or an export that does not tell probabilities.
    """
    teachers = []
    for path in settings.training.teachers:
        teacher = open_teacher(path)
        try:
            tag_projection(teacher.labels, labels)
        except ConfigError as error:
            raise ConfigError(f"training.teachers: {path}: {error}") from None
        warn_of_others(teacher, labels)
        if teacher.context != "none":
            logger.warning("%s: reads documents, and is asked for each sentence by itself", path)
        teachers.append(teacher)
    return teachers


def warn_of_others(teacher: Teacher, labels: LabelSet) -> None:
    """Say which of a teacher's types are O to the student."""
    known = teacher.labels.types
    others = [name for name in known if name not in labels.types]
    if others:
        names = ", ".join(others)
        message = "%s: knows types that are not learned, and count as O: %s"
        logger.warning(message, teacher.path, names)


def open_teacher(path: str, setting: str = "training.teachers: ") -> Teacher:
    """Open an export, a run folder's best weights, or a tagger as transformers writes one.

    Args:
        path: `saved_models/NAME` or a version of it, or one of these folders.
        setting: begins messages, where `path` is the value of one.

    Raises:
        ModelError: `path` is none, or was exported by a version that told no probabilities.
    """
    folder = RunFolder(Path(path))
    context = "none"
    by_sentence = False
    owner: Any
    if folder.config.is_file():
        tagger = restore_tagger(folder, folder.settings)
        owner = Signatures(tagger)
        by_sentence = tagger.by_sentence
        labels = folder.load_labels()
        content = folder.best
        context = folder.settings.data.context
    elif is_fine_tuned(folder.path):
        tagger, _ = open_fine_tuned(folder.path)
        owner = Signatures(tagger)
        labels = tagger.labels
        content = folder.path
    else:
        content = find_version(folder.path)
        card, _ = check_version(content)
        owner = load_graph(content)
        labels = labels_of_card(content, card)
        context = card.get("context", "none")
        by_sentence = card.get("raw_text") == "sentences"
    ask = getattr(owner, "word_probabilities", None)
    if ask is None:
        expected = "expected an export that tells the probabilities of words, got an older one"
        advice = "export its run again (python -m tfner.export RUN), or name the run's folder"
        raise ModelError(f"{setting}{content}: {expected}; {advice}")
    described = describe_folder(content)
    return Teacher(path, labels, described["sha256"], ask, owner, context, by_sentence)


def teacher_in_memory(tagger: Tagger) -> Teacher:
    """Make a teacher, without a path and a fingerprint, of a tagger that has been restored."""
    owner = Signatures(tagger)
    ask = owner.word_probabilities
    return Teacher("", tagger.labels, "", ask, owner, by_sentence=tagger.by_sentence)


def labels_of_card(version: Path, card: dict[str, Any]) -> LabelSet:
    """Read the tags of an export from its card.

    Raises:
        ModelError: it does not tell them.
    """
    types = card.get("labels")
    if isinstance(types, list) and types and all(isinstance(name, str) for name in types):
        try:
            return LabelSet(tuple(types), card["tag_scheme"])
        except ConfigError as error:
            raise ModelError(f"{version}: {error}") from None
    raise ModelError(f"{version}: expected labels, a list of names, got {show(types)}")


def ask_all(
    teachers: Sequence[Teacher], labels: LabelSet, sentences: Sentences, cache: Path | None
) -> list[np.ndarray]:
    """Average what the teachers say of each word over those that see it.

    Args:
        labels: the student's K tags.
        cache: the folder where answers are kept; None = nowhere.

    Returns:
        float32 [W, K] a sentence; zeros for a word that nobody sees.
    """
    lengths = [len(words) for words in sentences]
    if not lengths:
        return []
    ends = np.cumsum(lengths)
    shape = (ends[-1], len(labels))
    total_WK = np.zeros(shape, np.float32)
    for teacher in teachers:
        said_WK = kept_answers(teacher, sentences, cache)
        said_WK = said_WK.astype(np.float32)
        projection = tag_projection(teacher.labels, labels)
        total_WK += said_WK @ projection
    mass_W = total_WK.sum(axis=1)  # as many as see the word, but for rounding
    divisor_W = np.where(mass_W > 0, mass_W, 1.0)
    mean_WK = total_WK / divisor_W[:, None]
    return np.split(mean_WK.astype(np.float32), ends[:-1])


def kept_answers(teacher: Teacher, sentences: Sentences, cache: Path | None) -> np.ndarray:
    """Read a teacher's answers from their file; ask, and write it, where there is none."""
    if cache is None:
        return answers(teacher, sentences)
    key = key_of_answers(teacher, sentences)
    name = key[:NAME_LENGTH]
    path = cache / f"{name}.teacher"
    if path.exists():
        try:
            header, arrays = read_arrays(path)
            if header.get("key") == key:
                return arrays["answers"]
            logger.warning("%s: another file; asking again", path)
        except DataError as error:
            logger.warning("%s; asking again", error)
    said = answers(teacher, sentences)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {"key": key}, {"answers": said})
    except OSError as error:
        reason = error.strerror or error
        logger.warning("%s: answers cannot be kept: %s", path, reason)
    return said


def key_of_answers(teacher: Teacher, sentences: Sentences) -> str:
    """Hash all that decides a teacher's answers, in hexadecimal digits."""
    words = list(map(list, sentences))
    content = json.dumps([ANSWERS, teacher.fingerprint, words])
    digest = hashlib.blake2b(content.encode(), digest_size=32)
    return digest.hexdigest()


def answers(teacher: Teacher, sentences: Sentences) -> np.ndarray:
    """Ask a teacher for the words of all sentences, in one line: float16 [W, K] of its tags.

    Raises:
        ModelError: it answers with another number of tags than its card names.
    """
    tags = len(teacher.labels)
    none = np.zeros((0, tags), np.float16)
    said = {}
    for together in in_batches(sentences):
        texts = [sentences[index] for index in together]
        rows = padded_words(texts)
        shape = (len(rows), len(rows[0]))
        question = tf.constant(rows, tf.string, shape)
        answer_BWK = teacher.ask(question).numpy()
        got = answer_BWK.shape
        if got != (*shape, tags):
            expected = f"expected probabilities of {tags} tags"
            raise ModelError(f"{teacher.path}: {expected}, got the shape {got}")
        answer_BWK = answer_BWK.astype(np.float16)
        for index, words, answer_WK in zip(together, texts, answer_BWK, strict=True):
            count = len(words)
            said[index] = answer_WK[:count]
    in_order = map(said.__getitem__, sorted(said))
    return np.concatenate([none, *in_order])


def in_batches(sentences: Sentences) -> Iterator[list[int]]:
    """Number the sentences that are asked for together: of like length, the longest first.

    >>> list(in_batches([["a"], ["b", "c"], []]))
    [[1, 0, 2]]
    """
    lengths = [len(words) for words in sentences]
    falling = np.argsort(lengths, kind="stable")[::-1]
    order = falling.tolist()
    while order:
        longest = order[0]
        width = max(1, lengths[longest])
        fitting = WORDS_AT_ONCE // width
        rows = max(1, fitting)
        rows = min(SENTENCES_AT_ONCE, rows)
        yield order[:rows]
        order = order[rows:]
