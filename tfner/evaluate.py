"""`python -m tfner.evaluate MODEL DATA`: score a model on marked data."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tfner import commands
from tfner.corpus.context import Context
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.evaluation.evaluate import evaluate_documents
from tfner.evaluation.report.report import Report
from tfner.exceptions import DataError
from tfner.formats.in_memory import is_source, read_given
from tfner.formats.reading import as_source
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.formats.writers import open_writer
from tfner.quiet_tensorflow import load_tensorflow
from tfner.safeio.sources import Source, name_source
from tfner.safeio.validation import validate
from tfner.tokenizers.sentence_marks import ENDS, LINE_ENDS

if TYPE_CHECKING:
    from tfner.formats.in_memory import Data

logger = logging.getLogger(__name__)
MAY_END = frozenset(ENDS + LINE_ENDS)  # a sentence of raw text
DATA = "data"  # what messages and reports call data that are no file
MODEL_HELP = "Exported folder (saved_models/NAME or a version of it) or run folder."
PREDICTIONS_HELP = "Write token, gold and predicted tag, as conlleval reads them."


def evaluate(
    model: Annotated[Path, typer.Argument(help=MODEL_HELP)],
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help=commands.DATA_HELP)],
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page.")] = None,
    predictions: Annotated[Path | None, typer.Option(help=PREDICTIONS_HELP)] = None,
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
    """Score a model on marked data: a table per type, averages, and what was dropped."""
    reading = {"format": format, "encoding": encoding, "scheme": scheme, "strict": strict}
    columns = {"token_column": token_column, "tag_column": tag_column}
    columns["sentence_column"] = sentence_column
    limits = {"max_line": max_line, "max_file": max_file}
    settings = commands.validate_reading(**reading, **columns, **limits, types=types)
    asked_context = commands.check_context(context, "--context")
    options: dict[str, Any] = {"raw": raw, "context": asked_context}
    result = evaluate_model(model, as_source(data), settings, predictions, **options)
    if report:
        result.write_json(report)
    if html:
        result.write_html(html)
    result.print_table(commands.output())


def evaluate_model(
    model: Path,
    data: Source,
    settings: ReadSettings,
    predictions: Path | None = None,
    **options: Any,
) -> Report:
    """Score a model on a source of marked data; write its predictions as a conlleval file too.

    `options` are those of `score_model`.
    """
    ledger = Ledger()
    documents = commands.read_marked(data, settings, ledger)
    source = name_source(data)
    return score_model(model, documents, ledger, source, predictions, **options)


def score_model(
    model: Path,
    documents: Sequence[Document],
    ledger: Ledger,
    split: str,
    predictions: Path | None = None,
    *,
    raw: bool = False,
    context: Context | None = None,
) -> Report:
    """Score a model on documents.

    Args:
        ledger: what was dropped of them.
        split: the name of the data.
        predictions: a conlleval file to write.
    """
    if not any(document.entities for document in documents):
        what = f"none of {len(documents):,} documents has a marked entity"
        logger.warning("%s: %s to compare predictions with", split, what)
    recognizer = commands.open_recognizer(model)
    commands.read_with(recognizer, context)
    card = recognizer.card
    shown = [replace(document, words=None) for document in documents] if raw else documents
    if card.get("raw_text") == "sentences":
        warn_divided(shown, split)

    def recognize(batch: Iterable[Document]) -> Iterator[list[Entity]]:
        found = commands.find_entities(recognizer, list(batch))
        return iter(found)

    start = time.perf_counter()
    with open_writer("conlleval", predictions) if predictions else nullcontext() as writer:
        about = {"name": str(card.get("name", model)), "versions": card.get("versions", {})}
        dropped = {split: ledger.counts}
        report, found = evaluate_documents(recognize, shown, split=split, dropped=dropped, **about)
        for document, entities in zip(documents, found, strict=True):
            if writer:
                writer.write(document, entities)
    return replace(report, seconds={"prediction": time.perf_counter() - start})


def warn_divided(documents: Sequence[Document], split: str) -> None:
    """Count the entities that cannot be found, as a sentence of raw text ends within them.

    TensorFlow, which counts them, is only loaded where an entity has a character that may end one.
    """
    raw = [document for document in documents if document.words is None]
    doubtful = list(filter(may_be_divided, raw))
    if not doubtful:
        return
    load_tensorflow()
    from tfner.data.raw_sentences import count_divided
    from tfner.training.unit_answers import open_any_tokenizer

    divided = count_divided(doubtful, open_any_tokenizer())
    if divided:
        entities = sum(len(document.entities) for document in raw)
        message = (
            "%s: %d of %d entities cross the end of a sentence and cannot be found in raw text"
        )
        logger.warning(message, split, divided, entities)


def may_be_divided(document: Document) -> bool:
    """Tell whether an entity holds a character at which a sentence of raw text may end."""
    spans = (document.text[entity.start : entity.end] for entity in document.entities)
    return any(not MAY_END.isdisjoint(span) for span in spans)


def evaluate_source(
    model: str | os.PathLike[str],
    data: Data,
    *,
    raw: bool = False,
    context: str | None = None,
    **reading: Any,
) -> Report:
    """Score an export or a run folder on marked data: `tfner.evaluate`.

    `data` is a file, a folder, a pattern, hub:NAME:SPLIT, run:FOLDER:SPLIT or embedded:FILE, or
    several; or a list of Documents, dicts or spaCy Docs, a DataFrame, a Dataset. `reading` are
    options such as `format`, `scheme`, `encoding`. With `raw` the model reads the text even where
    words are given. `context`, `none` or `document`, is by default as the model was trained.

    Raises:
        ConfigError: an option is unknown or wrong.
        DataError, ModelError: the data or the model cannot be read; `data[3]` is the row or record
            of number 3, from 0.
    """
    settings = validate(reading, ReadSettings, "evaluate")
    options: dict[str, Any] = {"raw": raw, "context": commands.check_context(context, "context")}
    if is_source(data):
        source = as_source(cast("Any", data))
        return evaluate_model(Path(model), source, settings, **options)
    ledger = Ledger()
    documents = list(read_given(cast("Any", data), DATA, settings, ledger))
    if not documents:
        raise DataError(f"{DATA}: expected documents, got none")
    return score_model(Path(model), documents, ledger, DATA, **options)


commands.make_callable(__name__, evaluate_source)

if __name__ == "__main__":
    commands.run(evaluate)
