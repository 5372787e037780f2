"""Find the sentences of raw text as the graph of a model finds them that reads by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import tensorflow as tf

from tfner.data.batching.batch_by_size import batch_by_size, encode_text
from tfner.documents import Document
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.sentences import sentence_begins

SAMPLE = 500  # documents at most that are counted: it takes a second
CHARACTERS = 10_000  # of each that are looked at
AT_ONCE = {"count": 1024, "characters": 1 << 20}


def sentences_per_document(documents: Sequence[Document], tokenizer: Tokenizer) -> float | None:
    """Count the sentences of documents, taken at even steps; their mean.

    It tells a corpus of sentences from one of texts.

    Returns:
        None where none of them has a word.
    """
    step = max(1, -(-len(documents) // SAMPLE))
    sample = [replace(each, text=each.text[:CHARACTERS]) for each in documents[::step]]
    counts = list(map(len, sentence_starts(sample, tokenizer)))
    with_words = np.count_nonzero(counts)
    return round(sum(counts) / with_words, 2) if with_words else None


def sentence_starts(documents: Sequence[Document], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Find the characters at which the sentences of documents begin, read as raw text.

    >>> from tfner.training.unit_answers import open_any_tokenizer
    >>> list(sentence_starts([Document("Bo left. Mara came.")], open_any_tokenizer()))
    [[0, 9]]
    """
    for batch in batch_by_size(documents, **AT_ONCE):
        texts_B = tf.constant([encode_text(document.text) for document in batch], tf.string)
        tokens = tokenizer.tokenize_text(texts_B)
        begins = sentence_begins(texts_B, tokens)
        yield from tf.ragged.boolean_mask(tokens.unit_start, begins).to_list()


def cut_raw_text(documents: Sequence[Document], tokenizer: Tokenizer) -> Iterator[Document]:
    """Make a document of each sentence of raw text, without entities; given words stay together."""
    raw = [document for document in documents if document.words is None]
    starts = sentence_starts(raw, tokenizer)
    for document in documents:
        if document.words is not None:
            yield document
            continue
        text = document.text
        _, *further = next(starts) or [0]
        for start, end in pairwise([0, *further, len(text)]):
            yield replace(document, text=text[start:end].rstrip(), entities=())


def count_divided(documents: Sequence[Document], tokenizer: Tokenizer) -> int:
    """Count the entities of raw text that go over the end of a sentence: none can be found."""
    raw = [document for document in documents if document.words is None]
    divided = 0
    for document, starts in zip(raw, sentence_starts(raw, tokenizer), strict=True):
        borders = [(entity.start, entity.end - 1) for entity in document.entities]
        sentence_E2 = np.searchsorted(starts, np.reshape(borders, (-1, 2)), side="right")
        divided += np.count_nonzero(sentence_E2[:, 0] != sentence_E2[:, 1])
    return divided
