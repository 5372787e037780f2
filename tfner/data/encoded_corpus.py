"""Documents → encoded pieces with labels, kept ragged: what batches are cut from, tokenized once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from tfner.corpus.ledger import Ledger
from tfner.data.batching.batch_by_size import encode_text, portions
from tfner.data.batching.collate import Pieces
from tfner.data.labels import inside_tags, tag_units
from tfner.data.windows import cut_windows, frame, owned_pieces, window_values
from tfner.documents import Document
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer, Tokens

Labelling = Literal["word", "pretoken", "piece"]
DOCUMENTS_AT_ONCE = 4096  # each call of the tokenizer costs some milliseconds whatever it is given
CHARACTERS_AT_ONCE = 1 << 20  # the tokenizer holds some tens of bytes for each


@dataclass(frozen=True)
class EncodedCorpus:
    """The windows of a corpus; three ragged tensors [N, (T)] with [CLS] and [SEP] in place.

    `input_ids` int32; `labels` int32, a legal tag id everywhere; `label_mask` float32, 1 where a tag is learned: on labelled pieces
    that the window owns. `pieces` counts the pieces of each document, int32 [D].
    """

    input_ids: tf.RaggedTensor
    labels: tf.RaggedTensor
    label_mask: tf.RaggedTensor
    pieces: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each window, [CLS] and [SEP] included; int32 [N]."""
        return self.input_ids.row_lengths().numpy().astype(np.int32)

    def pieces_of(self, windows: Sequence[int] | np.ndarray) -> Pieces:
        """The pieces of some windows, in the order given."""
        windows = np.asarray(windows, np.int64)  # of no window too
        starts, lengths = self._splits[windows], self._splits[windows + 1] - self._splits[windows]
        where = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(
            lengths.sum()
        )
        return Pieces(*(values[where] for values in self._flat))

    @cached_property
    def _splits(self) -> np.ndarray:
        return self.input_ids.row_splits.numpy()

    @cached_property
    def _flat(self) -> Pieces:
        return Pieces(
            *(rows.values.numpy() for rows in (self.input_ids, self.labels, self.label_mask))
        )


class TokenRow(NamedTuple):
    """The Tokens of one text as numpy arrays [T] and, for `unit_start` and `unit_end`, [U]; see `tokenizer.Tokens`."""

    ids: np.ndarray
    start: np.ndarray
    end: np.ndarray
    unit: np.ndarray
    first_of_unit: np.ndarray
    first_of_pretoken: np.ndarray
    unit_start: np.ndarray
    unit_end: np.ndarray


@dataclass(frozen=True)
class EncodedDocument:
    """The pieces of one text before windows; arrays [T]."""

    ids: np.ndarray
    labels: np.ndarray
    label_mask: np.ndarray


def encode(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    ledger: Ledger,
    *,
    max_length: int,
    overlap: int,
    labelling: Labelling = "word",
) -> EncodedCorpus:
    """Tokenize, label and window documents; what cannot be labelled goes into the ledger."""
    encoded = list(encode_documents(documents, tokenizer, labels, ledger, labelling))
    pieces = np.array([len(document.ids) for document in encoded], np.int32)
    windows = cut_windows(tf.constant(pieces), max_length - 2, overlap)
    owned = owned_pieces(windows)
    labelled = window_values(ragged([d.label_mask for d in encoded], np.bool_), windows)
    label_mask = labelled.with_values(labelled.values & owned.values)
    return EncodedCorpus(
        frame(
            window_values(ragged([d.ids for d in encoded], np.int32), windows),
            tokenizer.cls_id,
            tokenizer.sep_id,
        ),
        frame(window_values(ragged([d.labels for d in encoded], np.int32), windows), 0, 0),
        tf.cast(frame(label_mask, False, False), tf.float32),
        pieces,
    )


def encode_documents(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    ledger: Ledger,
    labelling: Labelling,
) -> Iterator[EncodedDocument]:
    """Pieces, labels and label mask of each document, in order."""
    inside = inside_tags(labels)
    for document, tokens in tokenize(documents, tokenizer):
        own = tag_document(document, tokens, labels, ledger)[tokens.unit]
        yield EncodedDocument(
            tokens.ids,
            np.where(tokens.first_of_unit, own, inside[own]),
            labelled_pieces(tokens, labelling),
        )


def tag_document(
    document: Document, tokens: TokenRow, labels: LabelSet, ledger: Ledger
) -> np.ndarray:
    """The tag id of each unit of a tokenized document; int32 [U]."""
    has_piece = np.zeros(len(tokens.unit_start), np.bool_)
    has_piece[tokens.unit] = True
    units = (
        document.words
        if document.words is not None
        else list(zip(tokens.unit_start.tolist(), tokens.unit_end.tolist(), strict=True))
    )
    return tag_units(document, units, has_piece, labels, ledger)


def labelled_pieces(tokens: TokenRow, labelling: Labelling) -> np.ndarray:
    """Which pieces learn a tag; bool [T]."""
    if labelling == "word":
        return tokens.first_of_unit
    return (
        tokens.first_of_pretoken if labelling == "pretoken" else np.ones_like(tokens.first_of_unit)
    )


def tokenize(
    documents: Iterable[Document], tokenizer: Tokenizer
) -> Iterator[tuple[Document, TokenRow]]:
    """Each document with its tokens: given words are the units, else the word rule finds them."""
    for portion in portions(documents, count=DOCUMENTS_AT_ONCE, characters=CHARACTERS_AT_ONCE):
        tokens = tokenize_portion(portion, tokenizer)
        members = [getattr(tokens, name) for name in TokenRow._fields]
        rows = [
            np.split(member.values.numpy(), member.row_splits.numpy()[1:-1]) for member in members
        ]
        yield from zip(portion, map(TokenRow._make, zip(*rows, strict=True)), strict=True)


def tokenize_portion(documents: Sequence[Document], tokenizer: Tokenizer) -> Tokens:
    """Tokens of some documents, all with given words or all without."""
    if documents[0].words is None:
        return tokenizer.tokenize_text(
            tf.constant([encode_text(document.text) for document in documents])
        )
    words = [document.word_texts() for document in documents]
    flat = tf.constant([encode_text(word) for row in words for word in row], tf.string)
    return tokenizer.tokenize_words(
        tf.RaggedTensor.from_row_lengths(flat, [len(row) for row in words])
    )


def ragged(rows: Sequence[np.ndarray], dtype: type) -> tf.RaggedTensor:
    flat = np.concatenate(rows).astype(dtype) if rows else np.zeros(0, dtype)
    return tf.RaggedTensor.from_row_lengths(flat, np.array([len(row) for row in rows], np.int32))
