"""Count what only a tokenizer can tell of a corpus.

That is lengths in pieces, entities that cannot be labelled, and unknown characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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
    units, pieces, suspects = [], [], Counter()
    unknown_id = -1 if tokenizer.unk_id is None else tokenizer.unk_id  # -1 is no piece
    for document, tokens in tokenize(documents, tokenizer):
        tag_document(document, tokens, labels, ledger)
        units.append(len(tokens.unit_start))
        pieces.append(len(tokens.ids))
        unknown = np.flatnonzero(tokens.ids == unknown_id)
        if len(unknown):
            given = document.words is not None
            text = " ".join(document.word_texts()) if given else document.text
            for i in unknown:
                suspects.update(text[tokens.start[i] : tokens.end[i]])
    return TokenStats(
        units=units,
        pieces=pieces,
        dropped=ledger.counts,
        unknown_characters=unknown_alone(suspects, tokenizer),
    )


def unknown_alone(suspects: Counter[str], tokenizer: Tokenizer) -> dict[str, int]:
    """Keep the characters that are unknown alone: in an unknown word most are not to blame."""
    if not suspects:
        return {}
    characters = list(suspects)
    texts = [encode_text(character) for character in characters]
    ids = tokenizer.tokenize_text(tf.constant(texts)).ids.to_list()
    unknown = [
        character for character, row in zip(characters, ids, strict=True) if tokenizer.unk_id in row
    ]
    return {character: suspects[character] for character in unknown}
