"""Open an export, a folder with a SavedModel and its card, without transformers or tf_keras."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfner.corpus.context import CONTEXTS
from tfner.exceptions import ModelError
from tfner.monitoring.machine import log_export_precision, processor_features
from tfner.quiet_tensorflow import load_tensorflow_once
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import first_line, show
from tfner.serving.export.graph_guard import check_files, check_graph, check_variables
from tfner.serving.export.layout import CARD
from tfner.serving.export.version_numbers import complete_versions
from tfner.serving.runtime.choice import (
    Runtime,
    Threads,
    check_runtime,
    has_gpu,
    tries_c_api,
)
from tfner.serving.runtime.origin import from_origin
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.schema import TEXTS, WORDS

if TYPE_CHECKING:
    from tfner.serving.runtime.c_api.open import CModel

logger = logging.getLogger(__name__)

# While one question is cut into pieces or its answer read, the encoder works on the other.
AT_ONCE = 2
Card = dict[str, Any]


def load_recognizer(
    path: str | os.PathLike[str], runtime: Runtime = "auto", threads: Threads | None = None
) -> Recognizer:
    """Load an export, newest version or the one named.

    Args:
        runtime: `c` runs it over TensorFlow's C API, `tensorflow` in TensorFlow's Python; `auto`
            takes the first where nothing of TensorFlow is imported yet and nothing else is against
            it, and the second if that fails.
        threads: of TensorFlow. Those in one operation are of the process: the first model decides.

    Raises:
        ModelError: there is no SavedModel of tfner's.
        ConfigError: there is no such runtime.
    """
    check_runtime(runtime)
    folder = find_version(Path(path))
    card, ops = check_version(folder)
    log_export_precision(folder, precision_of(card), processor_features(), has_gpu())
    threads_wanted = threads or Threads()
    model = open_over_c_api(folder, ops, runtime, threads_wanted) if tries_c_api(runtime) else None
    if model is None:
        recognizer = open_in_tensorflow(folder, card, threads_wanted)
    else:
        check_signatures(folder, model.signatures)
        recognizer = model.recognizer(card, AT_ONCE)
    options = {"runtime": runtime, "threads": threads}
    return from_origin(recognizer, load_recognizer, str(folder.absolute()), **options)


def check_version(folder: Path) -> tuple[Card, frozenset[str]]:
    """Check the files of a version before any of it runs.

    Returns:
        Its card, and the names of the operations that its graph holds.

    Raises:
        ModelError: it is not what it should be.
    """
    check_files(folder)
    card = read_card(folder)
    ops = check_graph(folder)
    check_variables(folder)
    return card, ops


def open_over_c_api(
    folder: Path, ops: frozenset[str], runtime: Runtime, threads: Threads
) -> CModel | None:
    """Open a checked version over the C API; where that fails and it need not be that, give None.

    Raises:
        ModelError: it fails, and `runtime` is `c`.
    """
    from tfner.serving.runtime.c_api.open import OPENING_ERRORS, open_session

    try:
        return open_session(folder, ops, threads)
    except OPENING_ERRORS as error:
        fault = first_line(error)
        if runtime == "c":
            what = f"cannot be loaded over TensorFlow's C API: {fault}"
            raise ModelError(f"{folder}: {what}") from None
        logger.warning("%s: not run over the C API, but in TensorFlow: %s", folder, fault)
        return None


def open_in_tensorflow(folder: Path, card: Card, threads: Threads) -> Recognizer:
    """Open a version in TensorFlow's Python, which is imported here at the latest.

    Raises:
        ModelError: it is no export of tfner's.
    """
    load_tensorflow_once()
    from tfner.serving.runtime.graph_functions import GraphFunctions, load_graph, set_threads

    set_threads(threads)
    model = load_graph(folder)
    check_signatures(folder, model.signatures)
    functions = GraphFunctions(model, model.signatures[TEXTS], model.signatures[WORDS])
    return functions.recognizer(card)


def check_signatures(folder: Path, there: Iterable[str]) -> None:
    """Check that a model has the signatures that are asked.

    Raises:
        ModelError: one is missing.
    """
    missing = {TEXTS, WORDS}.difference(there)
    if missing:
        names = ", ".join(sorted(missing))
        came = f"got one without the signatures {names}"
        raise ModelError(f"{folder}: expected a SavedModel of tfner, {came}")


def find_version(path: Path) -> Path:
    """Find the folder of one version: `path` itself, or its newest complete numbered subfolder.

    Raises:
        ModelError: there is none.
    """
    if (path / "saved_model.pb").is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: no such folder")
    versions = complete_versions(path)
    if not versions:
        expected = "expected a SavedModel or numbered versions of one"
        raise ModelError(f"{path}: {expected}, found neither")
    return versions[max(versions)]


def precision_of(card: Mapping[str, Any]) -> object:
    """Read from a card what an export's products are computed in; None where it does not say."""
    export = card.get("export")
    return export.get("precision") if isinstance(export, Mapping) else None


def read_card(folder: Path) -> dict[str, Any]:
    """Read what an export says of itself.

    Raises:
        ModelError: there is no card, or none of tfner's.
    """
    path = folder / CARD
    if not path.is_file():
        raise ModelError(f"{folder}: not an export of tfner: {CARD} cannot be read: No such file")
    card = read_json_object(path, ModelError)
    if "tag_scheme" not in card:
        came = show(sorted(card))
        raise ModelError(f"{path}: expected a JSON object with tag_scheme, got {came}")
    context = card.get("context", "none")
    if context not in CONTEXTS:
        expected = f"expected {' or '.join(CONTEXTS)} as context"
        raise ModelError(f"{path}: {expected}, got {show(context)}")
    return card
