"""`python -m tfner.compare A B [DATA]`: tell whether B is better than A by more than chance.

A and B are models, which are scored on DATA, or without DATA two files of token, gold and predicted
tag, as `python -m tfner.evaluate MODEL DATA --predictions FILE` writes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer

from tfner import commands
from tfner.corpus.context import Context
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.evaluation.changes import find_changes
from tfner.evaluation.comparison import (
    DRAWS,
    SEED,
    Found,
    check_documents,
    compare_predictions,
)
from tfner.evaluation.learning_curve import read_curve
from tfner.evaluation.report.comparison_report import ComparisonReport
from tfner.exceptions import ConfigError, DataError
from tfner.formats.reading import as_source
from tfner.formats.scored_columns import match_scored, read_scored
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.safeio.sources import Source, name_source
from tfner.training.state.run_folder import RunFolder

LISTED = 10
MODEL_HELP = "Model (export or run folder), or without DATA a file of token, gold, predicted tag."
DATA_HELP = f"{commands.DATA_HELP} Without it A and B are files."
LIST_HELP = "Show so many of the documents that changed."
DRAWS_HELP = "Draws of the bootstrap and of the randomization."
SystemA = Annotated[Path, typer.Argument(metavar="A", help=MODEL_HELP)]
SystemB = Annotated[Path, typer.Argument(metavar="B", help="The same.")]
Data = Annotated[list[str] | None, typer.Argument(metavar="[DATA...]", help=DATA_HELP)]
Listed = Annotated[int, typer.Option("--list", min=0, metavar="N", help=LIST_HELP)]
Draws = Annotated[int, typer.Option(min=1, help=DRAWS_HELP)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]


def compare(
    a: SystemA,
    b: SystemB,
    data: Data = None,
    listed: Listed = LISTED,
    draws: Draws = DRAWS,
    seed: Seed = SEED,
    report: Annotated[Path | None, typer.Option(help="Write the comparison as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the comparison as a page.")] = None,
    raw: commands.Raw = False,
    context: commands.ContextName = None,
    format: commands.Format = "auto",
    encoding: commands.Encoding = "utf-8",
    scheme: commands.Scheme = "auto",
    token_column: commands.TokenColumn = None,
    tag_column: commands.TagColumn = None,
    sentence_column: commands.SentenceColumn = None,
    types: commands.TypeNames = None,
    strict: commands.Strict = False,
    max_line: commands.MaxLine = MAX_LINE,
    max_file: commands.MaxFile = MAX_FILE,
) -> None:
    """Compare two models on marked data, or two files of predictions: is B better than A?"""
    reading = {"format": format, "encoding": encoding, "scheme": scheme, "strict": strict}
    columns = {"token_column": token_column, "tag_column": tag_column}
    columns["sentence_column"] = sentence_column
    limits = {"max_line": max_line, "max_file": max_file}
    settings = commands.validate_reading(**reading, **columns, **limits, types=types)
    asked_context = commands.check_context(context, "--context")
    if not data:
        of_data = {"--tag-column": tag_column, "--sentence-column": sentence_column}
        of_models = {"--raw": raw, "--context": context}
        check_file_options({**of_models, "--format": format != "auto", **of_data})
        predictions = read_predictions(a, b, settings)
    else:
        options: dict[str, Any] = {"raw": raw, "context": asked_context}
        predictions = predict_both(a, b, as_source(data), settings, **options)
    result = make_report(predictions, listed, draws, seed)
    if report:
        result.write_json(report)
    if html:
        result.write_html(html)
    result.print_table(commands.output())


class Predictions(NamedTuple):
    """Hold what A and B found in the same documents; other fields are those of the report."""

    a: str
    b: str
    documents: Sequence[Document]
    found_a: Found
    found_b: Found
    dropped: Mapping[str, Mapping[str, int]]
    data: str = ""
    seconds: Mapping[str, float] = MappingProxyType({})


def check_file_options(given: Mapping[str, bool | str | None]) -> None:
    """Refuse options that say how DATA is read where there is none.

    Raises:
        ConfigError: one was given.
    """
    for option, value in given.items():
        if value is not None and value is not False:
            raise ConfigError(f"{option}: expected DATA that A and B are scored on, got none")


def predict_both(
    a: Path,
    b: Path,
    source: Source,
    settings: ReadSettings,
    *,
    raw: bool = False,
    context: Context | None = None,
) -> Predictions:
    """Find the entities of a source of marked data with two models.

    Each reads sentences with the context that it was trained with, or both with `context`.

    Raises:
        DataError: the data cannot be read, or holds too little to tell models apart.
        ModelError: A or B is no model.
    """
    ledger = Ledger()
    documents = commands.read_marked(source, settings, ledger)
    data = name_source(source)
    check_documents(documents, data)
    models = [commands.open_recognizer(path) for path in (a, b)]  # both before one predicts
    shown = [replace(document, words=None) for document in documents] if raw else documents
    found: list[Found] = []
    seconds: dict[str, float] = {}
    for name, model in zip("ab", models, strict=True):
        commands.read_with(model, context)
        start = time.perf_counter()
        what = f"documents, {name.upper()}"
        entities = commands.find_entities(model, shown, what)
        found.append(entities)
        taken = time.perf_counter() - start
        seconds[f"prediction_{name}"] = taken
    found_a, found_b = found
    dropped = {data: ledger.counts}
    return Predictions(str(a), str(b), documents, found_a, found_b, dropped, data, seconds)


def read_predictions(a: Path, b: Path, settings: ReadSettings) -> Predictions:
    """Read two files of token, gold and predicted tag.

    Raises:
        DataError: a file cannot be read, the two are of other text or gold entities, or hold too
            little to tell predictions apart.
    """
    scored = []
    dropped = {}
    for path in (a, b):
        if path.is_dir():
            hint = "name DATA to compare models"
            raise DataError(f"{path}: expected a file of predictions, got a folder; {hint}")
        ledger = Ledger()
        sentences = read_scored(path, settings, ledger)
        scored.append(sentences)
        name = str(path)
        dropped[name] = ledger.counts
    documents, found_a, found_b = [], [], []
    for document, of_a, of_b in match_scored(*scored):
        documents.append(document)
        found_a.append(of_a)
        found_b.append(of_b)
    check_documents(documents, str(a))
    return Predictions(str(a), str(b), documents, found_a, found_b, dropped)


def make_report(predictions: Predictions, listed: int, draws: int, seed: int) -> ComparisonReport:
    """Compare predictions, and list the documents that changed most."""
    a, b, documents, found_a, found_b, dropped, data, seconds = predictions
    start = time.perf_counter()
    comparison = compare_predictions(documents, found_a, found_b, draws, seed)
    changes = find_changes(documents, found_a, found_b, listed)
    taken = time.perf_counter() - start
    times = {**seconds, "comparison": taken}
    about: dict[str, Any] = {"data": data, "dropped": dropped, "seconds": times}
    for name, path in (("curve_a", a), ("curve_b", b)):
        about[name] = read_curve(RunFolder(Path(path)).metrics)
    return ComparisonReport(comparison=comparison, changes=changes, a=a, b=b, **about)


if __name__ == "__main__":
    commands.run(compare)
