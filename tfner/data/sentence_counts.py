"""Count how many sentences documents hold, which tells a corpus of sentences from one of texts."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfner.data.batching.batch_by_size import encode_text
from tfner.documents import Document
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.sentences import sentence_begins

SAMPLE = 500  # documents at most that are counted: it takes a second
CHARACTERS = 10_000  # of each that are looked at


def sentences_per_document(documents: Sequence[Document], tokenizer: Tokenizer) -> float | None:
    """Count by the rule of raw text the sentences of documents, taken at even steps; their mean.

    Returns:
        None where none of them has a word.
    """
    step = max(1, -(-len(documents) // SAMPLE))
    sample = documents[::step]
    texts_B = tf.constant([encode_text(each.text[:CHARACTERS]) for each in sample], tf.string)
    begins = sentence_begins(texts_B, tokenizer.tokenize_text(texts_B))
    with_words = int(tf.math.count_nonzero(begins.row_lengths()))
    sentences = int(tf.math.count_nonzero(begins.values))
    return round(sentences / with_words, 2) if with_words else None
