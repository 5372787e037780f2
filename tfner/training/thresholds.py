"""Choose the thresholds of an export that reach a precision on the dev split of its run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tfner.config import RunSettings, apply_override
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.evaluation.precision import (
    ChosenThreshold,
    PrecisionError,
    choose_thresholds,
    types_not_named,
)
from tfner.evaluation.report.page import percent
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.model.inference.tagger import Tagger
from tfner.safeio.sources import check_source, is_share, name_source
from tfner.training.calibrate import recognize_uncut
from tfner.training.environment import describe_source, read_described
from tfner.training.held_out import hold_out
from tfner.training.state.run_folder import RunFolder

logger = logging.getLogger(__name__)
OPTION = "--precision-at-least"


def check_one_number(
    overrides: Sequence[str], at_least: Mapping[str, float], types: Sequence[str]
) -> None:
    """Refuse a threshold and a precision that are given for the same type.

    Args:
        overrides: `key=value` settings of the group `export`, as the command line gives them.
        at_least: precision by type; "" stands for the types that are not named.
        types: all types of the model.

    Raises:
        ConfigError: a type has both; the message names both.
    """
    thresholds = thresholds_among(overrides)
    types_by_pair: dict[str, list[str]] = {}
    for name in types:
        threshold = thresholds.get(name, thresholds.get(""))
        asked = name if name in at_least else ""
        if threshold is None or asked not in at_least:
            continue
        number = f"{asked}={at_least[asked]}" if asked else f"{at_least[asked]}"
        types_by_pair.setdefault(f"{threshold} and {OPTION} {number}", []).append(name)
    if not types_by_pair:
        return
    expected = "expected a threshold or a precision for a type"
    came = "; ".join(f"{pair} for {', '.join(names)}" for pair, names in types_by_pair.items())
    raise ConfigError(f"command line: {expected}, got {came}")


def thresholds_among(overrides: Sequence[str]) -> dict[str, str]:
    """Pick the thresholds out of settings of the group `export`, by type; "" is all types.

    >>> thresholds_among(["xla=true", "threshold.PER=0.5"])
    {'PER': 'threshold.PER=0.5'}
    """
    values: dict[str, Any] = {}
    for override in overrides:
        key, _, _ = override.partition("=")
        if key.partition(".")[0] == "threshold":
            apply_override(values, override, group="export.")
    given = values.get("threshold", {})
    if isinstance(given, dict):
        return {name: f"threshold.{name}={number}" for name, number in given.items()}
    return {"": f"threshold={given}"}


def reach_precision(
    tagger: Tagger, folder: RunFolder, settings: RunSettings, at_least: Mapping[str, float]
) -> tuple[RunSettings, list[ChosenThreshold]]:
    """Choose thresholds on dev for the types that `at_least` names, "" being all others.

    Returns:
        The settings with these thresholds, and what they do. The tagger decodes without any.

    Raises:
        ConfigError: the run has no dev data, a type is unknown, or a precision cannot be reached.
        DataError: the dev data are not there any more, or cannot be read.
    """
    types = tagger.labels.types
    unknown = sorted(set(at_least).difference(types, [""]))
    if unknown:
        known = ", ".join(types)
        raise ConfigError(f"{OPTION}: expected types of {known}, got {', '.join(unknown)}")
    try:
        types_not_named(at_least, types)  # before dev is read and predicted
    except PrecisionError as error:
        raise ConfigError(f"{OPTION}: {error}") from None
    documents = read_dev(folder, settings)
    found = recognize_uncut(tagger, settings, documents, tagger.decoder.calibration)
    try:
        chosen = choose_thresholds(documents, found, at_least, types)
    except PrecisionError as error:
        dev = name_source(settings.data.dev or "")
        raise ConfigError(f"{OPTION}: on {dev}: {error}") from None
    former = settings.export.threshold
    thresholds = dict.fromkeys(types, 0.0 if isinstance(former, dict) else former)
    if isinstance(former, dict):
        thresholds.update(former)
    for one in chosen:
        tell_replaced(one, thresholds)
        new = dict.fromkeys(one.types, one.threshold)
        thresholds.update(new)
    changed = {"threshold": thresholds}
    export = settings.export.model_copy(update=changed)
    return settings.model_copy(update={"export": export}), chosen


def tell_replaced(chosen: ChosenThreshold, configured: Mapping[str, float]) -> None:
    """Say in the log which thresholds of the configuration a chosen one takes the place of."""
    before = [f"{name}={configured[name]:g}" for name in chosen.types if configured[name] > 0]
    if before:
        replaced = "export.threshold of the configuration is replaced by %s %s: %s"
        logger.warning(replaced, OPTION, chosen.at_least, ", ".join(before))


def read_dev(folder: RunFolder, settings: RunSettings) -> Sequence[Document]:
    """Read the dev split of a run; say in the log if it is not what it was."""
    source = settings.data.dev
    if source is None:
        came = f"{folder.path} was trained without"
        raise ConfigError(f"{OPTION}: expected a run with data.dev to choose thresholds on, {came}")
    if is_share(source):
        documents = hold_out(settings, folder.path).documents["dev"]
    else:
        check_source("data.dev", source)
        documents = list(read_documents(source, settings.data, Ledger()))
    if not documents:
        raise DataError(f"{name_source(source)}: expected documents for data.dev, found none")
    environment = read_described(folder.environment, "data")
    then = environment.get("dev", {})
    now = describe_source(source, documents)
    if then.get("sha256") not in (None, now["sha256"]):
        changed = "data.dev: %s is not what it was when the run was last started"
        logger.warning(changed, name_source(source))
    return documents


def describe_choice(chosen: ChosenThreshold) -> str:
    """Write as a line what a threshold gives and costs.

    >>> from tfner.evaluation.scores import Score
    >>> before, after = Score(0.7, 0.6, 0.65, 100), Score(0.952, 0.451, 0.61, 100)
    >>> describe_choice(ChosenThreshold(("PER",), 0.95, 0.74, before, after))
    'PER: threshold 0.74: precision 70.0 → 95.2, recall 60.0 → 45.1 (14.9 lost) on dev'
    """
    before = chosen.before
    after = chosen.after
    loss = percent(before.recall - after.recall)
    precision = f"precision {percent(before.precision)} → {percent(after.precision)}"
    recall = f"recall {percent(before.recall)} → {percent(after.recall)} ({loss} lost) on dev"
    names = ", ".join(chosen.types)
    return f"{names}: threshold {chosen.threshold:g}: {precision}, {recall}"
