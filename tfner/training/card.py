"""The card of a model that a run has made: what `tfner.json` says next to the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.model.inference.tagger import Tagger
from tfner.serving.export.bundle import make_card
from tfner.training.environment import versions


def card_of_run(
    settings: RunSettings, tagger: Tagger, scores: dict[str, Any], dropped: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """The card of an exported run; `dropped` are counts by split and reason."""
    return make_card(
        tagger,
        name=settings.name,
        labelling=settings.model.labelling,
        encoder={
            "checkpoint": settings.encoder.checkpoint,
            "initialize": settings.encoder.initialize,
        },
        versions=versions(),
        scores=scores,
        data={
            split: {"source": source, "lost": dropped.get(split)}
            for split, source in sources(settings)
        },
        export=settings.export.model_dump(mode="json", exclude={"enabled"}),
    )


def sources(settings: RunSettings) -> Iterator[tuple[str, str]]:
    """The names of the splits that are given and of the files they come from, without the folders of the machine."""
    for split in ("train", "dev", "test"):
        if source := getattr(settings.data, split):
            yield split, Path(source).name
