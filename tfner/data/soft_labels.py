"""Lay out what teachers say of units as soft labels of a corpus: whose tags, which pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from tfner.data.batching.collate import SoftLabels
from tfner.data.encoded_corpus import (
    EncodedCorpus,
    Labelling,
    TokenRow,
    labelled_pieces,
    tokenize,
)
from tfner.data.labels import inside_tags
from tfner.documents import Document
from tfner.exceptions import ConfigError
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer

# The words of some texts -> probabilities of the K tags, float [W, K] each; a row of zeros where a
# word is not seen.
AskWords = Callable[[Sequence[Sequence[str]]], Sequence[np.ndarray]]
# What a tag of BIOES is called in IOB2.
IN_IOB2 = {"S": "B", "E": "I"}


def tag_projection(teacher: LabelSet, student: LabelSet) -> np.ndarray:
    """Map a teacher's tags to a student's: float32 [K of the teacher, K of the student], 0 or 1.

    A product with it adds up the probabilities of tags that are one to the student. A type that the
    student does not learn is O to it, as an entity of gold is; BIOES is read as IOB2.

        >>> teacher = LabelSet(("LOC", "PER"))
        >>> np.array([[0.1, 0.3, 0.0, 0.6, 0.0]]) @ tag_projection(teacher, LabelSet(("PER",)))
        array([[0.4, 0.6, 0. ]])

    Raises:
        ConfigError: the student learns a type that the teacher does not know, or BIOES from a
            teacher of IOB2.
    """
    missing = [name for name in student.types if name not in teacher.types]
    if missing:
        expected = f"expected one that knows all types that are learned, got none of {missing}"
        raise ConfigError(f"{expected} (it knows {', '.join(teacher.types)})")
    if student.scheme == "BIOES" and teacher.scheme != "BIOES":
        expected = f"expected tags in BIOES, as model.tag_scheme says, got {teacher.scheme}"
        reason = "whose probabilities do not tell where an entity ends"
        raise ConfigError(f"{expected}, {reason}; model.tag_scheme=IOB2 learns from any teacher")
    same_scheme = teacher.scheme == student.scheme
    renamed = {} if same_scheme else IN_IOB2
    projection = np.zeros((len(teacher), len(student)), np.float32)
    for number, tag in enumerate(teacher.tags):
        prefix, _, label = tag.partition("-")
        is_learned = label in student.types
        target = f"{renamed.get(prefix, prefix)}-{label}" if is_learned else "O"
        projection[number, student.id(target)] = 1.0
    return projection


def piece_probabilities(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    labelling: Labelling,
    ask: AskWords,
) -> np.ndarray:
    """Ask for the units of documents, and lay the answers out over their labelled pieces.

    Given words are the units, else those that the word rule finds; `ask` gets them as words, so
    tokenizers may differ. Each labelled piece is owned by one window, in the order of the text, so
    these rows stand in the order of the labelled pieces of the encoded corpus.

    Returns:
        float16 [L, K]; a row of zeros where no teacher sees the unit.
    """
    rows = [np.zeros((0, len(labels)), np.float16)]
    tokenized = list(tokenize(documents, tokenizer))
    answers = ask([unit_texts(document, tokens) for document, tokens in tokenized])
    inside_KK = np.zeros((len(labels), len(labels)), np.float32)
    inside_KK[np.arange(len(labels)), inside_tags(labels)] = 1.0
    for (_, tokens), answer_UK in zip(tokenized, answers, strict=True):
        labelled_T = labelled_pieces(tokens, labelling)
        first_L1 = tokens.first_of_unit[labelled_T][:, None]
        said_LK = answer_UK[tokens.unit[labelled_T]]
        rows_LK = np.where(first_L1, said_LK, said_LK @ inside_KK)
        rows.append(rows_LK.astype(np.float16))
    return np.concatenate(rows)


def unit_texts(document: Document, tokens: TokenRow) -> list[str]:
    """Cut out the units of a tokenized document."""
    if document.words is not None:
        return document.word_texts()
    spans = zip(tokens.unit_start.tolist(), tokens.unit_end.tolist(), strict=True)
    return [document.text[start:end] for start, end in spans]


def add_soft_labels(corpus: EncodedCorpus, rows_LK: np.ndarray, *, gold: bool) -> EncodedCorpus:
    """Add soft labels to a corpus, float16 [L, K] in the order of its labelled pieces.

    A piece that no teacher sees has its gold label as a soft one; without gold (`gold=False`) it
    has no label any more.
    """
    flat_mask = corpus.label_mask.values.numpy()
    labelled = np.flatnonzero(flat_mask)
    if len(labelled) != len(rows_LK):
        raise ValueError(f"expected soft labels of {len(labelled)} pieces, got {len(rows_LK)}")
    is_seen_L = rows_LK.sum(axis=1, dtype=np.float32) > 0
    if gold:
        unseen = np.flatnonzero(np.logical_not(is_seen_L))
        tags = corpus.labels.values.numpy()[labelled[unseen]]
        rows_LK = rows_LK.copy()
        rows_LK[unseen, tags] = 1.0
    else:
        rows_LK = rows_LK[is_seen_L]
        flat_mask = np.zeros_like(flat_mask)
        flat_mask[labelled[is_seen_L]] = 1.0
    label_mask = corpus.label_mask.with_values(tf.constant(flat_mask))
    soft_labels = SoftLabels(rows_LK, np.full(len(rows_LK), gold))
    return replace(corpus, label_mask=label_mask, soft_labels=soft_labels)


def join_taught(corpora: Sequence[EncodedCorpus]) -> EncodedCorpus:
    """Put corpora with soft labels on end."""
    input_ids = tf.concat([corpus.input_ids for corpus in corpora], axis=0)
    labels = tf.concat([corpus.labels for corpus in corpora], axis=0)
    label_mask = tf.concat([corpus.label_mask for corpus in corpora], axis=0)
    pieces = np.concatenate([corpus.pieces for corpus in corpora])
    passages = [corpus.passages for corpus in corpora if corpus.passages is not None]
    together = np.concatenate(passages) if passages else None
    soft = [corpus.soft_labels for corpus in corpora if corpus.soft_labels is not None]
    joined = SoftLabels(*map(np.concatenate, zip(*soft, strict=True)))
    return EncodedCorpus(input_ids, labels, label_mask, pieces, together, joined)
