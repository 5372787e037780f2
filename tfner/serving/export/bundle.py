"""An export on disk: `saved_models/NAME/<version>/`, its graph, its cards and what a server warms up with."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.model.inference.tagger import Tagger
from tfner.serving.export.model_card import model_card
from tfner.serving.export.signatures import Signatures
from tfner.serving.export.versions import add_version
from tfner.serving.export.warm_up import replay, warm_up_requests, write_warm_up
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.runtime.saved_model import CARD, GraphFunctions

CARD_FORMAT = 1
CARD_PAGE = CARD.parent / "README.md"


def make_card(tagger: Tagger, **facts: Any) -> dict[str, Any]:
    """What `tfner.json` says of a model; `facts` are added to what the tagger knows of itself."""
    return {
        "format": CARD_FORMAT,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "labels": list(tagger.labels.types),
        "tag_scheme": tagger.labels.scheme,
        "tags": list(tagger.labels.tags),
        "max_length": tagger.max_length,
        "overlap": tagger.overlap,
        "decoder": tagger.decoder.method,
        "tokenizer": tagger.tokenizer.fingerprint(),
        **facts,
    }


def live_recognizer(tagger: Tagger, card: dict[str, Any]) -> Recognizer:
    """The same object that `tfner.load` gives, over a model in this process."""
    signatures = Signatures(tagger)
    return GraphFunctions(signatures, signatures.text, signatures.words).recognizer(card)


def export_model(tagger: Tagger, card: dict[str, Any], folder: Path) -> Path:
    """Write the next version into `folder` and give its path; a reader sees no half-written version, a failure leaves nothing.

    Raises:
        ModelError: the export fails on one of its own warm-up requests, on which a server would fail to load it.
    """

    def fill(building: Path) -> None:
        write_cards(card, building)
        save_graph(tagger, building)
        add_warm_up(tagger, card, building)

    return add_version(fill, folder)


def write_cards(card: dict[str, Any], folder: Path) -> None:
    (folder / CARD).parent.mkdir(exist_ok=True)
    (folder / CARD).write_text(
        json.dumps(card, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    (folder / CARD_PAGE).write_text(model_card(card), encoding="utf-8")


def add_warm_up(tagger: Tagger, card: dict[str, Any], folder: Path) -> None:
    """Write the warm-up requests and answer them from the files, as a server will."""
    write_warm_up(warm_up_requests(tagger), folder, card.get("name", ""))
    replay(folder)


def save_graph(tagger: Tagger, folder: Path) -> None:
    signatures = Signatures(tagger)
    tf.saved_model.save(
        signatures,
        str(folder),
        signatures={
            "serving_default": signatures.text,
            "words": signatures.words,
            "features": signatures.features,
        },
    )
