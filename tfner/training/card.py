"""Make the card of a run's model: what `tfner.json` says next to the graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.model.inference.tagger import Tagger
from tfner.safeio.sources import short_name
from tfner.serving.export.bundle import live_recognizer, make_card
from tfner.serving.runtime.recognizer import Recognizer
from tfner.training.environment import versions


def card_of_run(
    settings: RunSettings,
    tagger: Tagger,
    scores: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, int]],
    dropped: Mapping[str, Mapping[str, int]],
    calibration: Mapping[str, Any] | None = None,
    began_from: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe an exported run.

    Args:
        scores: of the evaluated splits.
        counts: documents and entities by split.
        dropped: what was dropped or repaired, by split and reason.
        calibration: what the report says of it; the tagger says whether it has one.
        began_from: what the report says of the tagger that the run began from.
    """
    data = {}
    for split, source in settings.data.sources().items():
        name = short_name(source)
        data[split] = {"source": name, **counts.get(split, {}), "lost": dropped.get(split)}
    encoder = settings.encoder.model_dump(include={"checkpoint", "initialize"})
    export = settings.export.model_dump(mode="json", exclude={"enabled"})
    model = {"name": settings.name, "labelling": settings.model.labelling, "encoder": encoder}
    model["context"] = settings.data.context
    if began_from:
        model["began_from"] = {**began_from, "source": Path(began_from["source"]).name}
    if settings.training.teachers:
        model["teachers"] = [Path(teacher).name for teacher in settings.training.teachers]
    results = {"scores": scores, "data": data, "export": export}
    if calibration is not None and tagger.decoder.calibration is not None:
        results["calibration"] = without_bins(calibration)
    return make_card(tagger, **model, versions=versions(), **results)


def without_bins(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a calibration what only a diagram shows.

    >>> without_bins({"slope": 0.5, "after": {"ece": 0.02, "bins": []}})
    {'slope': 0.5, 'after': {'ece': 0.02}}
    """
    short = {}
    for key, value in calibration.items():
        if isinstance(value, Mapping):
            value = {name: inner for name, inner in value.items() if name != "bins"}
        short[key] = value
    return short


def recognizer_of_run(settings: RunSettings, tagger: Tagger) -> Recognizer:
    """Make what finds entities with a run's model in this process, as its export will."""
    return live_recognizer(tagger, make_card(tagger, context=settings.data.context))
