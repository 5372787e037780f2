"""Trains with the usual PyTorch recipe, to measure against: Hugging Face Trainer.

usage: python -m benchmarks.peers.trainer ENCODER TRAIN DEV SETTINGS

SETTINGS is JSON with epochs, learning_rate, batch_size, max_length, seed, bf16, by_length and, if
texts are to be tagged, write: the column files to tag, each with the file that gets its tags. Runs
in an environment of its own (see README.md here). The label of a word stands on its first piece,
padding is dynamic, bf16 is on the CPU. Words beyond `max_length` pieces are scored as O. An ENCODER
without weights is drawn at random. Prints one line of JSON: f1 (fraction), seconds of training,
epochs, and of an epoch sentences, pieces and positions; peak_mib.
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
    """Read words and tags of a two-column file."""
    text = Path(path).read_text(encoding="utf-8").replace("\n\t\n", "\n\n")
    sentences = []
    for block in text.strip("\n").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line.strip()]
        if rows:
            sentences.append(([row[0] for row in rows], [row[-1] for row in rows]))
    return sentences


class Counting:
    """Collates, and counts what it pads."""

    def __init__(self, collator):
        self.collator, self.pieces, self.positions = collator, 0, 0

    def __call__(self, rows):
        batch = self.collator(rows)
        self.pieces += int(batch["attention_mask"].sum())
        self.positions += batch["attention_mask"].numel()
        return batch


class Sentences(Dataset):
    """Holds encoded sentences; the label of a word stands on its first piece."""

    def __init__(self, sentences, tokenizer, ids, max_length):
        self.items = [
            self.encode(words, tags, tokenizer, ids, max_length) for words, tags in sentences
        ]

    @staticmethod
    def encode(words, tags, tokenizer, ids, max_length):
        """Encode one sentence and label the first piece of each word."""
        encoding = tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=max_length
        )
        labels, before = [], None
        for word in encoding.word_ids():
            is_first = word is not None and word != before
            labels.append(ids.get(tags[word], 0) if is_first else NO_LABEL)
            before = word
        return {**encoding, "labels": labels}

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def main(encoder, train, dev, settings):
    """Train, score the dev file and print one line of JSON."""
    set_seed(settings["seed"])
    sentences = {"train": read_sentences(train), "dev": read_sentences(dev)}
    tags_used = {tag for _, tags in sentences["train"] for tag in tags}
    names = ["O", *sorted(tags_used - {"O"})]
    ids = {name: index for index, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    data = {
        name: Sentences(rows, tokenizer, ids, settings["max_length"])
        for name, rows in sentences.items()
    }
    model = open_model(encoder, len(names))
    arguments = training_arguments(settings)
    collator = Counting(DataCollatorForTokenClassification(tokenizer))
    trainer = Trainer(model, arguments, train_dataset=data["train"], data_collator=collator)
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    epochs = settings["epochs"]
    counts = {"pieces": collator.pieces / epochs, "positions": collator.positions / epochs}
    arguments.train_sampling_strategy = "random"  # prediction keeps the order of the file
    output = trainer.predict(data["dev"])
    found = read_predictions(output, names, sentences["dev"])
    f1 = f1_score([tags for _, tags in sentences["dev"]], found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for source, target in settings.get("write", {}).items():
        rows = read_sentences(source)
        encoded = Sentences(rows, tokenizer, ids, settings["max_length"])
        found = read_predictions(trainer.predict(encoded), names, rows)
        write_tags(target, rows, found)
    figures = {"f1": f1, "seconds": seconds, "epochs": epochs, "sentences": len(data["train"])}
    print(json.dumps({**figures, **counts, "peak_mib": peak}))


def open_model(encoder, tags):
    """Load the encoder's weights, or draw them where the folder has none."""
    folder = Path(encoder)
    if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
        return AutoModelForTokenClassification.from_pretrained(encoder, num_labels=tags)
    config = AutoConfig.from_pretrained(encoder, num_labels=tags)
    return AutoModelForTokenClassification.from_config(config)


def training_arguments(settings):
    """Choose what the recipe chooses, nothing saved and nothing reported."""
    by_length = {"train_sampling_strategy": "group_by_length"} if settings["by_length"] else {}
    return TrainingArguments(
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
        **by_length,
    )


def read_predictions(output, names, sentences):
    """Read the best tag of each word; words beyond the longest input are O."""
    best = output.predictions.argmax(-1)
    found = []
    for row, labels, (words, _) in zip(best, output.label_ids, sentences, strict=True):
        predicted = [names[p] for p, label in zip(row, labels, strict=True) if label != NO_LABEL]
        beyond = ["O"] * (len(words) - len(predicted))
        found.append(predicted + beyond)
    return found


def write_tags(path, sentences, tags):
    """Write words and their predicted tags in two columns."""
    with Path(path).open("w", encoding="utf-8") as stream:
        for (words, _), found in zip(sentences, tags, strict=True):
            for word, tag in zip(words, found, strict=True):
                stream.write(f"{word}\t{tag}\n")
            stream.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:4], json.loads(sys.argv[4]))
