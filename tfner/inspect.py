"""`python -m tfner.inspect DATA …`: show what is in a corpus, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tfner import commands
from tfner.commands import messages, output
from tfner.config import RunSettings, load_settings
from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import corpus_statistics
from tfner.corpus.verdicts.judge import at_least, judge_corpus, worst_first
from tfner.corpus.verdicts.verdict import SEVERITIES, Severity, Verdict
from tfner.documents import Document
from tfner.evaluation.report.corpus_report import CorpusReport
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.quiet_tensorflow import load_tensorflow
from tfner.safeio.printable import printable, show
from tfner.safeio.sources import Source, name_source
from tfner.tagging.schemes import LabelSet
from tfner.training.held_out import hold_out

if TYPE_CHECKING:
    from tfner.tokenizers.protocol import Tokenizer

# Its units are those of every BERT, its pieces those of none.
DEFAULT_TOKENIZER = "embedded:quickstart/encoder"
CONFIGURATIONS = (".yaml", ".yml")

DATA_HELP = "Files, folders or patterns, a split each; or one configuration, whose splits are read."
ENCODER_HELP = "Checkpoint whose vocabulary counts pieces; default: a configuration's own."
LIST_HELP = "Name everything that is dropped, trimmed, repaired or misaligned, and more cases."
HTML_HELP = "Write it as a page too, one file that needs nothing from outside."
FAIL_HELP = "Exit with 1 where a verdict is as severe or worse; by default none is."
FOUND = 1  # exit code
Data = Annotated[list[str], typer.Argument(help=DATA_HELP)]
Encoder = Annotated[str | None, typer.Option(help=ENCODER_HELP)]
ListDropped = Annotated[bool, typer.Option("--list", help=LIST_HELP)]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help=HTML_HELP)]
FailOn = Annotated[str | None, typer.Option(metavar="|".join(SEVERITIES), help=FAIL_HELP)]


def inspect(
    data: Data,
    encoder: Encoder = None,
    list_dropped: ListDropped = False,
    html: Html = None,
    fail_on: FailOn = None,
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
    """Show what a corpus holds, and end with verdicts: what is wrong with it, the worst first."""
    limit = check_severity(fail_on)
    run_settings = None
    if len(data) == 1 and Path(data[0]).suffix in CONFIGURATIONS:
        run_settings = load_settings(data[0], override_encoder(encoder))
        settings: ReadSettings = run_settings.data
        splits = {name: getattr(settings, name) for name in ("train", "dev", "test")}
        sources = {name: source for name, source in splits.items() if source}
        encoder = run_settings.encoder.checkpoint
    else:
        columns = {"token_column": token_column, "tag_column": tag_column}
        columns["sentence_column"] = sentence_column
        limits = {"max_line": max_line, "max_file": max_file}
        reading = {"format": format, "encoding": encoding, "scheme": scheme, "strict": strict}
        settings = commands.validate_reading(**reading, **columns, **limits, types=types)
        sources: dict[str, Source] = {source: source for source in data}
    with messages().status("reading and judging"):
        report, ledgers = inspect_sources(sources, settings, encoder, run_settings)
    report.print_table(output())
    if encoder is None:
        missing = "lengths in pieces and unknown characters depend on a vocabulary"
        output().print(f"{missing}: name one with --encoder")
    if list_dropped:
        print_dropped(ledgers)
        report.print_cases(output())
    if html is not None:
        report.write_html(html)
    if limit is not None and at_least(report.verdicts, limit):
        raise typer.Exit(FOUND)


def check_severity(name: str | None) -> Severity | None:
    """Check what severity is to end the command with an exit code; None is none.

    Raises:
        ConfigError: there is no such severity.
    """
    if name is not None and name not in SEVERITIES:
        expected = ", ".join(SEVERITIES)
        raise ConfigError(f"--fail-on: expected one of {expected}, got {show(name)}")
    return cast("Severity | None", name)


def override_encoder(encoder: str | None) -> list[str]:
    """Make the override of a configuration that names another encoder, if one is named."""
    return [] if encoder is None else [f"encoder.checkpoint={json.dumps(encoder)}"]


def inspect_sources(
    sources: Mapping[str, Source],
    settings: ReadSettings,
    encoder: str | None = None,
    run_settings: RunSettings | None = None,
) -> tuple[CorpusReport, dict[str, Ledger]]:
    """Count and judge some splits, with a ledger of each.

    Args:
        encoder: whose vocabulary counts pieces; without one nothing is said of pieces.
        run_settings: whose training is worked out, on the split `train`.
    """
    splits, ledgers = read_splits(sources, settings, run_settings)
    if not any(splits.values()):
        where = ", ".join(map(name_source, sources.values()))
        raise DataError(f"{where}: expected documents, found none")
    load_tensorflow()
    from tfner.data.token_stats import collect_token_stats
    from tfner.model.encoders.checkpoints import resolve_checkpoint
    from tfner.tokenizers.registry import open_tokenizer

    checkpoint = resolve_checkpoint(encoder or DEFAULT_TOKENIZER)
    tokenizer = open_tokenizer(checkpoint)
    labels = labels_of(chain.from_iterable(splits.values()))
    token_stats = {}
    for name, documents in splits.items():
        stats = collect_token_stats(documents, tokenizer, labels, ledgers[name])
        if encoder is None:
            stats = replace(stats, pieces=None, unknown_characters={})
        token_stats[name] = stats
    verdicts = judge_corpus(splits, ledgers, token_stats)
    training = ""
    if run_settings is not None and splits.get("train"):
        training, further = judge_training(run_settings, splits["train"], tokenizer, labels)
        verdicts = worst_first([*verdicts, *further])
    statistics = corpus_statistics(splits, token_stats)
    report = CorpusReport(statistics=statistics, verdicts=verdicts, training=training)
    return report, ledgers


def read_splits(
    sources: Mapping[str, Source], settings: ReadSettings, run_settings: RunSettings | None
) -> tuple[dict[str, list[Document]], dict[str, Ledger]]:
    """Read some splits; those that are shares of the training data as a run would take them."""
    splits: dict[str, list[Document]] = {}
    ledgers: dict[str, Ledger] = {}
    if run_settings is not None and run_settings.data.shares():
        division = hold_out(run_settings)
        splits = division.documents
        ledgers = division.ledgers
    for name, source in sources.items():
        if name not in splits:
            ledgers[name] = Ledger()
            documents = read_documents(source, settings, ledgers[name])
            splits[name] = list(documents)
    return splits, ledgers


def judge_training(
    settings: RunSettings, documents: Sequence[Document], tokenizer: Tokenizer, labels: LabelSet
) -> tuple[str, list[Verdict]]:
    """Say how many updates the settings will make of the training split, and whether too few."""
    from tfner.training.forecast import describe_schedule, forecast_schedule, judge_schedule

    schedule = forecast_schedule(settings, documents, tokenizer, labels)
    if schedule is None:
        return "", []
    return describe_schedule(schedule), list(judge_schedule(schedule))


def labels_of(documents: Iterable[Document]) -> LabelSet:
    """Collect every entity type that occurs."""
    names = {entity.label for document in documents for entity in document.entities}
    ordered = sorted(names)
    return LabelSet(tuple(ordered))


def print_dropped(ledgers: Mapping[str, Ledger]) -> None:
    """Print each entry of the ledgers on a line of its own."""
    for name, ledger in ledgers.items():
        for entry in ledger.entries:
            line = f"{name}\t{entry.reason}\t{entry.where}\t{entry.detail}"
            output().print(printable(line), markup=False)


if __name__ == "__main__":
    commands.run(inspect)
