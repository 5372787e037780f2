"""The usual PyTorch recipe, to measure against: Hugging Face Trainer, first piece of each word, dynamic padding, bf16 on the CPU.

Runs in an environment of its own (see README.md here). Words beyond `max_length` pieces are scored as O.
usage: trainer.py ENCODER TRAIN DEV SETTINGS      SETTINGS: JSON with epochs, learning_rate, batch_size, max_length, seed, bf16, by_length
An ENCODER without weights is drawn at random. Prints one line of JSON: f1 (fraction), seconds of training, epochs, and of an epoch
sentences, pieces and positions; peak_mib.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from seqeval.metrics import f1_score
from torch.utils.data import Dataset
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

NO_LABEL = -100


def read_sentences(path):
    """Words and tags of a two-column file."""
    blocks = (
        Path(path).read_text(encoding="utf-8").replace("\n\t\n", "\n\n").strip("\n").split("\n\n")
    )
    rows = [[line.split("\t") for line in block.split("\n") if line.strip()] for block in blocks]
    return [([row[0] for row in block], [row[-1] for row in block]) for block in rows if block]


class Counting:
    """A collator that counts what it pads."""

    def __init__(self, collator):
        self.collator, self.pieces, self.positions = collator, 0, 0

    def __call__(self, rows):
        batch = self.collator(rows)
        self.pieces += int(batch["attention_mask"].sum())
        self.positions += batch["attention_mask"].numel()
        return batch


class Sentences(Dataset):
    """Encoded sentences; the label of a word stands on its first piece."""

    def __init__(self, sentences, tokenizer, ids, max_length):
        self.items = [
            self.encode(words, tags, tokenizer, ids, max_length) for words, tags in sentences
        ]

    @staticmethod
    def encode(words, tags, tokenizer, ids, max_length):
        encoding = tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=max_length
        )
        places = encoding.word_ids()
        first = [
            place is not None and place != before
            for before, place in zip([None, *places[:-1]], places, strict=True)
        ]
        labels = [
            ids.get(tags[place], 0) if new else NO_LABEL
            for place, new in zip(places, first, strict=True)
        ]
        return {**encoding, "labels": labels}

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def main(encoder, train, dev, settings):
    set_seed(settings["seed"])
    sentences = {"train": read_sentences(train), "dev": read_sentences(dev)}
    names = ["O", *sorted({tag for _, tags in sentences["train"] for tag in tags} - {"O"})]
    ids = {name: index for index, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    data = {
        name: Sentences(rows, tokenizer, ids, settings["max_length"])
        for name, rows in sentences.items()
    }
    if any(Path(encoder).glob("*.safetensors")) or any(Path(encoder).glob("*.bin")):
        model = AutoModelForTokenClassification.from_pretrained(encoder, num_labels=len(names))
    else:
        model = AutoModelForTokenClassification.from_config(
            AutoConfig.from_pretrained(encoder, num_labels=len(names))
        )
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=64,
        warmup_steps=0.1,
        weight_decay=0.01,
        seed=settings["seed"],
        bf16=settings["bf16"],
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **({"train_sampling_strategy": "group_by_length"} if settings["by_length"] else {}),
    )
    collator = Counting(DataCollatorForTokenClassification(tokenizer))
    trainer = Trainer(model, arguments, train_dataset=data["train"], data_collator=collator)
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    epoch = {
        "sentences": len(data["train"]),
        **{name: getattr(collator, name) / settings["epochs"] for name in ("pieces", "positions")},
    }
    arguments.train_sampling_strategy = "random"  # prediction keeps the order of the file
    output = trainer.predict(data["dev"])
    best = output.predictions.argmax(-1)
    found = [
        [names[p] for p, y in zip(row, gold, strict=True) if y != NO_LABEL]
        for row, gold in zip(best, output.label_ids, strict=True)
    ]
    gold = [tags for _, tags in sentences["dev"]]
    found = [row + ["O"] * (len(tags) - len(row)) for row, tags in zip(found, gold, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "f1": f1_score(gold, found),
                "seconds": seconds,
                "epochs": settings["epochs"],
                **epoch,
                "peak_mib": peak,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], json.loads(sys.argv[4]))
