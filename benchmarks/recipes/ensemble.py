"""Scores the mean of several models of one corpus, and prints a line of JSON.

usage: python -m benchmarks.recipes.ensemble CORPUS DATA FOLDER MODEL …

A MODEL is an exported folder or a run folder. The probabilities of tags are averaged for each word,
then decoded as one model's are: with both decoders, as benchmarks.recipes.run does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np

from benchmarks.recipes.corpora import lay_out, micro_f1, read
from benchmarks.recipes.run import DECODERS
from tfner.documents import Document, Entity
from tfner.tagging.schemes import LabelSet


def main(corpus: str, data: str, folder: str, *models: str) -> None:
    """Score and print."""
    from tfner.training.teachers import ask_all, open_teacher

    teachers = [open_teacher(model) for model in models]
    labels = teachers[0].labels
    texts = lay_out(corpus, Path(data), Path(folder)).texts
    scores = {}
    for name, path in texts.items():
        gold = read(path)
        sentences = [document.word_texts() for document in gold]
        probabilities = ask_all(teachers, labels, sentences, cache=None)
        for decoder, ending in DECODERS.items():
            found = decode(gold, probabilities, labels, decoder)
            scores[name + ending] = micro_f1(gold, found, all_types=name == corpus)
    print(json.dumps({"scores": scores, "seconds": 0.0}))


def decode(
    documents: Sequence[Document],
    probabilities: Sequence[np.ndarray],
    labels: LabelSet,
    method: str,
) -> Iterator[list[Entity]]:
    """Find entities by probabilities, float32 [W, K] a document; an unseen word is O."""
    from tfner.model.heads.decoder import Decoder
    from tfner.serving.runtime.recognizer import entities_on_words

    flat_MK = np.concatenate(probabilities)
    flat_MK[flat_MK.sum(axis=1) == 0, labels.id("O")] = 1.0
    lengths_B = np.array(list(map(len, probabilities)), np.int32)
    decoder = Decoder(labels.tags, *labels.allowed, types=labels.types, method=method)
    with np.errstate(divide="ignore"):
        log_probs_MK = np.log(flat_MK)
    tags_M = decoder(log_probs_MK, lengths_B).tags.numpy()
    borders = np.cumsum(lengths_B)[:-1]
    for document, ids in zip(documents, np.split(tags_M, borders), strict=True):
        names = [labels.tags[number].encode() for number in ids]
        answer = {"tag": np.array([names], object), "score": np.ones([1, len(ids)])}
        yield entities_on_words([document], answer)[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
