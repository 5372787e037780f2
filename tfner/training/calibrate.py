"""Calibrate the scores of a run's entities on its dev split, and give them back on a restore."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tfner.config import RunSettings
from tfner.documents import Document, Entity
from tfner.evaluation.calibration import (
    Calibration,
    CalibrationError,
    CalibrationFit,
    fit_calibration,
)
from tfner.evaluation.evaluate import Recognize
from tfner.exceptions import ModelError
from tfner.model.build import decoding_options
from tfner.model.heads.head import DecoderOptions
from tfner.model.inference.tagger import Tagger
from tfner.training.card import recognizer_of_run

logger = logging.getLogger(__name__)


def calibrate_on_dev(
    tagger: Tagger, settings: RunSettings, documents: Sequence[Document]
) -> tuple[CalibrationFit | None, Recognize]:
    """Fit a calibration, which the tagger applies from then on; say in the log why there is none.

    Returns:
        The fit, and what recognizes the entities of the same documents as they are served. Where
        the export cuts nothing off, that recalls those of the fit: dev is long on small corpora.
    """
    uncut = DecoderOptions(tagger.decoder.method)
    found = recognize_uncut(tagger, settings, documents)
    fit = None
    try:
        fit = fit_calibration(documents, found)
    except CalibrationError as reason:
        logger.warning("export.calibrate: scores stay as they are: on data.dev %s", reason)
    calibration = fit.calibration if fit else None
    tagger.decode_with(decoding_options(settings, calibration))
    if decoding_options(settings) != uncut:
        return fit, recognizer_of_run(settings, tagger).documents
    served = [calibration.apply(entities) for entities in found] if calibration else found
    return fit, lambda _: iter(served)


def recognize_uncut(
    tagger: Tagger,
    settings: RunSettings,
    documents: Sequence[Document],
    calibration: Calibration | None = None,
) -> list[list[Entity]]:
    """Recognize all entities, whatever their score; the tagger decodes so from then on."""
    method = decoding_options(settings).method
    tagger.decode_with(DecoderOptions(method, calibration=calibration))
    return list(recognizer_of_run(settings, tagger).documents(documents))


def calibration_of_run(
    settings: RunSettings, report: Mapping[str, Any], where: str
) -> Calibration | None:
    """Read from the report of a run the calibration that its settings want, if it has one.

    Raises:
        ModelError: what the report holds is none.
    """
    if not settings.export.calibrate or "calibration" not in report:
        return None
    try:
        return Calibration.read(report["calibration"])
    except ValueError as error:
        raise ModelError(f"{where}: calibration: {error}") from None
