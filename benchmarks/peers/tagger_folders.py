"""Loads taggers with transformers in PyTorch, and says what they answer; runs without tfner.

usage: python -m benchmarks.peers.tagger_folders QUESTIONS.json ANSWERS.json

QUESTIONS is a list of objects: the `folder` of a model for token classification, `ids`, a list of
lists of pieces, `words`, a list of sentences that are lists of words, and the `text` of one.
ANSWERS gets for each `logits` [pieces, outputs] of each of the lists of pieces, `word_ids` of each
sentence as the folder's tokenizer cuts it, `input_ids` beside them, and `entities` of the text by
the pipeline with the strategy `first`, as [start, end, group, score].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline


def main(questions_file: str, answers_file: str) -> None:
    """Ask every tagger."""
    questions = json.loads(Path(questions_file).read_text(encoding="utf-8"))
    answers = [answer(question) for question in questions]
    Path(answers_file).write_text(json.dumps(answers), encoding="utf-8")


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Ask one tagger for logits, pieces and entities."""
    folder = question["folder"]
    model, loaded = AutoModelForTokenClassification.from_pretrained(
        folder, output_loading_info=True
    )
    faults = {name: sorted(map(str, loaded[name])) for name in loaded if loaded[name]}
    model.eval()
    with torch.no_grad():
        logits = [
            model(input_ids=torch.tensor([ids])).logits[0].tolist() for ids in question["ids"]
        ]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(question["words"], is_split_into_words=True)
    word_ids = [batch.word_ids(number) for number in range(len(question["words"]))]
    find = pipeline("token-classification", model=folder, aggregation_strategy="first", stride=4)
    found = find(question["text"])
    entities = [[e["start"], e["end"], e["entity_group"], float(e["score"])] for e in found]
    pieces = {"input_ids": batch["input_ids"], "word_ids": word_ids}
    return {"faults": faults, "logits": logits, **pieces, "entities": entities}


if __name__ == "__main__":
    main(*sys.argv[1:])
