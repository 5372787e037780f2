"""Count what only a tokenizer can tell of a corpus.

That is lengths in pieces, entities that cannot be labelled, and unknown characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import compress

import numpy as np
import tensorflow as tf

from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import TokenStats
from tfner.data.batching.batch_by_size import encode_text
from tfner.data.encoded_corpus import tag_document, tokenize
from tfner.documents import Document
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer


def collect_token_stats(
    documents: Iterable[Document], tokenizer: Tokenizer, labels: LabelSet, ledger: Ledger
) -> TokenStats:
    """Tokenize and label a corpus as training would; what that drops goes into the ledger."""
    units = []
    pieces = []
    suspects = Counter()
    unknown_id = -1 if tokenizer.unk_id is None else tokenizer.unk_id  # -1 is no piece
    for document, tokens in tokenize(documents, tokenizer):
        tag_document(document, tokens, labels, ledger)
        unit_count = len(tokens.unit_start)
        units.append(unit_count)
        piece_count = len(tokens.ids)
        pieces.append(piece_count)
        is_unknown = tokens.ids == unknown_id
        unknown = np.flatnonzero(is_unknown)
        if len(unknown):
            has_words = document.words is not None
            text = " ".join(document.word_texts()) if has_words else document.text
            for i in unknown:
                suspects.update(text[tokens.start[i] : tokens.end[i]])
    unknown = unknown_alone(suspects, tokenizer)
    counts = {"dropped": ledger.counts, "unknown_characters": unknown}
    return TokenStats(units=units, pieces=pieces, **counts)


def unknown_alone(suspects: Counter[str], tokenizer: Tokenizer) -> dict[str, int]:
    """Keep the characters that are unknown alone: in an unknown word most are not to blame."""
    if not suspects:
        return {}
    texts = tf.constant(list(map(encode_text, suspects)))
    tokens = tokenizer.tokenize_text(texts)
    ids = tokens.ids.to_list()
    unknown = [tokenizer.unk_id in row for row in ids]
    return dict(compress(suspects.items(), unknown))
