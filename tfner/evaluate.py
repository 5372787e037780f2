"""`python -m tfner.evaluate MODEL DATA`: score a model on marked data."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import (
    Encoding,
    Format,
    MaxFile,
    MaxLine,
    Scheme,
    Strict,
    TagColumn,
    TokenColumn,
    messages,
    open_recognizer,
    output,
    run,
    validate_reading,
)
from tfner.config import MAX_FILE, MAX_LINE, ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.evaluation.evaluate import evaluate_documents
from tfner.evaluation.report.report import Report
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.writers import open_writer
from tfner.monitoring.progress import track
from tfner.tagging.word_tags import with_words


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            help="Exported folder (saved_models/NAME or a version of it) or run folder."
        ),
    ],
    data: Annotated[
        str, typer.Argument(help="Marked data: file, folder, hub:NAME:SPLIT or embedded:FILE.")
    ],
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page.")] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Write token, gold and predicted tag, as conlleval reads them."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Predict from the raw text, even where the data gives words."),
    ] = False,
    format: Format = "auto",
    encoding: Encoding = "utf-8",
    scheme: Scheme = "auto",
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    strict: Strict = False,
    max_line: MaxLine = MAX_LINE,
    max_file: MaxFile = MAX_FILE,
) -> None:
    """Score a model on marked data: a table per type, micro and macro averages, and what the data lost."""
    settings = validate_reading(
        format=format,
        encoding=encoding,
        scheme=scheme,
        token_column=token_column,
        tag_column=tag_column,
        strict=strict,
        max_line=max_line,
        max_file=max_file,
    )
    result = evaluate_model(model, data, settings, predictions, raw=raw)
    if report:
        result.write_json(report)
    if html:
        result.write_html(html)
    result.print_table(output())


def evaluate_model(
    model: Path,
    data: str,
    settings: ReadSettings,
    predictions: Path | None = None,
    *,
    raw: bool = False,
) -> Report:
    """The report of a model on a source of marked data; optionally the predictions as a conlleval file."""
    ledger = Ledger()
    documents = list(read_documents(data, settings, ledger))
    if not documents:
        raise DataError(f"{data}: expected documents, found none")
    recognizer = open_recognizer(model)
    shown = [replace(document, words=None) for document in documents] if raw else documents
    start = time.perf_counter()
    with open_writer("conlleval", predictions) if predictions else nullcontext() as writer:
        report, found = evaluate_documents(
            lambda batch: track(
                recognizer.documents(batch), messages(), "documents", len(documents)
            ),
            shown,
            name=str(recognizer.card.get("name", model)),
            split=data,
            losses={data: ledger.counts},
            versions=recognizer.card.get("versions", {}),
        )
        for document, entities in zip(documents, found, strict=True):
            if writer:
                writer.write(with_words(document, (*document.entities, *entities)), entities)
    return replace(report, seconds={"prediction": time.perf_counter() - start})


if __name__ == "__main__":
    run(evaluate)
