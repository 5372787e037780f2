"""Write the card of a model for people: what `tfner.json` says, as the README.md beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfner.evaluation.report.page import percent
from tfner.safeio.printable import printable
from tfner.serving.schema import SIGNATURES

UNKNOWN = "not recorded"
SHOWN = (
    "format", "name", "encoder", "languages", "max_length", "overlap", "raw_text", "labelling",
    "tag_scheme", "decoder", "created", "versions", "tokenizer", "labels", "tags", "scores", "data",
    "signatures",
)  # fmt: skip

HEADING = """Named-entity recognition: text in, entities with exact offsets out. \
A SavedModel for TensorFlow Serving and `tfner.load`.
"""
SCORES = """In percent; an entity counts only with exactly the gold borders and type. \
Support is the number of gold entities."""
LIMITS = """## What it does not do

- Entities inside or across one another, and entities of several parts: \
a place in a text has one type or none.
- Entities that begin or end inside a word: \
borders lie between words, as the word rule or your own words cut them.
- Look far: a text of any length is read, but each {read}, and nothing beyond it is seen.
- Normalise, link to a knowledge base, or find that two mentions mean the same.
- {calibration}
- Promise its scores for text of another kind, time or language than the data above."""
RAW_SCORES = """Calibrate: a score is the mean probability of the chosen tags, \
good for ranking, not the chance of being right."""
CALIBRATED = """Know its chances elsewhere: a score is the chance of being right on text like its \
dev data, and other text may need a calibration of its own. Scores of single words are plain \
probabilities."""
CALLS = """## How to call it

```python
import tfner

ner = tfner.load("path/to/this/version")
entities = ner("One text.")  # label, start, end, score, text
```

Over TensorFlow Serving, by signature \
(B texts or sentences, E entities, W words, T pieces, K tags):
"""
RAW_TEXT = {"sentences": "sentence by sentence", "whole": "as it is"}
LICENCE = """## Licence

Encoder and data: as of their owners. tfner, which made the model, is under Apache-2.0.
"""


def model_card(card: Mapping[str, Any]) -> str:
    """Write Markdown from the card of an export; what the card does not hold is called unknown.

    Besides what `make_card` puts in, a card may hold `languages` (names) and `data`: by split,
    `source` (a file's name), `documents`, `entities` (numbers) and `lost` (reason → number). Any
    other entry becomes a line of its first table. The signatures are those that are declared, as
    `export_model` writes them.
    """
    sections = [heading(card), labels(card), scores(card), data(card), limits(card), use(card)]
    texts = ["\n".join(lines) for lines in sections]
    return "\n\n".join([*texts, LICENCE])


def heading(card: Mapping[str, Any]) -> Iterator[str]:
    """Say what the model is."""
    name = card.get("name") or "A tagger without a name"
    yield f"# {escape(name)}\n"
    yield HEADING
    yield from table(("", ""), properties(card))


def properties(card: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the rows of the first table."""
    encoder = card.get("encoder") or {}
    begun = {"pretrained": "pretrained weights", "random": "from random weights"}
    languages = ", ".join(card.get("languages") or ())
    packages = card.get("versions") or {}
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    yield "encoder", encoder.get("checkpoint")
    yield "encoder began as", begun.get(encoder.get("initialize", ""))
    yield "languages", languages or "unknown: nobody has said"
    for name, key in (("longest window", "max_length"), ("overlap of windows", "overlap")):
        yield name, f"{card[key]} pieces" if key in card else None
    yield "how raw text is read", RAW_TEXT.get(card.get("raw_text", "whole"))
    yield "what gets a tag", card.get("labelling")
    yield "tag scheme", card.get("tag_scheme")
    yield "decoder", card.get("decoder")
    yield "made", card.get("created")
    yield "with", versions
    yield "tokenizer's fingerprint", card.get("tokenizer")
    for key, value in card.items():
        if key not in SHOWN:
            yield key.replace("_", " "), plain(value)


def plain(value: Any) -> str:
    """Write a value of a card without JSON's signs.

    >>> plain({"lengths": [32, 64], "xla": False, "max_entities": None})
    'lengths: 32, 64; xla: no; max entities: none'
    """
    if isinstance(value, Mapping):
        names = [str(key).replace("_", " ") for key in value]
        values = map(plain, value.values())
        return "; ".join(f"{name}: {inner}" for name, inner in zip(names, values, strict=True))
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def labels(card: Mapping[str, Any]) -> Iterator[str]:
    """List the types of entities."""
    yield "## Labels\n"
    yield "It knows these types of entities and no other:\n"
    yield from table(["type"], zip(card.get("labels") or (), strict=True))


def scores(card: Mapping[str, Any]) -> Iterator[str]:
    """Give a table of scores for each split, in percent."""
    yield "## Scores\n"
    evaluated = card.get("scores") or {}
    splits = {name: split for name, split in evaluated.items() if is_scored(split)}
    if not splits:
        yield "None are recorded: the model was exported without an evaluation."
        return
    yield SCORES
    for name, split in splits.items():
        averages = {f"{kind} average": split[kind] for kind in ("micro", "macro") if kind in split}
        scored = split.get("types", {}) | averages
        rows = [score_row(kind, score) for kind, score in scored.items()]
        yield f"\nOn {escape(name)}:\n"
        yield from table(("type", "precision", "recall", "F1", "support"), rows)


def is_scored(split: Any) -> bool:
    """Tell the scores of a split from other entries."""
    return isinstance(split, Mapping) and "micro" in split


def score_row(kind: str, score: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Give the cells of one type or average."""
    measured = map(score.get, ("precision", "recall", "f1"))
    numbers = (None if number is None else percent(number) for number in measured)
    return kind, *numbers, score.get("support")


def data(card: Mapping[str, Any]) -> Iterator[str]:
    """Give a table of what the model learned from and was scored on."""
    yield "## Data it was made with\n"
    splits = card.get("data") or {}
    if not splits:
        yield "Not recorded in the card; the run's `report.json` and `config.yaml` hold it."
        return
    columns = ("source", "documents", "entities")
    rows = [(name, *map(split.get, columns), dropped(split)) for name, split in splits.items()]
    yield from table(("split", *columns, "dropped or changed"), rows)


def dropped(split: Mapping[str, Any]) -> str | None:
    """Give the counts by reason; an empty account says "nothing", a missing one says nothing."""
    lost = split.get("lost")
    if lost is None:
        return None
    counts = [f"{count} {reason}" for reason, count in lost.items()]
    return ", ".join(counts).replace("_", " ") or "nothing"


def limits(card: Mapping[str, Any]) -> Iterator[str]:
    """Say what nobody should expect."""
    window = f" of {card['max_length']} pieces" if "max_length" in card else ""
    read = f"word in a window{window}"
    if card.get("raw_text") == "sentences":
        read = f"sentence by itself, or word of a long one in a window{window}"
    calibration = CALIBRATED if "calibration" in card else RAW_SCORES
    yield LIMITS.format(read=read, calibration=calibration)


def use(card: Mapping[str, Any]) -> Iterator[str]:
    """Say how the model is called; the examples hold no text from the card."""
    yield CALLS
    yield from signature_table(card)
    yield ""
    yield "`features` wants pieces as the tokenizer makes them whose fingerprint stands above."
    kinds = card.get("tags")
    if kinds:
        yield "\nThe K tags, in the order of `features`:\n"
        yield from table(("index", "tag"), enumerate(kinds))


def signature_table(card: Mapping[str, Any]) -> Iterator[str]:
    """Give a row for each input and output that the export has, of each signature."""
    yield "| signature | takes or gives | name | type | meaning | where there is nothing |"
    yield "|" + " --- |" * 6
    for schema in SIGNATURES.values():
        for tensor in (*schema.inputs, *schema.outputs_of(card)):
            verb = "takes" if tensor in schema.inputs else "gives"
            kind = f"{tensor.dtype} [{', '.join(tensor.axes)}]"
            absent = '""' if tensor.absent == b"" else f"{tensor.absent:g}"
            meaning = html.escape(tensor.description, quote=False)
            name = f"`{schema.name}` | {verb} | `{tensor.name}`"
            yield f"| {name} | {kind} | {meaning} | {absent} |"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write a Markdown table; cells are any values, what is empty is unknown.

    >>> list(table(("split", "documents"), [("train", 3394), ("dev", None)]))
    ['| split | documents |', '| --- | --- |', '| train | 3394 |', '| dev | not recorded |']
    """
    yield f"| {' | '.join(header)} |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        cells = [UNKNOWN if cell in (None, "") else escape(cell) for cell in row]
        yield f"| {' | '.join(cells)} |"


def escape(value: Any) -> str:
    """Write any value on one line, as text: nothing in it is Markdown or HTML."""
    line = " ".join(printable(str(value)).split())
    escaped = html.escape(line, quote=False)
    return re.sub(r"([\\`*_{}\[\]()#|~!$])", r"\\\1", escaped) or "(empty)"
