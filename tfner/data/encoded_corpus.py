"""Encode documents to windows of pieces with labels, kept ragged: what batches are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from tfner.corpus.context import Context, passages_for_training
from tfner.corpus.ledger import Ledger
from tfner.data.batching.batch_by_size import batch_by_padded_size, encode_text
from tfner.data.batching.collate import Pieces, SoftLabels
from tfner.data.labels import inside_tags, tag_units
from tfner.data.windows import cut_windows, frame, owned_pieces, window_values
from tfner.documents import Document
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.characters import stand_alone
from tfner.tokenizers.protocol import Tokenizer, Tokens

Labelling = Literal["word", "pretoken", "piece"]
DOCUMENTS_AT_ONCE = 4096  # each call of the tokenizer costs some milliseconds whatever it is given
CHARACTERS_AT_ONCE = 1 << 20  # the tokenizer holds some tens of bytes for each


@dataclass(frozen=True)
class EncodedCorpus:
    """Hold the windows of a corpus; three ragged tensors [N, (T)] with [CLS] and [SEP] in them.

    input_ids: int32.
    labels: int32, a legal tag id everywhere.
    label_mask: float32, 1 where a tag is learned: on labelled pieces that the window owns.
    pieces: int32 [D], how many pieces each document has.
    passages: int32 [P], how many documents in a row were read together; None: each by itself.
    soft_labels: what teachers say of the L labelled pieces, in the order of windows and pieces.
    """

    input_ids: tf.RaggedTensor
    labels: tf.RaggedTensor
    label_mask: tf.RaggedTensor
    pieces: np.ndarray
    passages: np.ndarray | None = None
    soft_labels: SoftLabels | None = None

    @property
    def piece_counts(self) -> np.ndarray:
        """Count the pieces of each text that windows are cut from; int32 [P]."""
        if self.passages is None:
            return self.pieces
        ends = np.cumsum(self.passages)
        return np.add.reduceat(self.pieces, ends - self.passages, dtype=np.int32)

    @property
    def soft_tags(self) -> int | None:
        """Count the tags of the soft labels; None where there are none."""
        return None if self.soft_labels is None else self.soft_labels.probabilities.shape[1]

    @property
    def lengths(self) -> np.ndarray:
        """Count the pieces of each window, [CLS] and [SEP] included; int32 [N]."""
        return self.input_ids.row_lengths().numpy().astype(np.int32)

    @property
    def sentences(self) -> int:
        """Count documents or, where texts are longer and these are more, windows."""
        windows = self.input_ids.nrows()
        return max(len(self.pieces), int(windows))

    def tag_counts(self, tags: int) -> np.ndarray:
        """Count the labelled pieces of each tag, or add up what teachers say of them.

        Returns:
            int64 [K], float64 where there are teachers.
        """
        if self.soft_labels is not None:
            return self.soft_labels.probabilities.sum(axis=0, dtype=np.float64)
        _, labels, label_mask = self._flat
        return np.bincount(labels[label_mask > 0], minlength=tags)

    def pieces_of(self, windows: Sequence[int] | np.ndarray) -> Pieces:
        """Gather the pieces of some windows, in the order given.

        >>> ids = tf.ragged.constant([[101, 7, 102], [101, 8, 9, 102]])
        >>> corpus = EncodedCorpus(ids, ids * 0, ids * 0, np.array([1, 2]))
        >>> corpus.pieces_of([1, 0]).ids.tolist()
        [101, 8, 9, 102, 101, 7, 102]
        """
        windows = np.asarray(windows, np.int64)  # of no window too
        starts = self._splits[windows]
        lengths = self._splits[windows + 1] - starts
        # what is at p on end begins at `begins`, and came from `starts`
        ends = np.cumsum(lengths)
        begins = ends - lengths
        shifts = starts - begins
        moves = shifts.repeat(lengths)
        source = moves + np.arange(lengths.sum())
        ids, labels, label_mask = (values[source] for values in self._flat)
        pieces = Pieces(ids, labels, label_mask)
        if self.soft_labels is None:
            return pieces
        labelled = source[label_mask > 0]
        soft_labels = self.soft_labels.take(self._soft_rows[labelled])
        return pieces._replace(soft_labels=soft_labels)

    @cached_property
    def _splits(self) -> np.ndarray:
        return self.input_ids.row_splits.numpy()

    @cached_property
    def _flat(self) -> tuple[np.ndarray, ...]:
        members = self.input_ids, self.labels, self.label_mask
        return tuple(member.values.numpy() for member in members)

    @cached_property
    def _soft_rows(self) -> np.ndarray:
        """Number the labelled pieces: int [P], of no meaning at the others."""
        is_labelled = self._flat[2] > 0
        return np.cumsum(is_labelled) - 1


class TokenRow(NamedTuple):
    """Hold the Tokens of one text as numpy arrays: [T], and [U] of the last two."""

    ids: np.ndarray
    start: np.ndarray
    end: np.ndarray
    unit: np.ndarray
    first_of_unit: np.ndarray
    first_of_pretoken: np.ndarray
    unit_start: np.ndarray
    unit_end: np.ndarray


def encode(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    ledger: Ledger,
    *,
    max_length: int,
    overlap: int,
    labelling: Labelling = "word",
    context: Context = "none",
) -> EncodedCorpus:
    """Tokenize, label and window documents; what cannot be labelled goes into the ledger.

    With the context `document` windows run over the ends of sentences of one document.
    """
    inside = inside_tags(labels)
    ids = []
    tags = []
    label_masks = []
    sentences = []
    for document, tokens in tokenize(documents, tokenizer):
        tag_T = tag_document(document, tokens, labels, ledger)[tokens.unit]
        ids.append(tokens.ids)
        tags.append(np.where(tokens.first_of_unit, tag_T, inside[tag_T]))
        labelled_T = labelled_pieces(document, tokens, labelling)
        label_masks.append(labelled_T)
        sentences.append(document)
    pieces = count_each(ids)
    passages = None
    if context == "document":
        passages = np.fromiter(passages_for_training(sentences), np.int32)
        ids, tags, label_masks = (join_rows(rows, passages) for rows in (ids, tags, label_masks))
    windows = cut_windows(tf.constant(count_each(ids)), max_length - 2, overlap)
    ids_DT = ragged(ids)
    tags_DT = ragged(tags)
    input_ids = window_values(ids_DT, windows)
    label_ids = window_values(tags_DT, windows)
    labelled = window_values(ragged(label_masks, np.bool_), windows)
    owned = labelled.values & owned_pieces(windows).values
    owned_labelled = labelled.with_values(owned)
    label_mask = frame(owned_labelled, False, False)
    input_ids = frame(input_ids, tokenizer.cls_id, tokenizer.sep_id)
    members = input_ids, frame(label_ids, 0, 0), tf.cast(label_mask, tf.float32)
    return EncodedCorpus(*members, pieces, passages)


def tag_document(
    document: Document, tokens: TokenRow, labels: LabelSet, ledger: Ledger
) -> np.ndarray:
    """Give the tag id of each unit of a tokenized document; int32 [U]."""
    has_piece = np.zeros(len(tokens.unit_start), np.bool_)
    has_piece[tokens.unit] = True
    units = document.words
    if units is None:
        starts = tokens.unit_start.tolist()
        ends = tokens.unit_end.tolist()
        units = list(zip(starts, ends, strict=True))
    return tag_units(document, units, has_piece, labels, ledger)


def labelled_pieces(document: Document, tokens: TokenRow, labelling: Labelling) -> np.ndarray:
    """Choose which pieces of a tokenized document learn a tag; bool [T].

    Of `U.S. won`, whose pieces are `U`, `.`, `S`, `.`, `won`:

        >>> first_of_unit = np.array([True, False, False, False, True])
        >>> first_of_pretoken = np.array([True, True, True, True, True])
        >>> other = np.zeros(5, np.int32)
        >>> tokens = TokenRow(*[other] * 4, first_of_unit, first_of_pretoken, other, other)
        >>> labelled_pieces(Document("U.S. won"), tokens, "word").astype(int).tolist()
        [1, 0, 0, 0, 1]
        >>> labelled_pieces(Document("U.S. won"), tokens, "pretoken").astype(int).tolist()
        [1, 1, 1, 1, 1]
    """
    if labelling == "word":
        return tokens.first_of_unit | would_begin_units(document, tokens)
    if labelling == "pretoken":
        return tokens.first_of_pretoken
    return np.ones_like(tokens.first_of_unit)


def would_begin_units(document: Document, tokens: TokenRow) -> np.ndarray:
    """Find the pieces inside given words that begin a unit in raw text; bool [T].

    These are in scripts without spaces, of which raw text has a unit a character: without a label
    on each, a model of words could not tag them.

    >>> tokens = TokenRow(
    ...     ids=np.array([7, 8, 9]), start=np.array([0, 1, 3]), end=np.array([1, 2, 4]),
    ...     unit=np.array([0, 0, 1]), first_of_unit=np.array([True, False, True]),
    ...     first_of_pretoken=np.array([True, True, True]), unit_start=np.array([0, 3]),
    ...     unit_end=np.array([2, 4]))
    >>> document = Document("北京 市", words=((0, 2), (3, 4)))
    >>> would_begin_units(document, tokens).tolist()
    [False, True, False]
    """
    inner_T = tokens.first_of_pretoken & ~tokens.first_of_unit
    if document.words is None or not inner_T.any():
        return np.zeros_like(inner_T)
    joined = " ".join(document.word_texts())
    alone_N = stand_alone(joined)
    if not alone_N.any():
        return np.zeros_like(inner_T)
    # a tokenizer may give each piece the span of its whole unit
    inner_T &= tokens.start > tokens.unit_start[tokens.unit]
    begins_N = alone_N | np.append(False, alone_N[:-1])
    return inner_T & begins_N[tokens.start]


def tokenize(
    documents: Iterable[Document], tokenizer: Tokenizer
) -> Iterator[tuple[Document, TokenRow]]:
    """Give each document with its tokens; given words are the units, else those that are found."""
    most = {"count": DOCUMENTS_AT_ONCE, "characters": CHARACTERS_AT_ONCE}
    for batch in batch_by_padded_size(documents, **most):
        tokens = tokenize_batch(batch, tokenizer)
        members = []
        for name in TokenRow._fields:
            member = getattr(tokens, name)
            borders = member.row_splits.numpy()[1:-1]
            members.append(np.split(member.values.numpy(), borders))
        rows = map(TokenRow._make, zip(*members, strict=True))
        yield from zip(batch, rows, strict=True)


def tokenize_batch(documents: Sequence[Document], tokenizer: Tokenizer) -> Tokens:
    """Tokenize some documents, all with given words or all without."""
    if documents[0].words is None:
        texts = [encode_text(document.text) for document in documents]
        texts_B = tf.constant(texts)
        return tokenizer.tokenize_text(texts_B)
    words = [document.word_texts() for document in documents]
    flat = [encode_text(word) for row in words for word in row]
    counts = list(map(len, words))
    words_BW = tf.RaggedTensor.from_row_lengths(tf.constant(flat, tf.string), counts)
    return tokenizer.tokenize_words(words_BW)


def ragged(rows: Sequence[np.ndarray], dtype: type = np.int32) -> tf.RaggedTensor:
    """Put arrays on end as a ragged tensor; a row each.

    >>> ragged([np.array([1, 2]), np.array([3])]).to_list()
    [[1, 2], [3]]
    """
    flat = np.concatenate(rows).astype(dtype) if rows else np.zeros(0, dtype)
    lengths = count_each(rows)
    return tf.RaggedTensor.from_row_lengths(flat, lengths)


def join_rows(rows: Sequence[np.ndarray], counts: np.ndarray) -> list[np.ndarray]:
    """Put so many rows on end as each count says.

    >>> [row.tolist() for row in join_rows(np.array([[1], [2], [3]]), np.array([2, 1]))]
    [[1, 2], [3]]
    """
    ends = np.cumsum(counts)
    begins = ends - counts
    borders = zip(begins.tolist(), ends.tolist(), strict=True)
    return [np.concatenate(rows[begin:end]) for begin, end in borders]


def count_each(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Count the members of each row; int32 [B]."""
    return np.array(list(map(len, rows)), np.int32)
