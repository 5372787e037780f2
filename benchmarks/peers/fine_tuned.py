"""Writes a tagger with transformers in PyTorch, and what its pipeline finds; runs without tfner.

usage: python -m benchmarks.peers.fine_tuned ENCODER FOLDER SENTENCES.json LABELS.json ANSWERS.json

FOLDER gets ENCODER under a head with random weights: what is compared needs no good tagger. LABELS
is a list of names in the order of outputs, SENTENCES a list of lists of words. ANSWERS gets, for
each sentence, `probabilities` [words, outputs] of first pieces, zeros where there is none, and the
`entities` of the pipeline with the strategy `first`, as [first word, last word, group]; a first
word of null is one that the pipeline cut.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

HEAD_SCALE = 0.5


def main(encoder: str, folder: str, sentences_file: str, labels_file: str, answers: str) -> None:
    """Write the tagger and its answers."""
    sentences = json.loads(Path(sentences_file).read_text(encoding="utf-8"))
    labels = json.loads(Path(labels_file).read_text(encoding="utf-8"))
    model = write_tagger(encoder, folder, labels)
    tokenizer = AutoTokenizer.from_pretrained(encoder, add_prefix_space=True)
    tokenizer.save_pretrained(folder)
    find = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first"
    )
    answered = [answer(model, tokenizer, find, words) for words in sentences]
    Path(answers).write_text(json.dumps(answered), encoding="utf-8")


def write_tagger(encoder: str, folder: str, labels: list[str]) -> Any:
    """Put a random head on an encoder and save both."""
    torch.manual_seed(1)
    names = dict(enumerate(labels))
    numbers = {name: number for number, name in names.items()}
    options = {"id2label": names, "label2id": numbers, "num_labels": len(labels)}
    model = AutoModelForTokenClassification.from_pretrained(encoder, **options).float().eval()
    torch.nn.init.normal_(model.classifier.weight, std=HEAD_SCALE)
    model.save_pretrained(folder)
    return model


def answer(model: Any, tokenizer: Any, find: Any, words: list[str]) -> dict[str, Any]:
    """Give the probabilities of a sentence's words, and the pipeline's entities."""
    batch = tokenizer([words], is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits[0]
    word_ids = batch.word_ids()
    probabilities = torch.zeros(len(words), logits.shape[-1])
    for number in set(word_ids) - {None}:
        probabilities[number] = logits[word_ids.index(number)].softmax(-1)
    starts = {}
    position = 0
    for number, word in enumerate(words):
        starts[position] = number
        position += len(word) + 1
    entities = []
    for entity in find([words], is_split_into_words=True)[0]:
        first = starts.get(entity["start"])
        inside = [number for start, number in starts.items() if start < entity["end"]]
        entities.append([first, max(inside), entity["entity_group"]])
    return {"probabilities": probabilities.tolist(), "entities": entities}


if __name__ == "__main__":
    main(*sys.argv[1:])
