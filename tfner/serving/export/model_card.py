"""The card of a model for people: what `tfner.json` says, as the README.md beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfner.evaluation.report.page import percent
from tfner.safeio.printable import printable

UNKNOWN = "not recorded"
SHOWN = (
    "format", "name", "encoder", "languages", "max_length", "overlap", "labelling", "tag_scheme", "decoder", "created", "versions",
    "tokenizer", "labels", "tags", "scores", "data",
)  # fmt: skip


def model_card(card: Mapping[str, Any]) -> str:
    """Markdown from the card of an export; what the card does not hold is said to be unknown, never guessed.

    Besides what `make_card` puts in, a card may hold `languages` (names) and `data`: by split, `source` (a file's name), `documents`,
    `entities` (numbers) and `lost` (reason → number). Any other entry becomes a line of the facts.
    """
    sections = (
        heading(card),
        labels(card),
        scores(card),
        data(card),
        limits(card),
        use(card),
        LICENCE,
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def heading(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {escape(card.get('name') or 'A tagger without a name')}"
    yield ""
    yield "Named-entity recognition: text in, entities with exact offsets out. A SavedModel for TensorFlow Serving and `tfner.load`."
    yield ""
    yield from table(("", ""), facts(card))


def facts(card: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the model is, a row each."""
    encoder = card.get("encoder") or {}
    begun = {"pretrained": "pretrained weights", "random": "from random weights"}
    yield "encoder", encoder.get("checkpoint")
    yield "encoder began as", begun.get(encoder.get("initialize", ""))
    yield "languages", ", ".join(card.get("languages") or ()) or "unknown: nobody has said"
    yield "longest window", f"{card['max_length']} pieces" if "max_length" in card else None
    yield "overlap of windows", f"{card['overlap']} pieces" if "overlap" in card else None
    yield "what gets a tag", card.get("labelling")
    yield "tag scheme", card.get("tag_scheme")
    yield "decoder", card.get("decoder")
    yield "made", card.get("created")
    yield (
        "with",
        ", ".join(
            f"{package} {version}" for package, version in (card.get("versions") or {}).items()
        ),
    )
    yield "tokenizer's fingerprint", card.get("tokenizer")
    for key, value in card.items():
        if key not in SHOWN:
            yield key.replace("_", " "), plain(value)


def plain(value: Any) -> str:
    """A value of a card without JSON's signs."""
    if isinstance(value, Mapping):
        return "; ".join(
            f"{str(key).replace('_', ' ')}: {plain(inner)}" for key, inner in value.items()
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return (
        {True: "yes", False: "no", None: "none"}[value]
        if value is None or isinstance(value, bool)
        else str(value)
    )


def labels(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Labels"
    yield ""
    yield "It knows these types of entities and no other:"
    yield ""
    yield from table(("type",), ((label,) for label in card.get("labels") or ()))


def scores(card: Mapping[str, Any]) -> Iterator[str]:
    """A table a split, percent."""
    yield "## Scores"
    yield ""
    splits = {
        name: split
        for name, split in (card.get("scores") or {}).items()
        if isinstance(split, Mapping) and "micro" in split
    }
    if not splits:
        yield "None are recorded: the model was exported without an evaluation."
        return
    yield "In percent; an entity counts only with exactly the gold borders and type. Support is the number of gold entities."
    for name, split in splits.items():
        rows = [
            *split.get("types", {}).items(),
            *((f"{kind} average", split[kind]) for kind in ("micro", "macro") if kind in split),
        ]
        yield ""
        yield f"On {escape(name)}:"
        yield ""
        yield from table(
            ("type", "precision", "recall", "F1", "support"),
            (score_row(kind, score) for kind, score in rows),
        )


def score_row(kind: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (
        percent(score[name]) if name in score else None for name in ("precision", "recall", "f1")
    )
    return kind, *(number or UNKNOWN for number in numbers), str(score.get("support", UNKNOWN))


def data(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Data it was made with"
    yield ""
    splits = card.get("data") or {}
    if not splits:
        yield "Not recorded in the card; the run's `report.json` and `config.yaml` hold it."
        return
    columns = ("source", "documents", "entities")
    rows = ((name, *map(split.get, columns), lost(split)) for name, split in splits.items())
    yield from table(("split", *columns, "lost or changed"), rows)


def lost(split: Mapping[str, Any]) -> str | None:
    """Counts by reason; an empty account says that nothing was lost, a missing one says nothing."""
    if split.get("lost") is None:
        return None
    return (
        ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in split["lost"].items())
        or "nothing"
    )


def limits(card: Mapping[str, Any]) -> Iterator[str]:
    window = f" of {card['max_length']} pieces" if "max_length" in card else ""
    yield "## What it does not do"
    yield ""
    yield "- Entities inside or across one another, and entities of several parts: a place in a text has one type or none."
    yield "- Entities that begin or end inside a word: borders lie between words, as the word rule or your own words cut them."
    yield f"- Look far: a text of any length is read, but each word in a window{window}, and nothing beyond it is seen."
    yield "- Normalise, link to a knowledge base, or find that two mentions mean the same."
    yield "- Calibrate: a score is the mean probability of the chosen tags, good for ranking, not the chance of being right."
    yield "- Promise its scores for text of another kind, time or language than the data above."


def use(card: Mapping[str, Any]) -> Iterator[str]:
    """The three signatures; the examples hold no text from the card."""
    yield "## How to call it"
    yield ""
    yield "```python"
    yield "import tfner"
    yield ""
    yield 'entities = tfner.load("path/to/this/version")("One text.")   # label, start, end, score, text'
    yield "```"
    yield ""
    yield "Over TensorFlow Serving, by signature (B texts, E entities, W words, T pieces, K tags):"
    yield ""
    yield SIGNATURES
    kinds = card.get("tags")
    if kinds:
        yield ""
        yield "The K tags, in the order of `features`:"
        yield ""
        yield from table(("index", "tag"), enumerate(kinds))


SIGNATURES = """\
| signature | inputs | outputs |
| --- | --- | --- |
| `serving_default` | `text` string [B] | `entity_start`, `entity_end` (code points), `entity_start_byte`, `entity_end_byte` int32, \
`entity_label` string, `entity_score` float32, all [B, E]; `entity_count` int32 [B] |
| `words` | `words` string [B, W] | `tag` string, `score` float32, both [B, W] |
| `features` | `input_ids` int32 [B, T], `length` int32 [B] | `probabilities` float32 [B, T, K] |

Rows are padded: behind `entity_count` entities with -1, "" and 0, behind a row's words with "" and 0. `features` wants [CLS] and [SEP] in
`input_ids`, made by the tokenizer whose fingerprint stands above; what stands behind `length` changes nothing."""
LICENCE = (
    "## Licence",
    "",
    "Encoder and data: as of their owners. tfner, which made the model, is under Apache-2.0.",
)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A Markdown table; cells are any values, what is empty is unknown."""
    yield f"| {' | '.join(header)} |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        yield f"| {' | '.join(UNKNOWN if cell in (None, '') else escape(cell) for cell in row)} |"


def escape(value: Any) -> str:
    """Any value on one line, as text: nothing in it is Markdown or HTML."""
    line = " ".join(printable(str(value)).split())
    return re.sub(r"([\\`*_{}\[\]()#|~!$])", r"\\\1", html.escape(line, quote=False)) or "(empty)"
