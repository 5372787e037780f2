"""Write an export: `saved_models/NAME/<version>/` with graph, cards and warm-up requests."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.model.inference.tagger import Tagger
from tfner.serving.export.layout import CARD, CARD_PAGE
from tfner.serving.export.model_card import model_card
from tfner.serving.export.signatures import Signatures
from tfner.serving.export.versions import add_version
from tfner.serving.export.warm_up import replay, warm_up_requests, write_warm_up
from tfner.serving.runtime.graph_functions import GraphFunctions
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.schema import SIGNATURES

CARD_FORMAT = 1


def make_card(tagger: Tagger, **entries: Any) -> dict[str, Any]:
    """Make what `tfner.json` says of a model: what the tagger knows of itself, and `entries`."""
    now = datetime.now(timezone.utc)
    labels = tagger.labels
    card: dict[str, Any] = {"format": CARD_FORMAT, "created": now.isoformat(timespec="seconds")}
    card |= {"labels": list(labels.types), "tag_scheme": labels.scheme, "tags": list(labels.tags)}
    card |= {"max_length": tagger.max_length, "overlap": tagger.overlap}
    card["raw_text"] = "sentences" if tagger.by_sentence else "whole"
    card |= {"decoder": tagger.decoder.method, "tokenizer": tagger.tokenizer.fingerprint()}
    calibration = tagger.decoder.calibration
    if calibration is not None:
        card["calibration"] = calibration.to_dict()
    return card | entries


def live_recognizer(tagger: Tagger, card: dict[str, Any]) -> Recognizer:
    """Make the same object that `tfner.load` gives, over a model in this process."""
    signatures = Signatures(tagger)
    functions = GraphFunctions(signatures, signatures.text, signatures.words)
    return functions.recognizer(card)


def export_model(tagger: Tagger, card: dict[str, Any], folder: Path) -> Path:
    """Write the next version into `folder` and give its path.

    A reader sees no half-written version, and a failure leaves nothing.

    Raises:
        ModelError: the export fails on one of its own warm-up requests, on which a server would
            fail to load it.
    """

    def fill(building: Path) -> None:
        write_cards(card, building)
        save_graph(tagger, building)
        add_warm_up(tagger, card, building)

    return add_version(fill, folder)


def write_cards(card: dict[str, Any], folder: Path) -> None:
    """Write the card for programs, with the declared signatures, and the one for people."""
    signatures = {name: schema.describe(card) for name, schema in SIGNATURES.items()}
    text = json.dumps({**card, "signatures": signatures}, ensure_ascii=False, indent=2)
    (folder / CARD).parent.mkdir(exist_ok=True)
    (folder / CARD).write_text(f"{text}\n", encoding="utf-8")
    (folder / CARD_PAGE).write_text(model_card(card), encoding="utf-8")


def add_warm_up(tagger: Tagger, card: dict[str, Any], folder: Path) -> None:
    """Write the warm-up requests and answer them from the files, as a server will."""
    requests = warm_up_requests(tagger)
    write_warm_up(requests, folder, card.get("name", ""))
    replay(folder)


def save_graph(tagger: Tagger, folder: Path) -> None:
    """Write the SavedModel."""
    signatures = Signatures(tagger)
    tf.saved_model.save(signatures, str(folder), signatures=signatures.by_name())
