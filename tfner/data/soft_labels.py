"""Lay out what teachers say of units as soft labels of a corpus: whose tags, which pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import starmap
from operator import attrgetter
from typing import Any

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
from tfner.tagging.schemes import LabelSet, split_tag
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
    check_teaches(teacher, student)
    targets = [name_of_tag(tag, student) for tag in teacher.tags]
    ids = list(map(student.id, targets))
    identity_KK = np.eye(len(student), dtype=np.float32)
    return identity_KK[ids]


def check_teaches(teacher: LabelSet, student: LabelSet) -> None:
    """Refuse a teacher that cannot teach all tags of a student: see `tag_projection`."""
    known = set(teacher.types)
    missing = [name for name in student.types if name not in known]
    if missing:
        types = ", ".join(teacher.types)
        expected = "expected one that knows all types that are learned"
        raise ConfigError(f"{expected}, got none of {missing} (it knows {types})")
    scheme = teacher.scheme
    if scheme in ("IO", "IOB1"):
        reason = "whose probabilities do not tell where an entity begins"
        raise ConfigError(f"expected tags in IOB2 or BIOES, got {scheme}, {reason}")
    if student.scheme == "BIOES" and scheme != "BIOES":
        expected = "expected tags in BIOES, as model.tag_scheme says"
        reason = "whose probabilities do not tell where an entity ends"
        advice = "model.tag_scheme=IOB2 learns from IOB2 too"
        raise ConfigError(f"{expected}, got {scheme}, {reason}; {advice}")


def name_of_tag(tag: str, student: LabelSet) -> str:
    """Give a teacher's tag the name that it has for a student.

    >>> [name_of_tag(tag, LabelSet(("PER",))) for tag in ("O", "S-PER", "E-PER", "B-LOC")]
    ['O', 'B-PER', 'I-PER', 'O']
    """
    prefix, label = split_tag(tag)
    if label not in student.types:
        return "O"
    if student.scheme == "IOB2":
        prefix = IN_IOB2.get(prefix, prefix)
    return f"{prefix}-{label}"


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
    tags = len(labels)
    none = np.zeros((0, tags), np.float16)
    rows = [none]
    tokenized = list(tokenize(documents, tokenizer))
    words = list(starmap(unit_texts, tokenized))
    answers = ask(words)
    identity_KK = np.eye(tags, dtype=np.float32)
    inside_K = inside_tags(labels)
    inside_KK = identity_KK[inside_K]
    for (document, tokens), answer_UK in zip(tokenized, answers, strict=True):
        labelled_T = labelled_pieces(document, tokens, labelling)
        is_first_L = tokens.first_of_unit[labelled_T]
        unit_L = tokens.unit[labelled_T]
        said_LK = answer_UK[unit_L]
        further_LK = said_LK @ inside_KK
        rows_LK = np.where(is_first_L[:, None], said_LK, further_LK)
        rounded_LK = rows_LK.astype(np.float16)
        rows.append(rounded_LK)
    return np.concatenate(rows)


def unit_texts(document: Document, tokens: TokenRow) -> list[str]:
    """Cut out the units of a tokenized document."""
    if document.words is not None:
        return document.word_texts()
    text = document.text
    starts = tokens.unit_start.tolist()
    ends = tokens.unit_end.tolist()
    slices = map(slice, starts, ends)
    return [text[span] for span in slices]


def add_soft_labels(corpus: EncodedCorpus, rows_LK: np.ndarray, *, gold: bool) -> EncodedCorpus:
    """Add soft labels to a corpus, float16 [L, K] in the order of its labelled pieces.

    A piece that no teacher sees has its gold label as a soft one; without gold (`gold=False`) it
    has no label any more.
    """
    label_mask = corpus.label_mask
    mask_P = label_mask.values.numpy()
    labelled_L = np.flatnonzero(mask_P)
    pieces = len(labelled_L)
    given = len(rows_LK)
    if given != pieces:
        raise ValueError(f"expected soft labels of {pieces} pieces, got {given}")
    is_seen_L = is_seen(rows_LK)
    if gold:
        tags_P = corpus.labels.values.numpy()
        rows_LK = fill_unseen(rows_LK, tags_P[labelled_L])
    else:
        rows_LK = rows_LK[is_seen_L]
        seen_L = labelled_L[is_seen_L]
        mask_P = np.zeros_like(mask_P)
        mask_P[seen_L] = 1.0
        label_mask = label_mask.with_values(tf.constant(mask_P))
    is_gold_L = np.full(len(rows_LK), gold)
    soft_labels = SoftLabels(rows_LK, is_gold_L)
    return replace(corpus, label_mask=label_mask, soft_labels=soft_labels)


def is_seen(rows_LK: np.ndarray) -> np.ndarray:
    """Tell of which pieces a teacher has said something; float16 [L, K] -> bool [L]."""
    most_L = rows_LK.max(axis=1)
    return most_L > 0


def fill_unseen(rows_LK: np.ndarray, tags_L: np.ndarray) -> np.ndarray:
    """Let gold tags, int32 [L], stand where no teacher has said anything.

    >>> fill_unseen(np.array([[0.25, 0.75], [0.0, 0.0]]), np.array([0, 1])).tolist()
    [[0.25, 0.75], [0.0, 1.0]]
    """
    tag_count = rows_LK.shape[1]
    identity_KK = np.eye(tag_count, dtype=rows_LK.dtype)
    gold_LK = identity_KK[tags_L]
    is_seen_L = is_seen(rows_LK)
    return np.where(is_seen_L[:, None], rows_LK, gold_LK)


def join_corpora(corpora: Sequence[EncodedCorpus]) -> EncodedCorpus:
    """Put corpora on end, with the soft labels that they have."""

    def joined(name: str) -> Any:
        members = map(attrgetter(name), corpora)
        return tf.concat(list(members), axis=0)

    input_ids = joined("input_ids")
    labels = joined("labels")
    label_mask = joined("label_mask")
    pieces = [corpus.pieces for corpus in corpora]
    soft_labels = join_soft_labels(corpora)
    passages = [corpus.passages for corpus in corpora if corpus.passages is not None]
    joined_passages = np.concatenate(passages) if passages else None
    tensors = input_ids, labels, label_mask
    return EncodedCorpus(*tensors, np.concatenate(pieces), joined_passages, soft_labels)


def join_soft_labels(corpora: Sequence[EncodedCorpus]) -> SoftLabels | None:
    """Put the soft labels of corpora on end; None where there are none yet."""
    soft = [corpus.soft_labels for corpus in corpora if corpus.soft_labels]
    if not soft:
        return None
    probabilities = [each.probabilities for each in soft]
    is_gold = [each.is_gold for each in soft]
    return SoftLabels(np.concatenate(probabilities), np.concatenate(is_gold))
