"""The card of a model that a run has made: what `tfner.json` says next to the graph."""

from __future__ import annotations

from typing import Any

from tfner.config import RunSettings
from tfner.model.tagger import Tagger
from tfner.serving.bundle import make_card
from tfner.training.run_folder import versions


def card_of_run(settings: RunSettings, tagger: Tagger, scores: dict[str, Any]) -> dict[str, Any]:
    """The card of an exported run."""
    encoder = {"checkpoint": settings.encoder.checkpoint, "initialize": settings.encoder.initialize}
    return make_card(tagger, name=settings.name, labelling=settings.model.labelling, encoder=encoder, versions=versions(), scores=scores)
