"""Ask a model how probable each of its tags is for the units of documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap
from typing import NamedTuple

import numpy as np

from tfner.data.encoded_corpus import TokenRow, tokenize
from tfner.data.raw_sentences import sentence_starts
from tfner.data.soft_labels import unit_texts
from tfner.documents import Document
from tfner.model.encoders.checkpoints import resolve_checkpoint
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.registry import open_tokenizer
from tfner.training.teachers import Teacher, answers

# Its units are those of every tokenizer.
ANY_TOKENIZER = "embedded:quickstart/encoder"


class UnitAnswer(NamedTuple):
    """Hold what a model says of a document that it reads alone.

    units: given words, or those that are found in the text.
    probabilities: float16 [U, K] of its tags; zeros for a unit that it does not see.
    """

    units: tuple[tuple[int, int], ...]
    probabilities: np.ndarray


def open_any_tokenizer() -> Tokenizer:
    """Open a tokenizer that finds units, for models whose own is within their graph."""
    checkpoint = resolve_checkpoint(ANY_TOKENIZER)
    return open_tokenizer(checkpoint)


def ask_units(
    model: Teacher, tokenizer: Tokenizer, documents: Sequence[Document]
) -> list[UnitAnswer]:
    """Ask a model for the units of documents.

    Args:
        tokenizer: finds the units of raw text, which are the same in all tokenizers.
    """
    tokenized = list(tokenize(documents, tokenizer))
    texts = list(starmap(unit_texts, tokenized))
    sentences = sentences_of_units(tokenized, texts, tokenizer) if model.by_sentence else texts
    said_WK = answers(model, list(sentences))
    lengths = list(map(len, texts))
    ends = np.cumsum(lengths)
    said = np.split(said_WK, ends[:-1])
    units = starmap(spans_of_units, tokenized)
    return list(map(UnitAnswer, units, said))


def sentences_of_units(
    tokenized: Sequence[tuple[Document, TokenRow]],
    texts: Sequence[list[str]],
    tokenizer: Tokenizer,
) -> Iterator[list[str]]:
    """Part the units of raw text where a sentence begins; given words are one sentence."""
    raw = [document for document, _ in tokenized if document.words is None]
    starts = sentence_starts(raw, tokenizer)
    for (document, tokens), units in zip(tokenized, texts, strict=True):
        if document.words is not None:
            yield units
            continue
        firsts = np.searchsorted(tokens.unit_start, next(starts)).tolist()
        for first, last in pairwise([*firsts, len(units)]):
            yield units[first:last]


def spans_of_units(document: Document, tokens: TokenRow) -> tuple[tuple[int, int], ...]:
    """List the given words, or else the units that were found in the text."""
    if document.words is not None:
        return document.words
    starts = tokens.unit_start.tolist()
    ends = tokens.unit_end.tolist()
    return tuple(zip(starts, ends, strict=True))
