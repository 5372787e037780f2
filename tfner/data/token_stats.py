"""What only a tokenizer can say of a corpus: lengths in pieces, entities that cannot be labelled, unknown characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import TokenizerFacts
from tfner.data.batching.batch_by_size import encode_text
from tfner.data.encoded_corpus import tag_document, tokenize
from tfner.documents import Document
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer


def tokenizer_facts(
    documents: Iterable[Document], tokenizer: Tokenizer, labels: LabelSet, ledger: Ledger
) -> TokenizerFacts:
    """Tokenize and label a corpus as training would; what that loses is entered in the ledger."""
    units, pieces, suspects = [], [], Counter()
    for document, tokens in tokenize(documents, tokenizer):
        tag_document(document, tokens, labels, ledger)
        units.append(len(tokens.unit_start))
        pieces.append(len(tokens.ids))
        text = " ".join(document.word_texts()) if document.words is not None else document.text
        for i in np.flatnonzero(tokens.ids == tokenizer.unk_id):
            suspects.update(text[tokens.start[i] : tokens.end[i]])
    return TokenizerFacts(
        units=units,
        pieces=pieces,
        losses=ledger.counts,
        unknown_characters=unknown_alone(suspects, tokenizer),
    )


def unknown_alone(suspects: Counter[str], tokenizer: Tokenizer) -> dict[str, int]:
    """Those characters that are [UNK] by themselves: in an unknown word most characters are not to blame."""
    if not suspects:
        return {}
    ids = tokenizer.tokenize_text(
        tf.constant([encode_text(character) for character in suspects])
    ).ids.to_list()
    return {
        character: suspects[character]
        for character, row in zip(suspects, ids, strict=True)
        if tokenizer.unk_id in row
    }
