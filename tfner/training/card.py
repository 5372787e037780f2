"""Make the card of a run's model: what `tfner.json` says next to the graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.model.inference.tagger import Tagger
from tfner.serving.export.bundle import make_card
from tfner.training.environment import versions


def card_of_run(
    settings: RunSettings,
    tagger: Tagger,
    scores: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, int]],
    dropped: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """Describe an exported run.

    Args:
        scores: of the evaluated splits.
        counts: documents and entities by split.
        dropped: what was dropped or repaired, by split and reason.
    """
    data = {}
    for split, source in settings.data.sources().items():
        name = Path(source).name  # without the folders of the machine
        data[split] = {"source": name, **counts.get(split, {}), "lost": dropped.get(split)}
    encoder = settings.encoder.model_dump(include={"checkpoint", "initialize"})
    export = settings.export.model_dump(mode="json", exclude={"enabled"})
    model = {"name": settings.name, "labelling": settings.model.labelling, "encoder": encoder}
    if settings.training.teachers:
        model["teachers"] = [Path(teacher).name for teacher in settings.training.teachers]
    results = {"scores": scores, "data": data, "export": export}
    return make_card(tagger, **model, versions=versions(), **results)
