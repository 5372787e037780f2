"""Write the card of a tagger that is a folder of transformers, as its README.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfner.serving.export import model_card

HEADER = """---
library_name: transformers
pipeline_tag: token-classification
tags:
- named-entity-recognition
---
"""
INTRODUCTION = """Named-entity recognition: a `{architecture}` of transformers, \
trained with tfner on TensorFlow. Its tags are {scheme}."""
CALLS = """## How to call it

```python
from transformers import pipeline

find = pipeline(
    "token-classification",
    model="path/to/this/folder",
    aggregation_strategy="{strategy}",
    stride={stride},
)
find("One text.")  # entity_group, start, end, score, word
```

A text of more than {longest} pieces is read in several windows where `stride` is given, and cut
off without it. The model was trained on windows of {window} pieces."""
WORDS = """It learned the tag of each word's first piece and nothing of further ones, hence the
strategy. Its words have no punctuation around them; the pipeline's are the tokenizer's. WordPiece
makes several of `U.S.`, SentencePiece and byte-level BPE leave the comma at `Oslo,`. Of words that
are given, as it was trained:

```python
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
model = AutoModelForTokenClassification.from_pretrained("path/to/this/folder")
words = ["One", "sentence", "."]
batch = tokenizer([words], is_split_into_words=True, return_tensors="pt")
with torch.no_grad():
    best = model(**batch).logits[0].argmax(-1).tolist()
pieces = batch.word_ids()
tags = [model.config.id2label[best[pieces.index(number)]] for number in range(len(words))]
```"""
SCORED_AS_A_WHOLE = "They were measured with what this folder does not do."


def folder_card(
    card: Mapping[str, Any], architecture: str, longest: int, left_behind: Sequence[str]
) -> str:
    """Write Markdown from the card of a tagger.

    Args:
        card: as `make_card` and a run make it.
        architecture: the class of transformers.
        longest: pieces of the longest text.
        left_behind: what the tagger does and the folder does not, a phrase each.
    """
    sections = [heading(card, architecture), calls(card, longest), not_here(left_behind)]
    sections += [model_card.labels(card), scores(card, left_behind), model_card.data(card)]
    texts = ["\n".join(lines) for lines in sections]
    written = filter(None, [*texts, model_card.LICENCE])
    return HEADER + "\n" + "\n\n".join(written)


def heading(card: Mapping[str, Any], architecture: str) -> Iterator[str]:
    """Say what the model is."""
    name = card.get("name") or "A tagger without a name"
    yield f"# {model_card.escape(name)}\n"
    yield INTRODUCTION.format(architecture=architecture, scheme=card["tag_scheme"])


def calls(card: Mapping[str, Any], longest: int) -> Iterator[str]:
    """Say how it is called, in text and on words."""
    by_word = card.get("labelling", "word") == "word"
    strategy = "first" if by_word else "average"
    window = card["max_length"]
    yield CALLS.format(strategy=strategy, stride=card["overlap"], longest=longest, window=window)
    if by_word:
        yield f"\n{WORDS}"


def not_here(left_behind: Sequence[str]) -> Iterator[str]:
    """List what the folder does not do."""
    if left_behind:
        yield "## What the tagger does and this folder does not\n"
        yield from (f"- {phrase}" for phrase in left_behind)


def scores(card: Mapping[str, Any], left_behind: Sequence[str]) -> Iterator[str]:
    """Give the tables of scores, and say whose they are."""
    yield from model_card.scores(card)
    if left_behind and card.get("scores"):
        yield f"\n{SCORED_AS_A_WHOLE}"
